#!/bin/sh
# Build the lab of poolers: one folder per Debian release, with the servers that release has.
#
#   scripts/lab.sh
#
# Needs root and a Debian or Ubuntu (debootstrap comes with apt-get where it is missing), about
# four minutes and 1.5 GB. What is built already stays. Nothing outside of the lab's folder is
# changed: the servers run in these folders by chroot, and take ports of the loopback interface.
# Ends with one line and status 1 when it cannot go on.
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

check_machine() {
    [ "$(uname -s)" = Linux ] || fail "the lab is made of Debian releases, which need Linux"
    [ "$(id -u)" = 0 ] || fail "only root can build and start the lab (debootstrap, chroot)"
    unshare --mount true 2>/dev/null || fail "this machine allows no mount namespaces"
}

check_debootstrap() {
    if have debootstrap; then return 0; fi
    have apt-get || fail "debootstrap is missing, and there is no apt-get to install it with"
    say "installing the system package debootstrap with apt-get"
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends debootstrap debian-archive-keyring
    } >"$LAB/apt.log" 2>&1 || fail "apt-get could not install debootstrap, see $LAB/apt.log"
}

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

build() {
    folder=$LAB/$1.unfinished
    rm -rf --one-file-system "$folder" "${LAB:?}/$1"
    debootstrap --variant=minbase --include="$(packages_of "$1")" \
        "$1" "$folder" "$(mirror)" "$(script_of "$1")"
    chroot "$folder" useradd --uid "$ACCOUNT_ID" --user-group --home-dir /srv/lab --create-home \
        "$ACCOUNT"
    chmod 755 "$folder/srv/lab"
    chmod 1777 "$folder/dev/shm" # debootstrap leaves it to root
    rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/*
    packages_of "$1" >"$folder/lab-packages"
    mv "$folder" "$LAB/$1"
}

check_machine
mkdir -p "$LAB"
echo '*' >"$LAB/.gitignore"
check_debootstrap

building=
for release in bookworm trixie forky; do
    if is_built "$release"; then say "$release is there"; continue; fi
    say "building $release from $(mirror): $(packages_of "$release")"
    (set -e; build "$release") >"$LAB/$release.log" 2>&1 &
    building="$building $release:$!"
done
failed=
for pair in $building; do
    wait "${pair#*:}" || failed="$failed ${pair%:*}"
done
[ -z "$failed" ] ||
    fail "no$failed ($(tail -qn 1 "$LAB/$(echo $failed | cut -d' ' -f1).log")), see $LAB/*.log"
say "the lab stands in $LAB"
