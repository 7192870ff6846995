#!/usr/bin/env bash
# Clippy over the workspace, on what the tests were built with: dependencies are not checked a second time, which takes
# minutes. Cargo calls this script for the workspace's own crates in place of the compiler.
#
#   scripts/lint.sh            lints; warnings are errors
set -euo pipefail

if [ $# = 0 ]; then
    cd "$(dirname "${BASH_SOURCE[0]}")/.."
    export RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/lint.sh CLIPPY_ARGS="-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__"
    exec cargo build --locked --workspace --all-targets --keep-going
fi

# A compilation that only looks: no code is made, and what depends on a crate takes its interface.
arguments=()
# A build script has to run, so it is made as always.
case " $* " in *" --crate-name build_script_build "*) exec clippy-driver "$@" ;; esac
for argument; do
    case $argument in
        --emit=*) argument=--emit=dep-info,metadata ;;
        granary*=*/libgranary*.rlib) [ -e "${argument#*=}" ] || argument=${argument%.rlib}.rmeta ;;
    esac
    arguments+=("$argument")
done
exec clippy-driver "${arguments[@]}"
