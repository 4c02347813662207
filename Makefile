# `make` lists the targets. Each one sets up what it needs in .venv; PYTHON names the Python to build it with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo up test lint format bench bench-ingest bench-eventlog soak clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make the virtual environment in .venv (every other target does this first)

$(READY): pyproject.toml
	@echo "Setting up $(VENV) (a minute or two, once) ..."
	@if command -v uv >/dev/null 2>&1; then \
		test -x $(BIN)/python || uv venv --quiet --python "$(PYTHON)" $(VENV); \
		uv pip install --quiet --python $(BIN)/python -e '.[dev]'; \
	else \
		test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV); \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'; \
	fi
	@touch $@

demo: $(READY) ## Try Rollcall: start it in a scratch folder, post captured webhooks, print the report
	$(BIN)/python -m console.demo

up: $(READY) ## Run everything in one process with ./rollcall.toml
	$(BIN)/rollcall up

test: $(READY) ## Run the tests, with coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(READY) ## Check style, types and the house's arrows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: bench-eventlog bench-ingest ## Run all benchmarks

bench-eventlog: $(READY) ## Rows a second onto the SQLite log, one a commit beside many a commit
	$(BIN)/python bench/bench_eventlog.py

bench-ingest: $(READY) ## Webhooks a second, durably acknowledged, beside a bare ASGI endpoint
	$(BIN)/python bench/bench_ingest.py

soak: $(READY) ## Run the long chaos tests (SOAK_MINUTES=20)
	$(BIN)/python -m pytest -m soak -o timeout=0

clean: ## Remove what the other targets made
	rm -rf $(VENV) .coverage* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
