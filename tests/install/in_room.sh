#!/usr/bin/env bash
# What tests/install/test_install.sh runs inside a room.
set -euo pipefail

fail() { echo "error: $*" >&2; exit 1; }
has_gpaw() { ls .venv/.stamp-gpaw-* > /dev/null 2>&1 && [ ! -e .venv/gpaw-missing.txt ]; }

new() {
  make env
  has_gpaw || fail "no GPAW: $(cat .venv/gpaw-missing.txt)"
  .venv/bin/adit sample --weights weights --kind crystal --n 2 --out samples.arrow
  test -s samples.arrow || fail "no samples"
  PATH=$PWD/.venv/bin:$PATH pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not slurm" \
    tests/unit/{data,model,flow,sample,score} tests/property
}

user() {
  [ "$(id -u)" != 0 ] || fail "root"
  ! command -v g++ > /dev/null || fail "this room has a C++ compiler"
  make env
  has_gpaw || fail "no GPAW: $(cat .venv/gpaw-missing.txt)"
  test -d .venv/debian/usr || fail "nothing was unpacked"
}

offline() {
  make env
  make wheelhouse WHEELHOUSE=/var/tmp/wheelhouse
  mv .venv /var/tmp/first
  rm -rf ~/.cache
  unshare --net make env WHEELHOUSE=/var/tmp/wheelhouse
  has_gpaw || fail "no GPAW: $(cat .venv/gpaw-missing.txt)"
  for env in /var/tmp/first .venv; do
    "$env/bin/python" -m pip list --format=freeze --exclude-editable --disable-pip-version-check > "/tmp/$(basename "$env").txt"
  done
  diff /tmp/first.txt /tmp/.venv.txt || fail "other versions than with a network"
  outage
}

# The wheels come from a server that goes away while they are being fetched.
outage() {
  rm -rf .venv ~/.cache
  export PIP_NO_INDEX=1 PIP_FIND_LINKS=http://127.0.0.1:8000/
  python3 -m http.server --directory /var/tmp/wheelhouse 8000 > /dev/null 2>&1 &
  local server=$!
  sleep 1
  : > /tmp/message
  make env 2> /tmp/message &
  local setting_up=$!
  until grep -q "installing [0-9]* packages" /tmp/message; do sleep 0.02; done
  kill "$server"
  if wait "$setting_up"; then fail "the packages came from nowhere"; fi
  cat /tmp/message >&2
  [ "$(grep -c "error:.*cannot be reached.*goes on where it stopped" /tmp/message)" = 1 ] || fail "no single line with the way out"
  ! ls .venv/.stamp-* 2> /dev/null || fail "a stamp was left"
  python3 -m http.server --directory /var/tmp/wheelhouse 8000 > /dev/null 2>&1 &
  server=$!
  sleep 1
  make env
  kill "$server"
  has_gpaw || fail "no GPAW: $(cat .venv/gpaw-missing.txt)"
}

disk() {
  mkdir .venv
  mount -t tmpfs -o size=400m tmpfs .venv
  if make env 2> /tmp/message; then fail "400 MB were enough"; fi
  cat /tmp/message >&2
  grep -q "error:.*GB are needed and.*free" /tmp/message || fail "the message does not say that the disk is too small"
  mount -o remount,size=1200m .venv
  if ADIT_NO_SPACE_CHECK=1 make env 2> /tmp/message; then fail "1200 MB were enough"; fi
  cat /tmp/message >&2
  grep -q "error:.*the disk is full" /tmp/message || fail "the message does not say that the disk is full"
  ! ls .venv/.stamp-* 2> /dev/null || fail "a stamp was left"
  umount .venv
  make env
  has_gpaw || fail "no GPAW after the disk had space again"
}

"$@"
