# make demo   a small search from start to verdict, on data that need no download
# make check  everything a change must pass: format, lint, types, tests with all documents, the wheel in an empty environment
# make test   all tests but the long ones of the next line
# make test-faults  killed, frozen and restarted processes, with a PostgreSQL of their own where one is installed; minutes
# make lint   format, ruff and mypy
# make format formats all files
# make clean  removes caches and builds; keeps .venv and the studies

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
NEEDS := pyproject.toml constraints.txt
WORKERS ?= 2

.PHONY: help demo check test test-faults lint format package clean

help:
	@sed -n 's/^# make/make/p' Makefile

$(BIN)/python:
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps make installing happen once per change of what is needed.
$(VENV)/.stamp-run: $(NEEDS) | $(BIN)/python
	@echo "installing autonoise and what it needs (once)"
	$(INSTALL) -e ".[search]"
	@touch $@

$(VENV)/.stamp-dev: $(NEEDS) | $(BIN)/python
	@echo "installing autonoise with what its tests need (once)"
	$(INSTALL) -e ".[dev]"
	@touch $@ $(VENV)/.stamp-run

demo: $(VENV)/.stamp-run
	@echo "searching which noise to train with, on 1,797 handwritten digits: 14 trials, a few minutes on two cores"
	$(BIN)/autonoise search digits --trials 14 --epochs 6 --workers 2 --out studies/digits-demo

test: $(VENV)/.stamp-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

test-faults: $(VENV)/.stamp-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "faults or not faults" -s -rs tests/faults

check: lint test package

format: $(VENV)/.stamp-dev
	$(BIN)/ruff format .

# Builds the source archive and from it the wheel, then uses the wheel where nothing else of the project is: first alone,
# which is enough to train with a policy, then with what a search needs.
TRY := build/package/venv/bin/python
package: $(VENV)/.stamp-dev
	rm -rf build/package && mkdir -p build/package
	$(BIN)/python -m build --outdir build/package/dist . > build/package/log || { cat build/package/log; exit 1; }
	$(PYTHON) -m venv build/package/venv
	$(TRY) -m pip install --disable-pip-version-check --quiet -c constraints.txt build/package/dist/*.whl
	cd build/package && venv/bin/python -I ../../tests/try_core.py
	$(TRY) -m pip install --disable-pip-version-check --quiet -c constraints.txt "$$(echo build/package/dist/*.whl)[search]"
	cd build/package && venv/bin/python -I ../../tests/try_installed.py
	rm -rf build/package/venv

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV)/.stamp-* build dist .mypy_cache .ruff_cache .hypothesis .pytest_cache
	find . -path ./.git -prune -o -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 -r rm -rf
