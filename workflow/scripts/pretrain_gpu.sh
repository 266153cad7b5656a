#!/usr/bin/env bash
# The recipe of the weights on one GPU in 25 minutes, without Snakemake: train, pack, sample. Each call continues where the
# last one ended, so that it may be cut into calls of ten minutes.
#   pretrain_gpu.sh DATA WORK OUT [VAE_MINUTES DIT_MINUTES SAMPLES [CONFIG]]
#     DATA: folder of mp20.arrow and qm9.arrow (adit prepare), and qm9.labels.parquet where gaps are to be learnt
#       (adit labels --config config/pretrain-gpu.yaml --data qm9.arrow, which needs tblite)   WORK: kept between calls
#     OUT: bundle and samples in files of 15 MiB: cat OUT/weights.tar.* | tar -x -C weights
set -euo pipefail
data=$1 work=$2 out=$3
vae_minutes=${4:-4} dit_minutes=${5:-17} samples=${6:-1000}
config=${7:-config/pretrain-gpu.yaml}
sets=(mp20 qm9)
mkdir -p "$work" "$out"
files=("${sets[@]/#/$data/}")
files=("${files[@]/%/.arrow}")
adit() { PYTHONPATH=src python3 -m adit "$@"; }

# adit reads one file: the budget is written into a copy of the configuration.
python3 - "$config" "$work/config.yaml" "$vae_minutes" "$dit_minutes" <<'PYTHON'
import sys

import yaml

source, target, vae, dit = sys.argv[1:]
with open(source) as file:
    config = yaml.safe_load(file)
config["train"]["vae"]["max_minutes"], config["train"]["dit"]["max_minutes"] = float(vae), float(dit)
with open(target, "w") as file:
    yaml.safe_dump(config, file)
PYTHON
config=$work/config.yaml

[ -s "$work/vae/config.json" ] || adit vae --config "$config" --data "${files[@]}" --out "$work/vae" --state "$work/state/vae"
latents=()
for name in "${sets[@]}"; do
  latents+=("$work/latents/$name-0.arrow")
  [ -s "$work/latents/$name-0.arrow" ] ||
    adit encode --config "$config" --vae "$work/vae" --data "$data/$name.arrow" --out "$work/latents/$name-0.arrow"
done
labels=()
for name in "${sets[@]}"; do
  [ ! -e "$data/$name.labels.parquet" ] || labels+=("$data/$name.labels.parquet")
done
[ -s "$work/dit/config.json" ] ||
  adit dit --config "$config" --vae "$work/vae" --data "${files[@]}" --latents "${latents[@]}" --labels "${labels[@]}" \
    --out "$work/dit" --state "$work/state/dit"
told=$(python3 -c 'import json, sys, yaml
for name, value in yaml.safe_load(open(sys.argv[1]))["sample"].items():
    print(f"{name}={json.dumps(value)}")' "$config")   # not in <( ): a failure has to end the script
mapfile -t suited <<< "$told"
adit bundle --vae "$work/vae" --dit "$work/dit" --out "$work/weights" --sample "${suited[@]}"
for kind in crystal molecule; do
  adit sample --weights "$work/weights" --kind "$kind" --n "$samples" --seed 11 --out "$work/weights/$kind.arrow"
done
tar -C "$work/weights" -cf - . | split --bytes=15M - "$out/weights.tar."
