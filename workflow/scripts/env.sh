#!/usr/bin/env bash
# Set up the virtual environment: the locked packages, this package, and GPAW (workflow/install). Each part leaves a stamp
# named after what it installed, so that a second call does nothing.
#
#   PYTHON=python3.12   the interpreter          WHEELHOUSE=folder   install from this folder alone, without a network
#   RETRY_GPAW=1        try GPAW, and build it again if it fails     INSTALLER=pip   pip instead of uv
set -euo pipefail
cd "$(dirname "$0")/../.."
export ENV=${ENV:-.venv}
PATH=${PATH//"$PWD/$ENV/bin:"/}   # make puts it there; the interpreter that makes .venv is another
NEEDED="3.11, 3.12 or 3.13"

say() { printf '[env] %s\n' "$*" >&2; }
digest() { cat "$@" | sha256sum | cut -c1-16; }
version() { "$1" -I -S -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null; }
fits() { case "$(version "$1")" in 3.11 | 3.12 | 3.13) ;; *) return 1 ;; esac; }
fail() { say "error: $*"; exit 2; }

packages="$ENV/.stamp-$(digest requirements.lock requirements-uv.lock pyproject.toml)"
gpaw="$(digest requirements-gpaw.lock workflow/install/{gpaw,libraries,debian}.py)"
python=${PYTHON:-python3}

# The environment's own interpreter; none if the system's Python, that it links to, has become another version.
own="$ENV/bin/python"
[ -x "$own" ] && there=$(version "$own") && [ -d "$ENV/lib/python$there" ] || own=
if [ -n "$own" ] && [ "$python" != python3 ]; then
  wanted=$(version "$python") || fail "PYTHON=$python does not start; name another: make env PYTHON=/path/to/python3.13"
  [ "$wanted" = "$there" ] || fail "$ENV has Python $there, PYTHON=$python is $wanted; delete $ENV to make it anew"
fi

if [ -n "$own" ] && [ -e "$packages" ] && [ -z "${RETRY_GPAW:-}" ]; then
  [ ! -e "$ENV/.stamp-gpaw-$gpaw" ] && [ ! -e "$ENV/.stamp-no-gpaw-$gpaw" ] || exit 0
fi

if [ -n "$own" ] && "$own" -m pip --version > /dev/null 2>&1; then
  fits "$own" || fail "Python $NEEDED is needed, $ENV has $there; delete $ENV to make it anew"
  python=$own   # compilers and headers are looked for by the Python that uses them
fi
fits "$python" || for other in python3.13 python3.12 python3.11; do
  if [ "$python" = python3 ] && fits $other; then python=$other; fi
done
fits "$python" || {
  there=$("$python" -V 2>&1) || there="no $python"
  fail "Python $NEEDED is needed, found ${there%%$'\n'*}; name another: make env PYTHON=/path/to/python3.13"
}
[ "$(version "$python")" != 3.12 ] || say "Python 3.12 is accepted, but only 3.11 and 3.13 are tested"
exec "$python" -m workflow.install env --stamp "$packages" --gpaw-stamp "$ENV/.stamp-gpaw-$gpaw"
