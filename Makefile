# `make demo` and `make test` each do everything from an empty checkout: environment, installation, the work itself.
# Needs Debian (or another Linux) with Python 3.11 or newer and make; nothing is installed outside .venv and
# ~/.local/share/annotator-ops (Label Studio's own environment).

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
RUNTIME ?= auto
DEMO    ?= demo

.PHONY: help demo test lint types fast bench lock clean

help:
	@echo "make demo   the whole way with five made-up annotators; prints the report's path"
	@echo "make test   style, types and every test"
	@echo "make fast   the tests that start nothing"
	@echo "make bench  measure, and print JSON"
	@echo "make lock   renew the lock files"
	@echo "make clean  remove the environment"

demo: $(STAMP)
	$(BIN)/ops demo $(DEMO) --runtime $(RUNTIME)

test: lint types
	$(BIN)/pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

fast: $(STAMP)
	$(BIN)/pytest -m "not labelstudio and not docker and not browser and not ngrok"

bench: $(STAMP)
	$(BIN)/python -m benchmarks.provision
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.page_load
	$(BIN)/python -m benchmarks.collect
	$(BIN)/python -m benchmarks.stats
	$(BIN)/python -m benchmarks.judges
	$(BIN)/python -m benchmarks.judge_run

# uv installs from the lock in seconds where pip takes minutes; pip only brings uv, by hash.
$(STAMP): pyproject.toml deploy/development.lock deploy/installer.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "annotator_ops needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "This Python cannot make environments. On Debian: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r deploy/installer.lock
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode deploy/development.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

lock:
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
	  --group dev pyproject.toml -o deploy/development.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
