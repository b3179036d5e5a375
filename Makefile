# Every target installs what it needs into .venv, and nothing when nothing changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Files of tests share what they start, so a file stays on one process.
PYTEST ?= -n auto --dist loadfile
# One process more than cores, because some tests wait for machines to be given up.
PROVE ?= -n $(shell echo $$(( $$(nproc) + 1 ))) --dist loadgroup
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo test up check format lint types prove prove-all bench fuzz audit lock clean

help:  ## Say what can be made
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 11

demo: $(VENV)/runtime.stamp  ## Bill a month of the example export, end to end, and show the result
	@$(BIN)/chargeback demo

test: $(VENV)/dev.stamp  ## Run the tests
	@$(BIN)/python -m pytest $(PYTEST)

up: $(VENV)/runtime.stamp  ## Keep Postgres, Prefect and a worker running until Ctrl-C
	@$(BIN)/chargeback up

check: format lint types test  ## Format, lint, types and tests, as CI runs them

format: $(VENV)/dev.stamp  ## Say what is not formatted as the house does
	@$(BIN)/ruff format --check .

lint: $(VENV)/dev.stamp  ## Look for mistakes in the source
	@$(BIN)/ruff check .

types: $(VENV)/dev.stamp  ## Check the types
	@$(BIN)/mypy

prove: $(VENV)/dev.stamp  ## Kill, race, pause and restore the ledger at every point; writes the table of docs/proof.md
	@$(BIN)/python -m pytest -q --prove -m "prove or proof" --proof-page=docs/proof.md $(PROVE)

prove-all: $(VENV)/dev.stamp  ## The same with every error at every statement, a second crash, seeded bugs and mutations
	@$(BIN)/python -m pytest -q --prove-all -m "prove or proof or prove_all" $(PROVE)
	@$(BIN)/python -m tests.mutation

bench: $(VENV)/dev.stamp  ## Measure speed beside floors measured in the same run
	@$(BIN)/python -m tests.benchmarks $(BENCH)

fuzz: $(VENV)/dev.stamp  ## Send the API thousands of requests; REQUESTS=20000 sends more
	@API_REQUESTS=$(or $(REQUESTS),5000) $(BIN)/python -m pytest tests/entrypoints/api/test_any_request.py $(PYTEST)

audit: $(VENV)/dev.stamp  ## Ask the package index which locked packages have known faults; needs one that knows them
	@$(BIN)/uv tool run pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements.lock -r requirements-dev.lock

lock: $(VENV)/dev.stamp  ## Write the lock files again; UPGRADE=--upgrade takes newer versions
	$(LOCK) $(UPGRADE) --extra build --output-file requirements.lock
	$(LOCK) $(UPGRADE) --extra build --extra parquet --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean:  ## Remove what can be made again; the data under var stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "make: $(PYTHON) is not Python 3.11 to 3.13; name one that is: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The pip of a fresh Python 3.11 environment takes a file of hashes only with both options.
$(VENV)/runtime.stamp: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the packages of requirements.lock"
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/runtime.stamp
	@echo "Installing the packages of requirements-dev.lock"
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@
