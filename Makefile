# make demo: the whole pipeline on real data.   make test: the tests.   Both set up .venv on a fresh machine.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
WORKERS ?= auto
BIN := $(abspath $(VENV))/bin
SOURCES := $(wildcard $(foreach folder,gnnctl/native gnnctl/native/cuda,$(foreach end,cpp h cu cuh txt,$(folder)/*.$(end))))

.DEFAULT_GOAL := help
.PHONY: help setup demo test check sanitize cuda-check bench clean

help:
	@echo "make setup   create $(VENV) with gnnctl, its extension and the development tools"
	@echo "make demo    ingest, split, sample, train, predict, explain and bench on examples/debian"
	@echo "make test    run the tests (WORKERS=n processes)"
	@echo "make check   format, lint and types"
	@echo "make sanitize native tests under ThreadSanitizer, and AddressSanitizer with UBSan"
	@echo "make cuda-check on a machine with a GPU: build, test, compute-sanitizer and bench its kernels"
	@echo "make bench   sampling, loading, kernels and compile benchmarks, written to run/"
	@echo "make clean   remove what was built and run"

setup: $(VENV)/.ready

# torch first: its version is pinned, and with it installed nothing else asks for another build of it.
$(VENV)/.ready: pyproject.toml $(SOURCES)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet "scikit-build-core>=1.1" "pybind11>=3.0" "cmake>=3.22" ninja
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable ".[dev]"
	@touch $@

demo: setup
	PATH="$(BIN):$$PATH" bash examples/debian/run.sh run/debian

test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

sanitize: setup
	PATH="$(BIN):$$PATH" $(BIN)/python tests/sanitize.py

cuda-check: setup
	PATH="$(BIN):$$PATH" bash tests/cuda/check.sh

bench: setup
	$(BIN)/gnnctl bench sampling -o run/bench-sampling --force
	$(BIN)/gnnctl bench loading -o run/bench-loading --force
	$(BIN)/gnnctl bench kernels -o run/bench-kernels --force
	$(BIN)/gnnctl bench compile -o run/bench-compile --force

clean:
	rm -rf build dist run $(VENV)/.ready .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
