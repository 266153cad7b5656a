#!/usr/bin/env bash
# A browser for the tests of the report, where apt-get can bring one; without a browser those tests are skipped.
set -euo pipefail
APT="chromium fonts-dejavu-core"

for name in chromium chromium-browser google-chrome; do
  command -v "$name" > /dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  printf '[browser] installing Chromium with apt-get\n' >&2
  if apt-get update -qq > /dev/null \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $APT > /dev/null; then
    exit 0
  fi
fi
printf '[browser] no Chromium: the tests of the report in a browser are skipped. To get it:\n' >&2
printf '[browser]   sudo apt-get install -y %s\n' "$APT" >&2
