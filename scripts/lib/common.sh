# shellcheck shell=bash disable=SC2034
# Shared by the scripts of this folder; sourced, not run. Bash 3.2 (macOS) is enough.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

is_root() { [[ $(id -u) == 0 ]]; }

# apt_install PACKAGE…: fails without a word where apt-get or the rights for it are missing.
#
# Callers check for the programs afterwards rather than trust the exit status: a package whose
# service could not be started (its port is taken, there is no init system) counts as failed,
# while its programs are there.
apt_install() {
    local sudo=()
    command -v apt-get >/dev/null || return 1
    if ! is_root; then
        command -v sudo >/dev/null || return 1
        sudo=(sudo)
    fi
    say "installing with apt-get: $*"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
    {
        ${sudo[@]+"${sudo[@]}"} "${apt[@]}" update || true
        ${sudo[@]+"${sudo[@]}"} "${apt[@]}" install -y --no-install-recommends "$@"
    } </dev/null >&2
}

# as_root COMMAND…: with sudo where that needs no password; tests that run for minutes cannot wait
# for one.
as_root() {
    if is_root; then "$@"; else sudo -n "$@"; fi
}

# in_root FOLDER USER:GROUP SHARED COMMAND…: runs COMMAND in the system below FOLDER, with this
# machine's /proc and /dev. SHARED is a folder that both see at the same path; may be empty.
#
# The mounts are in a namespace of their own: they end with the last process in it, and removing
# FOLDER never reaches what is mounted there.
in_root() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    as_root unshare --mount -- sh -euc '
        folder=$1 user=$2 shared=$3
        shift 3
        mount --rbind /proc "$folder/proc"
        mount --rbind /dev "$folder/dev"
        if [ -n "$shared" ]; then
            mkdir -p "$folder$shared"
            mount --bind "$shared" "$folder$shared"
        fi
        exec chroot --userspec="$user" "$folder" "$@"' sh "$@"
}
