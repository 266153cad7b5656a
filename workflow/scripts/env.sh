#!/usr/bin/env bash
# Set up the virtual environment: the locked packages, this package, and GPAW (workflow/install). Each part leaves a stamp
# named after what it installed, so that a second call does nothing.
#
#   PYTHON=python3.12   the interpreter          WHEELHOUSE=folder   install from this folder alone, without a network
#   RETRY_GPAW=1        build GPAW again after it failed             INSTALLER=pip   pip instead of uv
set -euo pipefail
cd "$(dirname "$0")/../.."
export ENV=${ENV:-.venv}
PATH=${PATH//"$PWD/$ENV/bin:"/}   # make puts it there; the interpreter that makes .venv is another
NEEDED="3.11, 3.12 or 3.13"

say() { printf '[env] %s\n' "$*" >&2; }
digest() { cat "$@" | sha256sum | cut -c1-16; }
fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2> /dev/null; }

packages="$ENV/.stamp-$(digest requirements.lock requirements-uv.lock pyproject.toml)"
gpaw="$(digest requirements-gpaw.lock workflow/install/gpaw.py)"
if [ -x "$ENV/bin/python" ] && [ -e "$packages" ]; then
  [ -e "$ENV/.stamp-gpaw-$gpaw" ] && exit 0
  [ -e "$ENV/.stamp-no-gpaw-$gpaw" ] && [ -z "${RETRY_GPAW:-}" ] && exit 0
fi

python=${PYTHON:-python3}
fits "$python" || for other in python3.13 python3.12 python3.11; do
  if [ "$python" = python3 ] && fits $other; then python=$other; fi
done
fits "$python" || {
  found=$("$python" -V 2>&1) || found="no $python"
  say "error: Python $NEEDED is needed, found ${found%%$'\n'*}; name another: make env PYTHON=/path/to/python3.12"
  exit 2
}
exec "$python" -m workflow.install env --stamp "$packages" --gpaw-stamp "$ENV/.stamp-gpaw-$gpaw"
