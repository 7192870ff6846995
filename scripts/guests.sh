#!/usr/bin/env bash
# Builds the Rust guests of examples/ and tests/guests/ for wasm32-wasip2: target/guest/<folder>.wasm for each folder with
# a Cargo.toml. And the tests of the SDK, which are of no world: target/guest/sdk-tests.wasm.
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

# With the instructions that `granary belt build` asks for, too. A folder of its own: two compilers in one target folder
# would rebuild everything in turn.
of_guests() {
    local command=$1
    shift
    RUSTC=$compiler RUSTFLAGS=-Ctarget-feature=+simd128 CARGO_TARGET_DIR=$root/target/wasm \
        cargo "$command" --quiet --release --locked --target "$target" "$@"
}

# Puts a component in its place, in one step.
place() {
    cp "$1" "$root/target/guest/.$2.wasm.$$"
    mv "$root/target/guest/.$2.wasm.$$" "$root/target/guest/$2.wasm"
    echo "guests: target/guest/$2.wasm"
}

for manifest in examples/*/Cargo.toml tests/guests/*/Cargo.toml; do
    folder=$(basename "$(dirname "$manifest")")
    of_guests build --manifest-path "$manifest"
    name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -n 1)
    place "$root/target/wasm/$target/release/${name//-/_}.wasm" "$folder"
done

tests=$(of_guests test --no-run --lib --no-default-features --manifest-path guest-sdk/rust/Cargo.toml \
    --message-format json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
place "$tests" sdk-tests
