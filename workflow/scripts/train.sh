#!/usr/bin/env bash
# Run a training verb on the GPUs of a job: one process a GPU, on one node or several.
#   train.sh NODES GPUS VERB ARGUMENTS...      GPUS: of all nodes together
# One GPU or none: this process. Several on one node: torchrun. Several nodes: srun starts one torchrun a node, and they
# meet at the first node of the job, on a port that follows from the job's number.
set -euo pipefail
nodes=$1 gpus=$2
shift 2

# torchrun ends its processes at SIGTERM, but dies of SIGUSR1 and leaves them behind; SLURM may send either ahead of a limit.
to_torchrun() {
  local started="" told="" code
  trap 'told=1; [ -z "$started" ] || kill -TERM "$started" 2>/dev/null || true' TERM USR1 INT
  (trap '' USR1 && trap - TERM INT && exec "$@") &
  started=$!
  [ -z "$told" ] || kill -TERM "$started"
  while told="" code=0; wait "$started" || code=$?; [ -n "$told" ]; do :; done
  exit "$code"
}

if [ "$nodes" -le 1 ]; then
  [ "$gpus" -gt 1 ] || exec python -m adit "$@"
  to_torchrun python -m torch.distributed.run --standalone --nproc-per-node="$gpus" --no-python -- python -m adit "$@"
fi

: "${SLURM_JOB_ID:?error: several nodes need a SLURM job; ask for one (gpu and nodes in the profile), or train on one node}"
[ $((gpus % nodes)) -eq 0 ] || { echo "error: $gpus GPUs do not divide over $nodes nodes" >&2; exit 2; }
hosts=${SLURM_JOB_NODELIST:-$(squeue --noheader --job "$SLURM_JOB_ID" --format %N)}
read -r first < <(scontrol show hostnames "$hosts")
port=$((20000 + SLURM_JOB_ID % 20000))
# The process that started this job is only on the first node: a stage on another node must not look for it there.
to_torchrun env -u ADIT_PARENT_PID srun --nodes="$nodes" --ntasks="$nodes" --ntasks-per-node=1 --kill-on-bad-exit=1 \
  python -m torch.distributed.run --nnodes="$nodes" --nproc-per-node=$((gpus / nodes)) --rdzv-backend=c10d \
  --rdzv-id="$SLURM_JOB_ID" --rdzv-endpoint="$first:$port" --no-python -- python -m adit "$@"
