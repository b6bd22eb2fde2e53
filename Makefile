# Everything runs in .venv, made on first use. Torch is pinned to the build that constraints.txt names.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
BIN := $(VENV)/bin

.PHONY: demo test check format

demo: $(STAMP)  ## record, audit, train, evaluate, report
	$(BIN)/vlasync demo

test: $(STAMP)  ## the whole suite, one process per core
	$(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile

check: $(STAMP)  ## lint, formatting, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt pip setuptools
	$(BIN)/pip install -q -c constraints.txt torch
	$(BIN)/pip install -q -c constraints.txt --no-build-isolation -e '.[dev]'
	touch $@
