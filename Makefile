# make demo, make test: everything else is on `make help`. PYTHON chooses the Python (3.11 or newer) of the environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
ONCE ?=
ARGS ?=
JOBS ?= 2
SECONDS ?= 1800
TARGET ?= embedded
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: demo test prove check bench bench-quick up down clean help

demo: $(READY) ## load real purchases, build every view, replay live (ONCE=1: end after showing it)
	@millstream demo $(if $(ONCE),--once) $(ARGS)

test: $(READY) ## run every test, in two processes (JOBS=4: in four)
	pytest -q --numprocesses $(JOBS) $(ARGS)

prove: $(READY) ## random histories of views against two oracles, and of sources, for SECONDS (1800)
	python -m tests.equivalence.prove --seconds $(SECONDS) $(ARGS)

check: $(READY) ## lint, types, import layers, both dbt targets (the tests lint the SQL)
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	dbt parse --quiet --target embedded
	dbt parse --quiet --target risingwave

bench: $(READY) ## measure everything, write docs/benchmarks.md and its plots (at most 25 minutes)
	python -m bench.run $(ARGS)

bench-quick: $(READY) ## fewer points by the same code, into target/bench-quick (at most 3 minutes)
	python -m bench.run --quick $(ARGS)

up: $(READY) ## start server and worker in the background (TARGET=risingwave: the containers)
	@$(if $(filter risingwave,$(TARGET)),deploy/up,millstream up $(ARGS))

down: $(READY) ## stop them; the data stays (TARGET=risingwave: likewise)
	@$(if $(filter risingwave,$(TARGET)),deploy/down,millstream down)

clean: ## stop the server, delete its data, the environment and what was built
	@if [ -x $(BIN)/millstream ]; then $(BIN)/millstream down; fi
	rm -rf .millstream $(VENV) target logs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 18

# Exact versions with hashes first, then the project itself, in place. uv does it faster where it is installed.
$(READY): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	@if command -v uv >/dev/null 2>&1; then \
		echo "installing with uv into $(VENV)" && \
		{ [ -x $(BIN)/python ] || uv venv -q --python $(PYTHON) $(VENV); } && \
		uv pip install -q --python $(BIN)/python --require-hashes -r constraints.txt && \
		uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
		echo "installing with pip into $(VENV) (about a minute)" && \
		{ [ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV); } && \
		$(BIN)/pip install -q --disable-pip-version-check --no-compile --require-hashes -r constraints.txt && \
		$(BIN)/pip install -q --disable-pip-version-check --no-compile --no-deps --no-build-isolation -e .; \
	fi
	@touch $(READY)
