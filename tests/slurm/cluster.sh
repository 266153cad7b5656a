#!/usr/bin/env bash
# A real SLURM on this machine, for tests: controller, node with two faked GPUs, three partitions.
#
#   cluster.sh check        is there all that it needs? one line says how to get what is missing
#   cluster.sh install      get the packages, with apt-get
#   cluster.sh up           start it (a second or two); nothing happens where it runs already
#   cluster.sh down         stop what `up` started
#   cluster.sh stop-controller | start-controller
#   cluster.sh kill-node | start-node       the node loses its power, and gets it back
#
# ADIT_SLURM_ACCOUNTING=1 adds slurmdbd and MariaDB, so that sacct answers. ADIT_SLURM_ROOT: where it lives.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=${ADIT_SLURM_ROOT:-/tmp/adit-slurm-test}
HOST=$(hostname -s)
PATH=$PATH:/usr/sbin:/sbin
NEEDED="slurmctld slurmd slurm-client munge"
[ -z "${ADIT_SLURM_ACCOUNTING:-}" ] || NEEDED="$NEEDED slurmdbd mariadb-server"

fail() { echo "error: $*" >&2; exit 4; }
running() {   # the number may be another program's by now, or that of a zombie
  [ -s "$1" ] && ps -o stat=,comm= -p "$(cat "$1")" | grep -qE "^[^Z][^ ]* +$(basename "$1" .pid)\$"
}
wait_for() {
  local end=$((SECONDS + 30))
  while [ $SECONDS -lt $end ]; do timeout 5 "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
  fail "'$*' does not succeed; see $ROOT/log"
}

check() {
  [ "$(id -u)" = 0 ] || fail "the SLURM tests need root, for a scheduler of their own: sudo make test-slurm (or a container)"
  for program in slurmctld slurmd sbatch munged; do
    command -v $program >/dev/null || fail "$program is not installed: apt-get install -y --no-install-recommends $NEEDED"
  done
  if [ -n "${ADIT_SLURM_ACCOUNTING:-}" ] && ! command -v slurmdbd >/dev/null; then
    fail "slurmdbd is not installed: apt-get install -y --no-install-recommends $NEEDED"
  fi
  mkdir -p "$ROOT/run"
  { mknod "$ROOT/run/probe" c 1 3 && rm "$ROOT/run/probe"; } 2>/dev/null ||
    fail "no device files can be made here, which stand for GPUs: give the container the capability MKNOD"
  if [ -e /etc/slurm/slurm.conf ] && [ "$(readlink -f /etc/slurm/slurm.conf)" != "$ROOT/conf/slurm.conf" ] &&
     ! grep -qs '^ClusterName=aditest' /etc/slurm/slurm.conf; then
    fail "/etc/slurm/slurm.conf belongs to another cluster; run the tests on a machine that is part of none"
  fi
}

install_packages() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "needs root and apt-get"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $NEEDED
} > /dev/null 2>&1

start_munge() {
  munge -n 2>/dev/null | unmunge >/dev/null 2>&1 && return
  [ -s /etc/munge/munge.key ] || head -c 1024 /dev/urandom > /etc/munge/munge.key
  chown munge: /etc/munge/munge.key
  chmod 400 /etc/munge/munge.key
  install -d -o munge -g munge -m 755 /run/munge
  install -d -o munge -g munge -m 700 /var/lib/munge /var/log/munge
  runuser -u munge -- /usr/sbin/munged
  echo munge > "$ROOT/run/started-munge"
}

configure() {
  local accounting="AccountingStorageType=accounting_storage/none"
  if [ -n "${ADIT_SLURM_ACCOUNTING:-}" ]; then
    accounting=$'AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=localhost\nAccountingStorageTRES=gres/gpu'
  fi
  sed -e "s|@HOST@|$HOST|g; s|@ROOT@|$ROOT|g; s|@CTLD_PORT@|${ADIT_SLURM_PORT:-6917}|g; s|@SLURMD_PORT@|$((${ADIT_SLURM_PORT:-6917} + 1))|g" \
      -e "s|@ACCOUNTING@|${accounting//$'\n'/\\n}|" "$HERE/slurm.conf.in" > "$ROOT/conf/slurm.conf"
  # A GPU must be a character device, or jobs get no CUDA_VISIBLE_DEVICES; these two behave like /dev/null.
  for i in 0 1; do [ -c "$ROOT/run/nvidia$i" ] || mknod "$ROOT/run/nvidia$i" c 1 3; done
  echo "NodeName=$HOST Name=gpu File=$ROOT/run/nvidia[0-1] Flags=nvidia_gpu_env" > "$ROOT/conf/gres.conf"
  echo "CgroupPlugin=cgroup/v1" > "$ROOT/conf/cgroup.conf"
  # Job steps drop SLURM_CONF from their environment: the files must be where SLURM looks for them.
  install -d /etc/slurm
  for file in slurm.conf gres.conf cgroup.conf; do ln -sfn "$ROOT/conf/$file" "/etc/slurm/$file"; done
}

