#!/usr/bin/env bash
# The set-up on machines that have nothing: make test-install [CASE=…]. Root only; an hour or more for all.
#
#   demo     Debian 12 (Python 3.11): the demo with DFT by GPAW, then the test suite
#   new      Debian 13 (Python 3.13): set-up, tests of data, model, flow, sampling and scores, one `adit sample`
#   user     Debian 12 without root: what GPAW needs is unpacked into .venv
#   offline  a folder of wheels, installed with the network switched off; a server of wheels that goes away in mid-install
#   disk     the disk is full in mid-install: one line, nothing taken for whole
set -euo pipefail
cd "$(dirname "$0")/../.."
room=tests/install/room.sh
torch=${ROOM_TORCH:+-t}

# shellcheck disable=SC2086
demo() { $room $torch ${OUT:+-o "$OUT"} bookworm -- bash -c 'tests/install/demo.sh && make test'; }
# shellcheck disable=SC2086
new() { $room $torch trixie -- bash tests/install/in_room.sh new; }
# shellcheck disable=SC2086
user() { $room $torch -u stranger bookworm -- bash tests/install/in_room.sh user; }
# shellcheck disable=SC2086
offline() { $room $torch bookworm -- bash tests/install/in_room.sh offline; }
# shellcheck disable=SC2086
disk() { $room $torch bookworm -- bash tests/install/in_room.sh disk; }

for case in ${*:-demo new user offline disk}; do
  printf '[test-install] %s\n' "$case" >&2
  began=$SECONDS
  "$case" || { echo "error: make test-install CASE=$case failed" >&2; exit 1; }
  printf '[test-install] %s passed in %s s\n' "$case" $((SECONDS - began)) >&2
done
