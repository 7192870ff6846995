#!/usr/bin/env bash
# Unpacks a Rust compiler that knows the target wasm32-wasip2 into a folder. For scripts/setup.sh, where rustup has no
# such target.
#
#   scripts/debian-rust.sh PREFIX WORK
#
# PREFIX is made; WORK is a folder for temporary files. Afterwards PREFIX/bin/rustc is a compiler that runs with the
# libraries and the loader that came with it (scripts/debian-packages.sh). The linkers come from the rustup toolchain.

set -euo pipefail
prefix=$1 work=$2/debian-rust
readonly prefix work
# shellcheck source=scripts/debian-packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/debian-packages.sh"

host=$(rustc -vV | sed -n 's/^host: //p')
linkers=$(rustc --print sysroot)/lib/rustlib/$host/bin
for linker in rust-lld wasm-component-ld; do
    [ -x "$linkers/$linker" ] || fail "the installed Rust has no $linker: it comes with toolchains of rustup 1.82 or later"
done

open_packages
version=$(apt-cache policy rustc | awk '/Candidate/ { print $2 }')
[ -n "$version" ] && [ "$version" != "(none)" ] || fail "Debian $suite offers no rustc at this mirror"
runtime=$(apt-cache depends "libstd-rust-dev=$version" | awk '/Depends: libstd-rust-[0-9]/ { print $2; exit }')
mapfile -t libraries < <(libraries_of "$runtime")
(
    cd "$work/packages"
    apt-get -qq download "rustc=$version" "libstd-rust-dev=$version" "libstd-rust-dev-wasm32=$version" "${libraries[@]}"
) >"$work/log" 2>&1 || fail "apt could not fetch rustc $version: $(tail -n 1 "$work/log")"

mkdir -p "$prefix/bin" "$prefix/root"
for package in "$work"/packages/*.deb; do
    case $package in
        # The other wasm targets are twice as large as the one that is used.
        *libstd-rust-dev-wasm32*) only=(--wildcards './usr/lib/rustlib/wasm32-wasip2*') ;;
        *) only=(--exclude './usr/share*') ;;
    esac
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$prefix/root" --no-same-owner "${only[@]}"
    rm -f "$package"
done
ln -s "$linkers" "$prefix/linkers"
found=$(loader_in "$prefix/root")
cat >"$prefix/bin/rustc" <<EOF
#!/bin/sh
# rustc $version of Debian $suite with its own C library and loader. The folder may be moved.
here=\$(CDPATH= cd -- "\$(dirname -- "\$0")/.." && pwd)
libraries=\$here/root/usr/lib/$multiarch
PATH=\$here/linkers:\$here/linkers/gcc-ld:\$PATH exec "\$here/root/$found" --library-path "\$libraries" \\
    "\$here/root/usr/bin/rustc" --sysroot "\$here/root/usr" "\$@"
EOF
chmod +x "$prefix/bin/rustc"
"$prefix/bin/rustc" -V >"$work/log" 2>&1 || fail "the unpacked compiler does not run: $(tail -n 1 "$work/log")"
rm -rf "$work"
