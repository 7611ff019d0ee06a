#!/bin/sh
# Build the wheel, install it into an empty environment, and use it from there.
#
#   scripts/wheel-check.sh PYTHON
#
# PYTHON needs pip and venv. Only the declared dependencies are installed, so an import that
# needs a driver, or a file the wheel lacks, shows here.
set -eu
python=$1
cd "$(dirname "$0")/.."
here=$PWD
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

echo "[wheel-check] building the wheel"
"$here/$python" -m pip wheel -qq --disable-pip-version-check --no-deps --wheel-dir "$place" .
echo "[wheel-check] installing $(basename "$place"/*.whl) into an empty environment"
"$here/$python" -m venv "$place/venv"
"$place/venv/bin/python" -m pip install -qq --disable-pip-version-check "$place"/*.whl
"$place/venv/bin/python" -m pip check --disable-pip-version-check
cd "$place"
"$place/venv/bin/python" -W error "$here/scripts/wheel_smoke.py"
