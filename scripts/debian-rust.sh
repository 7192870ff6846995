#!/usr/bin/env bash
# Unpacks a Rust compiler that knows the target wasm32-wasip2 into a folder. For scripts/setup.sh, where rustup has no
# such target.
#
#   scripts/debian-rust.sh PREFIX WORK
#
# PREFIX is made; WORK is a folder for temporary files. Afterwards PREFIX/bin/rustc is a compiler that runs with the
# libraries and the loader that came with it, so it does not matter which Linux this is. Nothing outside of the two is
# touched, root is not needed, and nothing is installed: the packages are fetched with apt from the Debian mirror that
# the machine is set up with, checked with Debian's keys, and unpacked. The linkers come from the rustup toolchain.

set -euo pipefail
prefix=$1 work=$2/debian-rust
readonly prefix work
# The release of Debian whose compiler builds the guests (rustc 1.85); guests declare it as their rust-version.
readonly suite=trixie
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

for program in apt-get apt-cache dpkg dpkg-deb tar; do
    command -v "$program" >/dev/null 2>&1 || fail "$program is missing: a private compiler can only be unpacked on Debian and its relatives"
done
[ -r "$keyring" ] || fail "$keyring is missing: install the package debian-archive-keyring"

architecture=$(dpkg --print-architecture)
case $architecture in
    amd64) multiarch=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 ;;
    arm64) multiarch=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 ;;
    *) fail "no private compiler for the architecture $architecture" ;;
esac

host=$(rustc -vV | sed -n 's/^host: //p')
linkers=$(rustc --print sysroot)/lib/rustlib/$host/bin
for linker in rust-lld wasm-component-ld; do
    [ -x "$linkers/$linker" ] || fail "the installed Rust has no $linker: it comes with toolchains of rustup 1.82 or later"
done

# The archive that the machine takes its main packages from.
# shellcheck source=/dev/null
codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
# shellcheck disable=SC2016
archive=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v codename="$codename" '$1 == codename && $2 == "main" { print $3; exit }')
[ -n "$archive" ] || fail "apt has no archive for ${codename:-this system}: see /etc/apt/sources.list and its folder"

# A configuration of its own, so that neither the machine's package lists nor its locks are involved.
apt=$work/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/sources" "$work/packages"
cat >"$apt/sources/archive.sources" <<EOF
Types: deb
URIs: $archive
Suites: $suite
Components: main
Architectures: $architecture
Signed-By: $keyring
EOF
cat >"$apt/apt.conf" <<EOF
Dir::State::lists "$apt/lists";
Dir::State::status "/dev/null";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
EOF
export APT_CONFIG=$apt/apt.conf

apt-get -qq update >"$work/log" 2>&1 || fail "apt could not read the package lists of Debian $suite: $(tail -n 1 "$work/log")"
version=$(apt-cache policy rustc | awk '/Candidate/ { print $2 }')
[ -n "$version" ] && [ "$version" != "(none)" ] || fail "Debian $suite offers no rustc at this mirror"
runtime=$(apt-cache depends "libstd-rust-dev=$version" | awk '/Depends: libstd-rust-[0-9]/ { print $2; exit }')
# The libraries of the compiler, down to the C library: none of the machine's own is used.
mapfile -t libraries < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances "$runtime" | grep -E '^(lib|zlib)[^:]*$' | sort -u)
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
# Where the loader lies differs between releases.
for folder in "usr/lib/$multiarch" usr/lib64 usr/lib lib64 lib "lib/$multiarch"; do
    if [ -e "$prefix/root/$folder/$loader" ]; then
        found=$folder/$loader
        break
    fi
done
[ -n "${found:-}" ] || fail "the package of the C library holds no $loader"
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
