#!/usr/bin/env bash
# Runs every test. `make test` calls it after the set-up, so that the Python runtime and Postgres are there.
#
# One cargo build makes everything first: the same packages and features for programs and tests, so that no dependency
# is compiled twice.
set -euo pipefail
cd "$(dirname "$0")/.."

export GRANARY_BIN=${GRANARY_TEST_BIN:-$PWD/target/debug/granary}
export GRANARY_CACHE_DIR=${GRANARY_CACHE_DIR:-$PWD/target/granary-cache}
export GRANARY_PYTHON_RUNTIME=$PWD/target/guest/python.wasm
export RUST_BACKTRACE=0

echo "test: the Python SDK and the runtime's core, on this machine's Python"
python3 -m unittest discover -s guest-sdk/python/tests -t guest-sdk/python

if command -v node >/dev/null; then
    echo "test: the JavaScript SDK, on this machine's Node.js"
    (cd guest-sdk/javascript && node --test)
else
    echo "test: Node.js is not installed, the JavaScript SDK is not tested by itself"
fi

echo "test: building the example components"
scripts/guests.sh

echo "test: building the engine and all tests (the first time takes some minutes)"
cargo build --locked --workspace --all-targets
scripts/share.sh

if command -v cargo-nextest >/dev/null; then
    echo "test: the workspace"
    cargo nextest run --locked --workspace --all-targets
else
    echo "test: the workspace (cargo-nextest is not installed; cargo test takes longer)"
    cargo test --locked --workspace --no-fail-fast
fi
echo "test: the examples in the documentation"
cargo test --locked --workspace --doc --quiet
echo "test: all green"
