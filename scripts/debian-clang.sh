#!/usr/bin/env bash
# Unpacks a C compiler for WASI into a folder, with the C library's headers. For scripts/setup.sh.
#
#   scripts/debian-clang.sh PREFIX WORK
#
# PREFIX is made; WORK is a folder for temporary files. Afterwards PREFIX is laid out like the SDK of WASI, as far as a
# build without linking needs it: bin/clang, bin/ar and share/wasi-sysroot. The compiler runs with the libraries and the
# loader that came with it (scripts/debian-packages.sh). The library to link with comes with the Rust compiler.

set -euo pipefail
prefix=$1 work=$2/debian-clang
readonly prefix work
# shellcheck source=scripts/debian-packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/debian-packages.sh"
# The one that the Rust compiler of the release is built with, so that both read each other's objects.
readonly llvm=19

command -v ar >/dev/null 2>&1 || fail "ar is missing: install binutils"

open_packages
version=$(apt-cache policy "clang-$llvm" | awk '/Candidate/ { print $2 }')
[ -n "$version" ] && [ "$version" != "(none)" ] || fail "Debian $suite offers no clang-$llvm at this mirror"
mapfile -t libraries < <(libraries_of "libclang-cpp$llvm")
(
    cd "$work/packages"
    apt-get -qq download "clang-$llvm" "libclang-cpp$llvm" "libclang-common-$llvm-dev" wasi-libc "${libraries[@]}"
) >"$work/log" 2>&1 || fail "apt could not fetch clang $version: $(tail -n 1 "$work/log")"

mkdir -p "$prefix/bin" "$prefix/share" "$prefix/root"
for package in "$work"/packages/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$prefix/root" --no-same-owner --exclude './usr/share*'
    rm -f "$package"
done
found=$(loader_in "$prefix/root")
cat >"$prefix/bin/clang" <<EOF2
#!/bin/sh
# clang $version of Debian $suite with its own C library and loader, for WASI. The folder may be moved.
root=\$(CDPATH= cd -- "\$(dirname -- "\$0")/../root" && pwd)
exec "\$root/$found" --library-path "\$root/usr/lib/$multiarch:\$root/usr/lib/llvm-$llvm/lib" \\
    "\$root/usr/lib/llvm-$llvm/bin/clang" -resource-dir "\$root/usr/lib/llvm-$llvm/lib/clang/$llvm" \\
    --sysroot="\$root/usr" "\$@"
EOF2
cat >"$prefix/bin/ar" <<'EOF2'
#!/bin/sh
exec ar "$@"
EOF2
chmod +x "$prefix/bin/clang" "$prefix/bin/ar"
ln -s ../root/usr "$prefix/share/wasi-sysroot"
printf '#include <stdlib.h>\nint main(void) { return atoi("0"); }\n' >"$work/probe.c"
"$prefix/bin/clang" --target=wasm32-wasip2 -c -o "$work/probe.o" "$work/probe.c" >"$work/log" 2>&1 ||
    fail "the unpacked clang does not compile: $(tail -n 1 "$work/log")"
rm -rf "$work"
