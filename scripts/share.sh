#!/usr/bin/env bash
# Puts what belongs beside the program into target/share/granary: the script runtimes, and the crate that belts in Rust
# are written with.
set -euo pipefail
cd "$(dirname "$0")/.."

share=target/share/granary
mkdir -p "$share/sdk"
for runtime in python javascript javascript-transform groovy; do
    if [ -e "target/guest/$runtime.wasm" ]; then cp -u "target/guest/$runtime.wasm" "$share/$runtime.wasm"; fi
done
# The crate names its neighbours by relative paths.
rm -rf "$share/sdk.new"
mkdir -p "$share/sdk.new"
cp -R guest-sdk/rust guest-sdk/rust-macros "$share/sdk.new"
rm -rf "$share/sdk.new"/*/target
mkdir -p "$share/wit"
cp -u wit/*.wit "$share/wit"
rm -rf "$share/sdk"
mv "$share/sdk.new" "$share/sdk"
