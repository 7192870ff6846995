#!/usr/bin/env bash
# Runs every test. `make test` calls it after the build, so that the engine, the runtime and Postgres are there.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "test: the Python SDK and runtime, on this machine's Python"
python3 -m unittest discover -q -s guest-sdk/python/tests -t guest-sdk/python

# The release profile: its dependencies are built already, and the sandbox's compiler is fast in it.
if command -v cargo-nextest >/dev/null; then
    echo "test: the workspace"
    cargo nextest run --release --locked --workspace --no-fail-fast
else
    echo "test: the workspace (cargo-nextest is not installed; cargo test does it more slowly)"
    cargo test --release --locked --workspace --no-fail-fast
fi
echo "test: doc examples"
cargo test --release --locked --workspace --doc -q
echo "test: all green"
