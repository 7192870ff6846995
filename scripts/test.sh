#!/usr/bin/env bash
# Arranges what is missing and runs every test.
#
# Set-up and guests wait for the network or keep one processor busy, so they are arranged beside the long build.
# One cargo build makes everything first: the same packages and features for programs and tests, so that no dependency
# is compiled twice.
set -euo pipefail
cd "$(dirname "$0")/.."

export GRANARY_BIN=${GRANARY_TEST_BIN:-$PWD/target/debug/granary}
export GRANARY_CACHE_DIR=${GRANARY_CACHE_DIR:-$PWD/target/granary-cache}
export GRANARY_PYTHON_RUNTIME=$PWD/target/guest/python.wasm
export RUST_BACKTRACE=0

echo "test: the set-up and the example components, beside the build of the engine and all tests"
{ scripts/setup.sh && scripts/guests.sh; } &
arranging=$!
trap 'kill "$arranging" 2>/dev/null || true' EXIT
echo "test: building (the first time takes some minutes)"
cargo build --locked --workspace --all-targets
wait "$arranging" || {
    echo "test: the set-up failed, see above: 'make setup' and 'scripts/guests.sh' do it alone" >&2
    exit 1
}
trap - EXIT
scripts/share.sh

echo "test: the Python SDK and the runtime's core, on this machine's Python"
python3 -m unittest discover -s guest-sdk/python/tests -t guest-sdk/python

if command -v node >/dev/null; then
    echo "test: the JavaScript SDK, on this machine's Node.js"
    (cd guest-sdk/javascript && node --test)
else
    echo "test: Node.js is not installed, the JavaScript SDK is not tested by itself"
fi

if command -v cargo-nextest >/dev/null; then
    echo "test: the workspace"
    cargo nextest run --locked --workspace --all-targets
else
    echo "test: the workspace (cargo-nextest is not installed; cargo test takes longer)"
    cargo test --locked --workspace --no-fail-fast
fi
echo "test: what fuzzers found in the Groovy interpreter"
CARGO_TARGET_DIR=$PWD/target/groovy cargo test --quiet --locked --manifest-path guest-sdk/groovy/Cargo.toml --test corpus
echo "test: the examples in the documentation"
cargo test --locked --workspace --doc --quiet
echo "test: all green"
