# make env    set up .venv (idempotent)          make run    the demo, or CONFIG=config/small.yaml MIRROR=folder-or-URL
# make test   the test suite                     make lint   ruff, snakefmt, mypy
# make datasets MIRROR=folder-or-URL   every real dataset, prepared into results/datasets
# make test-slurm   a real SLURM on this machine: the smallest run and every fault (root; minutes)
# make weights CONFIG=config/pretrain.yaml MIRROR=…   train on real data, into results/<name>/weights (docs/pretraining.md)
# make schema regenerate the JSON schema of the configuration

PYTHON ?= python3
CONFIG ?= config/demo.yaml
MIRROR ?=
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
ENV := .venv
BIN := $(ENV)/bin

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUNBUFFERED := 1

.PHONY: env run datasets weights test test-slurm test-slurm-run lint schema clean

env:
	@PYTHON="$(PYTHON)" ENV="$(ENV)" bash workflow/scripts/env.sh

run: env
	@adit check --config $(CONFIG) $(if $(MIRROR),--mirror $(MIRROR))
	@snakemake --cores $(CORES) --configfile $(CONFIG) --rerun-incomplete --rerun-triggers mtime params input --benchmark-extended \
	    --quiet rules $(if $(MIRROR),--config mirror=$(MIRROR))
	@adit closing --config $(CONFIG)

datasets: env
	@adit prepare --dataset mp20 qm9 qmof druglike $(if $(MIRROR),--mirror $(MIRROR)) --out results/datasets --workers $(CORES)

weights: env
	@adit check --config $(CONFIG) $(if $(MIRROR),--mirror $(MIRROR))
	@snakemake bundle --cores $(CORES) --configfile $(CONFIG) --rerun-incomplete --rerun-triggers mtime params input \
	    --quiet rules $(if $(MIRROR),--config mirror=$(MIRROR))

test: env
	@bash workflow/scripts/browser.sh
	@pytest -n 2 --dist loadgroup tests -m "not slow and not slurm"

test-slurm: env
	@tests/slurm/cluster.sh check
	@pytest tests/slurm -p no:cacheprovider --durations=20

test-slurm-run: env
	@tests/slurm/cluster.sh check
	@pytest tests/slurm -p no:cacheprovider -m "not slow"

lint: env
	@ruff check src tests benchmarks
	@ruff format --check src tests benchmarks
	@snakefmt --check Snakefile workflow/rules
	@mypy

schema: env
	@adit schema --out workflow/schemas/config.schema.json

clean:
	rm -rf results .snakemake
