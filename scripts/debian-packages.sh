#!/usr/bin/env bash
# Fetches packages of Debian and unpacks them into a folder. Sourced by scripts/debian-rust.sh and scripts/debian-clang.sh, which
# set `work` to a folder for temporary files.
#
# Nothing outside of the folders is touched, root is not needed, and nothing is installed: the packages come by apt from the
# Debian mirror that the machine is set up with, are checked with Debian's keys, and are unpacked. What is unpacked runs with
# the libraries and the loader that came with it, so it does not matter which Linux this is.

# The release of Debian whose compilers build the guests (rustc 1.85, clang 19); guests declare the former as their rust-version.
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

# Reads the lists of packages, below `work`.
open_packages() {
    local codename archive apt
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
}

# Prints the libraries that a package needs, down to the C library: none of the machine's own is used.
libraries_of() {
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$1" |
        grep -E '^(lib|zlib)[^:]*$' | sort -u
}

# Prints the folder of the loader in a root that packages were unpacked into. Where it lies differs between releases.
loader_in() {
    local folder
    for folder in "usr/lib/$multiarch" usr/lib64 usr/lib lib64 lib "lib/$multiarch"; do
        if [ -e "$1/$folder/$loader" ]; then
            printf '%s\n' "$folder/$loader"
            return
        fi
    done
    fail "the package of the C library holds no $loader"
}