start_accounting() {
  if ! mysqladmin ping >/dev/null 2>&1; then
    install -d -o mysql -g mysql /run/mysqld
    [ -d /var/lib/mysql/mysql ] || mysql_install_db --user=mysql --datadir=/var/lib/mysql >/dev/null
    setsid /usr/sbin/mariadbd --user=mysql --skip-networking > "$ROOT/log/mariadb.log" 2>&1 < /dev/null &
    echo $! > "$ROOT/run/mariadbd.pid"
    wait_for mysqladmin ping
  fi
  mysql -e "CREATE DATABASE IF NOT EXISTS aditest; CREATE USER IF NOT EXISTS 'slurm'@'localhost' IDENTIFIED BY 'slurm';
            GRANT ALL ON aditest.* TO 'slurm'@'localhost'; FLUSH PRIVILEGES;"
  printf '%s\n' AuthType=auth/munge DbdHost=localhost SlurmUser=root "LogFile=$ROOT/log/slurmdbd.log" \
    "PidFile=$ROOT/run/slurmdbd.pid" StorageType=accounting_storage/mysql StorageHost=localhost StorageUser=slurm \
    StoragePass=slurm StorageLoc=aditest > "$ROOT/conf/slurmdbd.conf"
  chmod 600 "$ROOT/conf/slurmdbd.conf"
  ln -sfn "$ROOT/conf/slurmdbd.conf" /etc/slurm/slurmdbd.conf
  running "$ROOT/run/slurmdbd.pid" || slurmdbd
  wait_for sacctmgr -n show cluster
  sacctmgr -n show cluster format=cluster | grep -qw aditest || sacctmgr -i add cluster aditest >/dev/null
  sacctmgr -n show account format=account | grep -qw tests ||
    { sacctmgr -i add account tests cluster=aditest && sacctmgr -i add user "$(id -un)" account=tests; } >/dev/null
}


up() {
  check
  mkdir -p "$ROOT"/{state,spool,log,conf,run}
  chmod 755 "$ROOT" "$ROOT"/*
  unset SLURM_CONF
  start_munge
  configure
  [ -z "${ADIT_SLURM_ACCOUNTING:-}" ] || start_accounting
  if ! running "$ROOT/run/slurmctld.pid"; then
    stop "$ROOT/run/slurmd.pid"
    end_steps
    rm -rf "$ROOT/state" "$ROOT/spool"   # jobs of a cluster that was killed would keep this one's node busy
    mkdir "$ROOT"/{state,spool}
    chmod 755 "$ROOT"/{state,spool}
    slurmctld
  fi
  running "$ROOT/run/slurmd.pid" || slurmd
  wait_for bash -c '[ "$(sinfo -h -p main -o %t)" = idle ]'
}

stop() {
  running "$1" || return 0
  local pid
  pid=$(cat "$1")
  kill "$pid"
  for _ in $(seq 150); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
  kill -KILL "$pid"
}

down() {
  running "$ROOT/run/slurmctld.pid" && scancel -u "$(id -un)" 2>/dev/null && sleep 1 || true
  for daemon in slurmd slurmctld slurmdbd mariadbd; do stop "$ROOT/run/$daemon.pid"; done
  end_steps
  [ ! -e "$ROOT/run/started-munge" ] || stop /run/munge/munged.pid
  for file in slurm.conf gres.conf cgroup.conf slurmdbd.conf; do
    [ ! -L "/etc/slurm/$file" ] || [ "$(readlink "/etc/slurm/$file")" != "$ROOT/conf/$file" ] || rm "/etc/slurm/$file"
  done
  rm -rf "$ROOT/state" "$ROOT/run/started-munge"
}

end_steps() {
  local step
  for step in $(pgrep -x slurmstepd); do kill_tree "$step"; done
}

kill_tree() {
  local child
  for child in $(pgrep -P "$1"); do kill_tree "$child"; done
  kill -KILL "$1" 2>/dev/null || true
}

kill_node() {
  kill -KILL "$(cat "$ROOT/run/slurmd.pid")"
  rm "$ROOT/run/slurmd.pid"   # dead, it may still look alive until it is waited for
  end_steps
}

case "${1:-}" in
  check | up | down) "$1" ;;
  install) install_packages ;;
  stop-controller) stop "$ROOT/run/slurmctld.pid" ;;
  start-controller)
    running "$ROOT/run/slurmctld.pid" || slurmctld
    wait_for scontrol ping
    ;;
  kill-node) kill_node ;;
  start-node) running "$ROOT/run/slurmd.pid" || slurmd ;;
  *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
