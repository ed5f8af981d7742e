# Two targets do everything on a machine with Python >= 3.11, git and make: `make repro` and `make test`.
PYTHON ?= python3
VENV := .venv
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
READY := $(VENV)/requirements.synced
# Threads of tests as of stages, of which stages/__init__.py tells why.
export OMP_WAIT_POLICY ?= PASSIVE
export OMP_NUM_THREADS ?= $(shell expr \( $$(getconf _NPROCESSORS_ONLN) + 1 \) / 2)

# Images of containers often forbid Python to keep what it compiles; each start of a stage would compile torch anew.
export PYTHONDONTWRITEBYTECODE :=

# Tests run two files at a time, in the order in which they are collected.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: repro test fast fresh exps setup lock graph

repro: setup  ## run the whole pipeline; only what changed is run
	$(RUN) python -m pipeline.mend
	$(RUN) dvc repro

test: setup  ## style, types and all tests, the slow end-to-end ones too
	$(RUN) ruff check . && $(RUN) ruff format --check . && $(RUN) pyright && $(RUN) pytest $(PARALLEL)

fast: setup  ## the tests of seconds
	$(RUN) pytest $(PARALLEL) -m "not slow"

fresh:  ## the proof that nothing is missing: `make test` in a new clone of the last commit, from an empty .venv
	folder=$$(mktemp -d) && git clone --quiet . $$folder && $(MAKE) --directory $$folder test && rm -rf $$folder

# `make exps` shows what differs: every parameter, and of some 250 metrics those whose name starts with SCORES.
SCORES ?= .*\.maskcontrast\.(k\d+\.a\.|last\.|all_classes\.)?miou(_mean)?$$
WATCHED := images|used|without_mask|epoch|loss|contrastive|saliency|accuracy|embedding_std|foreground|replaced
METRICS := images|saliency|masks|kmeans|linear|baselines|finetune\.\d|retrieve\.(maskcontrast|start)|pretrain\.($(WATCHED))$$
FILES := .*/|results$$

exps: setup  ## the experiments of this commit side by side (docs/sweeps.md)
	$(RUN) dvc exp show --only-changed --drop '(Created|Executor)$$|$(FILES)|(?!$(SCORES))($(METRICS))' $(SHOW)

setup: $(READY)  ## a virtual environment with exactly the locked packages

$(READY): requirements.lock
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	test -x $(VENV)/bin/uv || $(VENV)/bin/python -m pip install --quiet uv
	$(VENV)/bin/uv pip sync --quiet --require-hashes --python $(VENV)/bin/python requirements.lock
	touch $(READY)

lock: setup  ## pin every package for every platform, from pyproject.toml
	$(VENV)/bin/uv pip compile --universal --generate-hashes --no-header --no-annotate --extra dev \
		--python-version 3.11 --output-file requirements.lock pyproject.toml

graph: setup  ## after editing code or dvc.yaml: rewrite code dependencies and the README's picture of the graph
	$(RUN) python -m tests.test_dag --fix
	$(RUN) python -m tests.test_readme --fix
