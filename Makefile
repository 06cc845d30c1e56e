# `make report` and `make test` need nothing but Python 3.11 or later with venv, and make.
PYTHON ?= python3
VENV ?= .venv
BUILD ?= build
JOBS ?= 2

BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/installed-requirements.txt
PEERS := $(BUILD)/peers

# This checkout comes first, so that several checkouts can share one VENV.
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))

# Two workers of one thread each.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=600 \
	--nbval-sanitize-with tests/nbval_sanitize.cfg -W default
FITS := import sys; sys.exit(sys.version_info < (3, 11))
# Kernels of this environment find iblib and study, whichever folder they start in.
FIND := import pathlib, sys, sysconfig; \
	pathlib.Path(sysconfig.get_path("purelib"), "iblib-checkout.pth").write_text(sys.argv[1])

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help venv report publish smoke check test unit campaigns nbval lint format figures \
	notebooks benchmark docs clean warm

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20
	@echo "  (VENV=path takes another environment than .venv, PYTHON=python3.12 another Python)"

venv: $(STAMP) ## the environment: about 3 minutes, 6 GB; made by the others when it is missing

$(STAMP): requirements.txt pyproject.toml Makefile
	@$(PYTHON) -c '$(FITS)' || { echo "Python 3.11 or later is needed, and $(PYTHON) is" \
		"$$($(PYTHON) --version 2>&1): name another, as in make PYTHON=python3.12"; exit 1; }
	@! test -e $(PY) || $(PY) -c '$(FITS)' || rm -rf $(VENV)
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	cmp -s requirements.txt $@ || $(PY) -m pip install -q -r requirements.txt
	$(PY) -m pip install -q --no-deps -e .
	$(PY) -c '$(FIND)' $(CURDIR)
	cp requirements.txt $@

report: $(STAMP) ## the whole report into build/report: at most 12 minutes on 2 cores
	$(PY) -m study report --jobs $(JOBS)

publish: $(STAMP) ## renew the committed notebooks, results, figures, README numbers (maintainers)
	$(PY) -m study publish --jobs $(JOBS)

smoke: $(STAMP) warm ## the report in small, with the notebooks that compute: about 2 minutes
	$(PY) -m study report --profile smoke --strict --jobs $(JOBS) --out $(BUILD)/smoke \
		--only 02 --only 06 --only 08 --only 12 --only 13

check: lint ## what to run before a commit: at most 5 minutes
	$(MAKE) unit
	$(ONE_THREAD) IBLIB_PICTURES=0 $(PY) -m pytest -n 2 --dist loadfile $(NBVAL) \
		notebooks/03-binning.ipynb notebooks/06-saxe-replication.ipynb

test: lint ## everything that must hold: at most 12 minutes
	$(MAKE) unit MARKED='-m ""'
	$(MAKE) smoke
	$(MAKE) nbval

unit: $(STAMP) warm ## pytest, without browsers, clusters, journeys and campaigns
	$(ONE_THREAD) $(PY) -m pytest -n 2 $(MARKED) tests

campaigns: $(STAMP) warm ## kills, fuzzed MP3s, browsers, journeys in their long form
	$(ONE_THREAD) IBLIB_LONG=1 $(PY) -m pytest -n 2 \
		-m "campaign or browser or cluster or journey" tests

nbval: $(STAMP) warm ## the committed notebooks, re-drawn and compared with their stored outputs
	$(ONE_THREAD) IBLIB_PICTURES=0 $(PY) -m pytest -n 2 --dist loadfile $(NBVAL) notebooks

# numba and librosa compile on their first use, which no test and no cell should wait for.
warm: $(STAMP)
	@$(ONE_THREAD) $(PY) -m tests.warm

lint: $(STAMP) ## ruff, without changing anything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## ruff, changing what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

figures: $(STAMP) ## every figure as PNG and SVG, into build/figures
	$(ONE_THREAD) IBLIB_PICTURES=svg IBLIB_FIGURES=$(CURDIR)/$(BUILD)/figures \
		$(PY) -m pytest -n 2 --dist loadfile $(NBVAL) notebooks

docs: $(STAMP) ## API pages into build/html/api; a warning is an error
	$(PY) -W error docs/api.py $(BUILD)/html/api

notebooks: $(STAMP) ## JupyterLab, to explore
	$(BIN)/jupyter lab notebooks

benchmark: $(STAMP) $(PEERS)/installed-requirements.txt ## ours against the peers: CSV and picture
	$(PY) -m benchmarks.run --peers-python $(PEERS)/bin/python

$(PEERS)/installed-requirements.txt: benchmarks/requirements.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install -q -r benchmarks/requirements.txt
	cp benchmarks/requirements.txt $@

clean: ## remove what is made (not the environment, not data/)
	rm -rf $(BUILD) dist runs *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
