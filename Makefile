# `make report` and `make test` need nothing but Python 3.11 to 3.13 with venv, and make.
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

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help venv report smoke test unit test-faults nbval lint format notebooks benchmark clean

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20
	@echo "  (VENV=path takes another environment than .venv, PYTHON=python3.12 another Python)"

venv: $(STAMP) ## the environment: about 3 minutes, 6 GB; made by the others when it is missing

$(STAMP): requirements.txt pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	cmp -s requirements.txt $@ || $(PY) -m pip install -q -r requirements.txt
	$(PY) -m pip install -q --no-deps -e .
	cp requirements.txt $@

report: $(STAMP) ## all notebooks, figures, results and HTML: 20 to 25 minutes, 6 when repeated
	$(PY) -m iblib report --jobs $(JOBS)

smoke: $(STAMP) ## the whole report in small, into build/smoke: 6 minutes
	$(PY) -m iblib report --profile smoke --jobs $(JOBS) --out $(BUILD)/smoke

test: lint unit smoke nbval ## everything that must hold: style, tests, smoke report, notebooks

unit: $(STAMP) ## pytest
	$(ONE_THREAD) $(PY) -m pytest -n 2 tests

test-faults: $(STAMP) ## the long fault campaigns: kills, fuzzed MP3s, memory of 800 clips
	$(ONE_THREAD) $(PY) -m pytest -n 2 -m faults tests

# librosa compiles on its first use, which no notebook cell should have to wait for.
nbval: $(STAMP) ## the committed notebooks, re-drawn and compared with their stored outputs
	$(PY) -c "import librosa, numpy; librosa.feature.melspectrogram(y=numpy.zeros(4096))"
	$(ONE_THREAD) $(PY) -m pytest -n 2 --dist loadfile $(NBVAL) notebooks

lint: $(STAMP) ## ruff, without changing anything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## ruff, changing what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(STAMP) ## JupyterLab, to explore
	$(BIN)/jupyter lab notebooks

benchmark: $(STAMP) $(PEERS)/installed-requirements.txt ## ours against the peers: CSV and picture
	$(PY) -m benchmarks.run --peers-python $(PEERS)/bin/python

$(PEERS)/installed-requirements.txt: benchmarks/requirements.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install -q -r benchmarks/requirements.txt
	cp benchmarks/requirements.txt $@

clean: ## remove what is made (not the environment, not data/)
	rm -rf $(BUILD) dist report runs *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
