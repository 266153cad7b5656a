#!/usr/bin/env bash
# The demo as the README says, and what must be true afterwards. Used by CI, in a room and outside.
set -euo pipefail
cd "$(dirname "$0")/../.."
make run
python3 tests/install/check_demo.py results/demo
make run 2>&1 | tee results/second-run.log
grep -q "Nothing to be done" results/second-run.log || { echo "error: a second \`make run\` found something to do" >&2; exit 1; }
