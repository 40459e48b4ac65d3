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
