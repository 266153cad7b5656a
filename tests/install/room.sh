#!/usr/bin/env bash
# A machine that has nothing: a Debian in a folder, with Python, git, make and a C compiler; no caches, no MPI, no C++ compiler,
# none of this machine's wheels. Runs a command in a fresh clone of this project (what is committed) inside it.
#
#   tests/install/room.sh [-k] [-o FOLDER] [-u USER] [-t] bookworm|trixie -- COMMAND…
#
# -k keeps the room and prints its path; -o copies results/ and .venv/*.log out; -u runs as this user, not as root;
# -t lets pip see PyTorch's CPU build where this machine has its wheel (not its other wheels): 5 GB less to download.
# Root only. The base is made once, in $ADIT_ROOMS (/var/tmp/adit-rooms); rooms are deleted when they end.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
PROJECT=$(cd "$HERE/../.." && pwd)
ROOMS=${ADIT_ROOMS:-/var/tmp/adit-rooms}
PACKAGES=python3,python3-venv,git,make,gcc,libc6-dev,ca-certificates

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
say() { printf '[room] %s\n' "$*" >&2; }
fail() { say "error: $*"; exit 4; }

# Is there all that a room needs? One line says what is missing.
check() {
  [ "$(id -u)" = 0 ] || fail "a room needs root: sudo make test-install"
  unshare --mount --propagation private true 2> /dev/null || fail "no mounts are allowed here (a container without SYS_ADMIN?)"
  command -v debootstrap > /dev/null || { apt-get update -qq && apt-get install -y -qq debootstrap; } > /dev/null 2>&1 ||
    fail "debootstrap is missing: apt-get install -y debootstrap"
}

make_base() {
  local base=$1 release=$2 uri
  [ ! -e "$base/.ready" ] || return 0
  # another distribution's mirror has no Debian
  if ! grep -qx "ID=debian" /etc/os-release; then uri=; else uri=$(sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+).*/\2/p' /etc/apt/sources.list.d/debian.sources \
    /etc/apt/sources.list 2> /dev/null | head -n 1) || true; fi
  uri=${ADIT_DEBIAN_MIRROR:-${uri:-http://deb.debian.org/debian}}
  say "making a $release with debootstrap (a few minutes)"
  rm -rf "$base"
  mkdir -p "$ROOMS"
  debootstrap --variant=minbase --include=$PACKAGES "$release" "$base" "$uri" > "$base.log" 2>&1 ||
    { tail -n 3 "$base.log" >&2; fail "debootstrap $release"; }
  printf 'deb %s %s main\n' "$uri" "$release" > "$base/etc/apt/sources.list"
  cp -n /etc/apt/apt.conf.d/* "$base/etc/apt/apt.conf.d/" 2> /dev/null || true   # how apt reaches its mirror: proxies
  rm -f "$base/etc/ssl/certs/ca-certificates.crt"
  cp -L /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/"
  chroot "$base" apt-get clean
  touch "$base/.ready"
}

# In a mount and process namespace of its own: nothing is left when it ends.
inside() {
  local room=$1 release=$2 user=$3
  shift 3
  mount -t overlay overlay -o "lowerdir=$ROOMS/$release,upperdir=$room/upper,workdir=$room/work" "$room/root" 2> /dev/null ||
    cp -a "$ROOMS/$release/." "$room/root/"
  mount -t proc proc "$room/root/proc"
  for folder in dev sys; do mount --rbind "/$folder" "$room/root/$folder"; done
  cp /etc/resolv.conf /etc/hosts "$room/root/etc/"
  python3 "$HERE/pip_settings.py" "$room/root" ${TORCH_WHEEL:+--torch}
  local home=/root
  if [ "$user" != root ]; then
    home=/home/$user
    chroot "$room/root" useradd --create-home "$user"
  fi
  git clone -q "$PROJECT" "$room/root$home/project"
  chroot "$room/root" chown -R "$user:" "$home/project"
  local status=0
  chroot --userspec="$user:" "$room/root" /usr/bin/env -i HOME="$home" TERM="${TERM:-dumb}" LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    bash -c "cd $home/project"' && exec "$@"' room "$@" || status=$?
  if [ -n "${OUT:-}" ]; then
    mkdir -p "$OUT"
    cp -r "$room/root$home/project"/{results,.venv/*.log} "$OUT/" 2> /dev/null || true
  fi
  return $status
}

if [ "${1:-}" = --inside ]; then shift; inside "$@"; exit; fi
if [ "${1:-}" = --check ]; then check; exit; fi
keep='' user=root
export OUT='' TORCH_WHEEL=''
while getopts "ko:u:t" option; do
  case $option in
    k) keep=1 ;;
    o) OUT=$(realpath -m "$OPTARG") ;;
    u) user=$OPTARG ;;
    t) TORCH_WHEEL=1 ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
release=${1:-}
[ $# -gt 2 ] && [ "$2" = -- ] || usage
shift 2
check
make_base "$ROOMS/$release" "$release"
room=$(mktemp -d "$ROOMS/room.XXXXXX")
mkdir "$room"/{upper,work,root}
trap '[ -n "$keep" ] && say "kept: $room/upper" || rm -rf "$room"' EXIT
unshare --mount --propagation private --pid --fork --kill-child "$0" --inside "$room" "$release" "$user" "$@" &
child=$!
trap 'kill -KILL $child; exit 143' TERM INT   # and with it everything inside
wait $child
