#!/usr/bin/env bash
# Arranges the trackers of the end-to-end tests (tests/trackers, tests/e2e/trackers.rs). Idempotent, safe to interrupt, needs
# no root.
#
#   scripts/trackers.sh                 all of them
#   scripts/trackers.sh CLIENT...       some: python, node, browser
#
# | client  | makes                                                                                       |
# |---------|---------------------------------------------------------------------------------------------|
# | python  | .granary/trackers/venv with the pinned packages of tests/trackers/requirements.txt          |
# | node    | .granary/trackers/node with those of tests/trackers/package-lock.json                       |
# | browser | the same, and .granary/trackers/chromium: Debian's headless Chromium, where the machine has |
# |         | no Chromium                                                                                 |
#
# Ends with status 3 and one line that says why where the machine cannot have a client: no npm, no browser. Then its tests
# are skipped. Every other failure is one: what is pinned here can be had where npm and pip can be.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$(pwd -P)
readonly root script=trackers state="$root/.granary/trackers" sources="$root/tests/trackers"
. scripts/lib.sh
# The packages of a browser without a screen. Its drivers for graphics cards are not among them: it draws in memory.
readonly browser=chromium-headless-shell

# The machine cannot have it.
without() {
    printf '%s\n' "$*" >&2
    exit 3
}

client_python() {
    local requirements=$sources/requirements.txt hash
    python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null ||
        without "there is no Python 3.9 or later that can make virtual environments"
    # A result of an interpreter that was removed does not run any more.
    hash=$(inputs_hash "$requirements")
    if is_done venv "$hash" "$state/venv" && "$state/venv/bin/python" -c 'import snowplow_tracker' 2>/dev/null; then
        return
    fi
    say "python: installing the pinned packages into .granary/trackers/venv"
    quietly "python3 -m venv failed" python3 -m venv "$work/venv"
    quietly "pip could not install the packages of tests/trackers/requirements.txt: check pip's access to its index (pip config list)" \
        "$work/venv/bin/python" -m pip "${pip_install[@]}" -r "$requirements"
    replace "$work/venv" "$state/venv"
    mark_done venv "$hash"
}

client_node() {
    local hash
    command -v npm >/dev/null 2>&1 || without "there is no npm"
    node -e 'process.exit(+(parseInt(process.versions.node) < 20))' 2>/dev/null || without "there is no Node.js 20 or later"
    hash=$(inputs_hash "$sources/package-lock.json")
    if is_done node "$hash" "$state/node"; then return; fi
    say "node: installing the pinned packages into .granary/trackers/node"
    npm_install "$sources" "$work/node"
    replace "$work/node" "$state/node"
    mark_done node "$hash"
}

# Whether the program of a folder of the machine or of the set-up starts at all.
runs() { "$1" --headless --no-sandbox --version >/dev/null 2>&1; }

client_browser() {
    client_node
    local program
    if [ -x "$state/chromium/chromium" ] && runs "$state/chromium/chromium"; then return; fi
    for program in chromium chromium-headless-shell chromium-browser google-chrome; do
        if program=$(command -v "$program") && runs "$program"; then
            mkdir -p "$work/chromium"
            ln -s "$program" "$work/chromium/chromium"
            replace "$work/chromium" "$state/chromium"
            return
        fi
    done
    unpack_browser
    replace "$work/chromium" "$state/chromium"
}

# Fetches Debian's headless Chromium with the libraries that it needs, and unpacks it: it belongs to the release that the
# machine runs, so it runs with the machine's C library. Nothing is installed.
unpack_browser() {
    local none="there is no Chromium, and none can be unpacked" multiarch packages
    for program in apt-get apt-cache dpkg dpkg-deb; do
        command -v "$program" >/dev/null 2>&1 || without "$none: $program is missing"
    done
    say "browser: unpacking headless Chromium into .granary/trackers/chromium (about 100 MB to fetch)"
    # Lists and a cache of its own, so that neither those of the machine nor its locks are involved.
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/packages" "$work/chromium/root"
    cat >"$work/apt.conf" <<EOF2
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
EOF2
    export APT_CONFIG=$work/apt.conf
    apt-get -qq update >"$work/log" 2>&1 || without "$none: apt could not read its package lists: $(tail -n 1 "$work/log")"
    apt-cache show "$browser" >/dev/null 2>&1 || without "$none: apt offers no package $browser"
    multiarch=lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || printf '%s-linux-gnu' "$(uname -m)")
    # Whatever it links with, down to the C library, which is the machine's; and a font, without which no page has text.
    mapfile -t packages < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances "$browser" | grep -E '^(lib|zlib|chromium|fontconfig-config|fonts-dejavu-core)[^:]*$' |
        grep -vE '^lib(c6|gcc-s1|llvm.*|gl1.*|glx.*|glapi.*|z3-.*|debian-installer.*|newt.*|textwrap.*|xaw.*)$' | sort -u)
    (cd "$work/packages" && apt-get -qq download "${packages[@]}") >"$work/log" 2>&1 ||
        without "$none: apt could not fetch $browser: $(tail -n 1 "$work/log")"
    for package in "$work"/packages/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$work/chromium/root" --no-same-owner --exclude './usr/share/doc*'
        rm -f "$package"
    done
    cat >"$work/chromium/chromium" <<EOF2
#!/bin/sh
# Debian's $browser with its libraries. The folder may be moved.
root=\$(CDPATH= cd -- "\$(dirname -- "\$(readlink -f "\$0")")/root" && pwd)
export LD_LIBRARY_PATH="\$root/usr/$multiarch:\$root/$multiarch:\$root/usr/$multiarch/pulseaudio"
export FONTCONFIG_SYSROOT="\$root"
exec "\$root/usr/lib/chromium/chromium-headless-shell" "\$@"
EOF2
    chmod +x "$work/chromium/chromium"
    runs "$work/chromium/chromium" ||
        without "$none: the unpacked one does not start: $("$work/chromium/chromium" --version 2>&1 | tail -n 1)"
}

clients=("$@")
[ ${#clients[@]} -gt 0 ] || clients=(python node browser)
for client in "${clients[@]}"; do
    case $client in python | node | browser) ;; *) fail "unknown client '$client', expected python, node or browser" ;; esac
done

begin
for client in "${clients[@]}"; do "client_$client"; done
