# make env    set up .venv (idempotent)          make run    the demo, or CONFIG=config/small.yaml MIRROR=folder-or-URL
# make test   the test suite                     make lint   ruff, snakefmt, mypy
# make test-long   the tests that take minutes each
# make wheelhouse [WHEELHOUSE=folder]   pack everything for machines without a network; there: make env WHEELHOUSE=folder
# make test-install [CASE=demo]   the set-up and the demo on a Debian 12 and a Debian 13 that have nothing (root; an hour)
# make datasets MIRROR=folder-or-URL   every real dataset, prepared into results/datasets
# make test-slurm   a real SLURM on this machine: the smallest run and every fault (root; minutes)
# make weights CONFIG=config/pretrain.yaml MIRROR=…   train on real data, into results/<name>/weights (docs/pretraining.md)
# make env PYTHON=/path/to/python3.13 | INSTALLER=pip | RETRY_GPAW=1   another interpreter; pip instead of uv; build GPAW again
# make run REDO='dft dft_molecules'   repeat these rules and all that depends on them, e.g. when GPAW was installed later
# make run ADOPT=1   replace outputs that no manifest names, e.g. of an earlier version (docs/security.md)
# make clean   remove what manifests in results/ name; files of others stay
# make docs   the documentation site, into build/site (opens from disk)
# make schema regenerate the JSON schema of the configuration

PYTHON ?= python3
CONFIG ?= config/demo.yaml
MIRROR ?=
ADOPT ?=
REDO ?=
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
# One more than two cores: tests that wait for a limit of time leave a core free.
TEST_PROCESSES ?= 3
ENV := .venv
BIN := $(ENV)/bin

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUNBUFFERED := 1
# Empty: modules are compiled once, when first imported; uv does not compile them, and each process would compile PyTorch again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: env wheelhouse run datasets weights test test-long test-install test-slurm test-slurm-run lint docs schema clean

env:
	@PYTHON="$(PYTHON)" ENV="$(ENV)" bash workflow/scripts/env.sh

wheelhouse:
	@PYTHON="$(PYTHON)" ENV="$(ENV)" WHEELHOUSE= bash workflow/scripts/env.sh
	@ENV="$(ENV)" python -m workflow.install wheelhouse "$(or $(WHEELHOUSE),wheelhouse)"

run: env
	@adit check --config $(CONFIG) $(if $(MIRROR),--mirror $(MIRROR))
	@snakemake --cores $(CORES) --configfile $(CONFIG) --rerun-incomplete --rerun-triggers mtime params input --benchmark-extended \
	    --quiet rules $(if $(REDO),--forcerun $(REDO)) $(if $(MIRROR)$(ADOPT),--config $(if $(MIRROR),mirror=$(MIRROR)) $(if $(ADOPT),adopt=true))
	@adit closing --config $(CONFIG)

datasets: env
	@adit prepare --dataset mp20 qm9 qmof druglike $(if $(MIRROR),--mirror $(MIRROR)) $(if $(ADOPT),--adopt) --out results/datasets --workers $(CORES)

weights: env
	@adit check --config $(CONFIG) $(if $(MIRROR),--mirror $(MIRROR))
	@snakemake bundle --cores $(CORES) --configfile $(CONFIG) --rerun-incomplete --rerun-triggers mtime params input \
	    --quiet rules $(if $(MIRROR)$(ADOPT),--config $(if $(MIRROR),mirror=$(MIRROR)) $(if $(ADOPT),adopt=true))

test: env
	@bash workflow/scripts/browser.sh
	@pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --durations=25 tests -m "not slow and not slurm"

test-long: env
	@pytest tests -m "slow and not slurm"

test-install:
	@tests/install/test_install.sh $(CASE)

test-slurm: env
	@tests/slurm/cluster.sh check
	@pytest tests/slurm -p no:cacheprovider --durations=20

test-slurm-run: env
	@tests/slurm/cluster.sh check
	@pytest tests/slurm -p no:cacheprovider -m "not slow"

lint: env
	@ruff check src tests benchmarks workflow notebooks
	@ruff format --check src tests benchmarks workflow notebooks
	@snakefmt --check Snakefile workflow/rules
	@mypy
	@mypy tests/unit/api/user_script.py

docs: env
	@ENV="$(ENV)" bash workflow/scripts/docs.sh

schema: env
	@adit schema --adopt --out workflow/schemas/config.schema.json

clean:
	@[ -x $(BIN)/adit ] || { echo "error: make clean needs the environment: make env" >&2; exit 2; }
	@adit clean results
