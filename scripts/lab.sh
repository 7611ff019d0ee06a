#!/bin/sh
# Build the lab of poolers: one folder per Debian release, with the servers that release has.
#
#   scripts/lab.sh            build what is not there
#   scripts/lab.sh --check    only say, in one line and by status 1, if this machine cannot
#
# Needs root and a Debian or Ubuntu (debootstrap comes with apt-get where it is missing), about
# four minutes and 1.5 GB. What is built already stays. Nothing outside of the lab's folder is
# changed: the servers run in these folders by chroot, and take ports of the loopback interface.
# A download that fails is tried again, twice. Ends with one line and status 1 when it cannot
# go on; the line names what could not be had.
#
#   PGPOOLSAFE_LAB   where to build (default: .lab in the checkout, which git ignores)
#   LAB_MIRROR       the Debian mirror (default: the one that apt uses, else deb.debian.org)
set -eu
cd "$(dirname "$0")/.."
LAB=${PGPOOLSAFE_LAB:-.lab}

packages_of() {
    case $1 in
        bookworm) echo pgbouncer,postgresql-15 ;;            # PgBouncer 1.18
        trixie) echo pgbouncer,pgagroal ;;                   # PgBouncer 1.24, pgagroal 1.6
        forky) echo pgbouncer,odyssey,pgagroal,pgpool2,postgresql-18 ;; # 1.26, 1.5, 2.1, 4.7
    esac
}

# The account of the servers; its number is one that no package takes.
ACCOUNT=lab
ACCOUNT_ID=64998

say() { printf '[lab] %s\n' "$*"; }
fail() { printf '[lab] cannot go on: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# why_not: why this machine cannot build the lab; nothing if it can.
why_not() {
    if [ "$(uname -s)" != Linux ]; then echo "the lab is made of Debian releases, which need Linux"
    elif [ "$(id -u)" != 0 ]; then echo "only root can build and start the lab (debootstrap, chroot)"
    elif ! have debootstrap && ! have apt-get; then
        echo "debootstrap is missing, and there is no apt-get to install it with"
    elif ! unshare --mount true 2>/dev/null; then echo "this machine allows no mount namespaces"
    fi
}

# persistently COMMAND...: try it three times; what fails by chance is mostly the network.
persistently() {
    for pause in 5 20 0; do
        if "$@"; then return 0; fi
        sleep "$pause"
    done
    return 1
}

check_debootstrap() {
    if have debootstrap; then return 0; fi
    say "installing the system package debootstrap with apt-get"
    persistently install_debootstrap >"$LAB/apt.log" 2>&1 ||
        fail "apt-get could not install debootstrap: $(reason_in "$LAB/apt.log"), see $LAB/apt.log"
}

install_debootstrap() {
    apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends debootstrap debian-archive-keyring
}

# By itself, wget waits a quarter of an hour for a mirror that has fallen silent.
bound_wget() {
    printf 'timeout = 30\ntries = 3\n' >"$LAB/wgetrc"
    export WGETRC="$LAB/wgetrc"
}

# reason_in LOG: the last line in which debootstrap or apt-get says what it could not do.
reason_in() { { grep -E '^E: ' "$1" || cat "$1"; } | tail -n 1; }

mirror() {
    found=$(apt-cache policy 2>/dev/null | grep -o 'https\{0,1\}://[^ ]*/debian ' | head -n 1)
    echo "${LAB_MIRROR:-${found:-http://deb.debian.org/debian}}" | tr -d ' '
}

is_built() { [ "$(cat "$LAB/$1/lab-packages" 2>/dev/null)" = "$(packages_of "$1")" ]; }

# A release younger than this debootstrap is built like sid.
script_of() {
    for script in "/usr/share/debootstrap/scripts/$1" /usr/share/debootstrap/scripts/sid; do
        if [ -e "$script" ]; then echo "$script"; return; fi
    done
}

# fill RELEASE FOLDER: an attempt takes up the packages that one before it has downloaded.
fill() {
    mkdir -p "$LAB/$1.packages"
    rm -rf --one-file-system "$2"
    debootstrap --variant=minbase --include="$(packages_of "$1")" --cache-dir="$LAB/$1.packages" \
        "$1" "$2" "$(mirror)" "$(script_of "$1")"
}

build() {
    folder=$LAB/$1.unfinished
    rm -rf --one-file-system "${LAB:?}/$1"
    persistently fill "$1" "$folder"
    chroot "$folder" useradd --uid "$ACCOUNT_ID" --user-group --home-dir /srv/lab --create-home \
        "$ACCOUNT"
    chmod 755 "$folder/srv/lab"
    chmod 1777 "$folder/dev/shm" # debootstrap leaves it to root
    rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/* "$LAB/$1.packages"
    packages_of "$1" >"$folder/lab-packages"
    mv "$folder" "$LAB/$1"
}

reason=$(why_not)
if [ "${1:-}" = --check ]; then
    [ -z "$reason" ] || { echo "$reason"; exit 1; }
    exit 0
fi
[ -z "$reason" ] || fail "$reason"

mkdir -p "$LAB"
LAB=$(cd "$LAB" && pwd) # debootstrap wants its cache by an absolute path
echo '*' >"$LAB/.gitignore"
check_debootstrap
bound_wget

building=
for release in bookworm trixie forky; do
    if is_built "$release"; then say "$release is there"; continue; fi
    say "building $release from $(mirror): $(packages_of "$release")"
    (set -e; build "$release") >"$LAB/$release.log" 2>&1 &
    building="$building $release:$!"
done
failed=
for pair in $building; do
    release=${pair%:*}
    wait "${pair#*:}" || failed="$failed; $release: $(reason_in "$LAB/$release.log")"
done
[ -z "$failed" ] || fail "not all could be built$failed; see $LAB/*.log"
say "the lab stands in $LAB"
