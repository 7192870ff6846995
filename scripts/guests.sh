#!/usr/bin/env bash
# Builds the Rust guests of examples/ and tests/guests/ for wasm32-wasip2: target/guest/<folder>.wasm for each folder with
# a Cargo.toml.
# The compiler is the one that scripts/setup.sh --only rust arranged, or rustup's where it has the target.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$(pwd -P)
readonly root target=wasm32-wasip2

if [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
    compiler=rustc
elif [ -x "$root/.granary/toolchain/bin/rustc" ]; then
    compiler=$root/.granary/toolchain/bin/rustc
else
    echo "guests: no Rust compiler for $target: run scripts/setup.sh --only rust" >&2
    exit 1
fi

mkdir -p "$root/target/guest"
for manifest in examples/*/Cargo.toml tests/guests/*/Cargo.toml; do
    folder=$(basename "$(dirname "$manifest")")
    # A folder of its own: two compilers in one target folder would rebuild everything in turn.
    RUSTC=$compiler CARGO_TARGET_DIR=$root/target/wasm \
        cargo build --quiet --release --locked --target "$target" --manifest-path "$manifest"
    name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -n 1)
    built=$root/target/wasm/$target/release/${name//-/_}.wasm
    cp "$built" "$root/target/guest/.$folder.wasm.$$"
    mv "$root/target/guest/.$folder.wasm.$$" "$root/target/guest/$folder.wasm"
    echo "guests: target/guest/$folder.wasm"
done
