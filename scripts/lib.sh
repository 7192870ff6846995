# What the set-ups share: setup.sh and trackers.sh, which source it from the root of the checkout after they have set
#
#   root      the checkout
#   script    what messages begin with
#   state     the folder in which results lie
#
# A step writes into `$work` and moves what is whole to its place. A stamp in `$state/stamps` holds the hash of the inputs
# that a result was made of. What belongs here says how a step is done and not what it makes: this file is no input.

force=0 # 1: steps are done again even where they are done

say() { printf '%s: %s\n' "$script" "$*"; }
fail() {
    say "$@" >&2
    exit 1
}

need() { # program, what to install
    command -v "$1" >/dev/null 2>&1 || fail "$1 is missing: $2"
}

# Waits for its turn, and makes `work`, a folder that goes with the process.
begin() {
    need sha256sum "install coreutils"
    mkdir -p "$state/stamps" || fail "cannot write to $state: run this script as the owner of the checkout"
    # The lock goes with the process, too.
    if command -v flock >/dev/null 2>&1; then
        exec 9>"$state/lock"
        if ! flock -n 9; then
            say "another set-up runs in this checkout, waiting for it"
            flock 9
        fi
        # Left by an interrupted set-up, and nobody else's while we hold the lock.
        rm -rf "$state"/work.*
    fi
    work=$(mktemp -d "$state/work.XXXXXX")
    readonly work
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
}

# Hash of the names and contents of files and folders; compiled Python is no input.
inputs_hash() {
    find "$@" -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-64
}

is_done() { # step, hash, result...
    local step=$1 hash=$2 result
    shift 2
    [ "$force" = 0 ] || return 1
    for result in "$@"; do [ -e "$result" ] || return 1; done
    [ "$(cat "$state/stamps/$step" 2>/dev/null)" = "$hash" ]
}

mark_done() { # step, hash
    printf '%s\n' "$2" >"$work/stamp"
    mv "$work/stamp" "$state/stamps/$1"
}

# Puts a finished folder or file in the place of an older one.
replace() { # new, place
    mkdir -p "$(dirname "$2")"
    if [ -d "$2" ]; then mv "$2" "$work/old.$RANDOM$RANDOM"; fi
    mv "$1" "$2"
}

# Runs a noisy command; shows its output only when it fails, after the sentence that says what to do.
quietly() { # sentence, command...
    local sentence=$1
    shift
    if ! "$@" >"$work/log" 2>&1; then
        tail -n 25 "$work/log" >&2
        fail "$sentence"
    fi
}

# pip's arguments for the packages of a file with their hashes, and nothing else.
readonly pip_install=(install --disable-pip-version-check --no-input --no-deps --only-binary :all: --require-hashes)

# The packages that a folder's package-lock.json pins, with their hashes, in a new folder.
npm_install() { # folder, new
    mkdir -p "$2"
    cp "$1/package.json" "$1/package-lock.json" "$2"
    quietly "npm could not install the packages of ${1#"$root"/}/package-lock.json: check npm's access to its registry" \
        npm ci --prefix "$2" --ignore-scripts --no-audit --no-fund
}
