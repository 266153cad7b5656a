#!/usr/bin/env bash
# Set up the virtual environment: the locked packages, this package, and GPAW where its system libraries are at hand.
# Each step leaves a stamp named after what it installed, so that a second call does nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
ENV=${ENV:-.venv}
APT="libxc-dev libopenblas-dev libfftw3-dev gcc g++ python3-dev"

say() { printf '[env] %s\n' "$*" >&2; }
digest() { cat "$@" | sha256sum | cut -c1-16; }

stamp="$ENV/.stamp-$(digest requirements.lock pyproject.toml)"
gpaw_stamp="$ENV/.stamp-gpaw-$(digest requirements-gpaw.lock)"
gpaw_missing="$ENV/.stamp-no-gpaw-$(digest requirements-gpaw.lock)"
[ -e "$stamp" ] && { [ -e "$gpaw_stamp" ] || [ -e "$gpaw_missing" ] && [ -z "${RETRY_GPAW:-}" ]; } && exit 0

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  say "Python 3.11 or newer is needed (found $("$PYTHON" -V 2>&1)); name another with PYTHON=…"
  exit 2
}

if [ ! -e "$stamp" ]; then
  [ -x "$ENV/bin/python" ] || { say "creating $ENV"; "$PYTHON" -m venv "$ENV"; }
  say "installing the locked packages (a few minutes, about 2.5 GB)"
  "$ENV/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.lock
  "$ENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
  rm -f "$ENV"/.stamp-[0-9a-f]*
  touch "$stamp"
fi

libraries_present() {
  printf '#include <xc.h>\n#include <fftw3.h>\nint main(void){return 0;}\n' > "$ENV/.probe.c"
  gcc "$ENV/.probe.c" -o "$ENV/.probe" -lxc -lopenblas -lfftw3 > /dev/null 2>&1
  local found=$?
  rm -f "$ENV/.probe" "$ENV/.probe.c"
  return $found
}

if [ ! -e "$gpaw_stamp" ]; then
  if ! libraries_present && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    say "installing GPAW's system libraries with apt-get"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $APT; } \
      > "$ENV/apt.log" 2>&1 || say "apt-get failed, see $ENV/apt.log"
  fi
  if libraries_present && { say "compiling GPAW (about two minutes)"; "$ENV/bin/python" -m pip install --quiet \
      --disable-pip-version-check -r requirements-gpaw.lock > "$ENV/gpaw.log" 2>&1; }; then
    rm -f "$ENV"/.stamp-gpaw-* "$ENV"/.stamp-no-gpaw-*
    touch "$gpaw_stamp"
  else
    say "GPAW is not installed: DFT falls back to GFN1-xTB where the configuration allows it. To get it:"
    say "  sudo apt-get install -y $APT && RETRY_GPAW=1 make env"
    touch "$gpaw_missing"
  fi
fi
say "ready"
