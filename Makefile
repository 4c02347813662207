# `make` lists the targets. Each one sets up what it needs in .venv; PYTHON names the Python to build it with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := $(VENV)/.demo
PIN := $(BIN)/python -m piptools compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host \
	--no-emit-find-links --strip-extras --no-header --allow-unsafe
SOAK_MINUTES ?= 20
MUTANTS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo up test coverage lint format docs schema requirements audit env screenshots faults mutants bench bench-ingest bench-eventlog bench-backfill bench-engine bench-queries bench-scaling fuzz install-test soak clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make the virtual environment in .venv, with the developers' tools

# Installs the checkout with EXTRAS.
define INSTALL
@echo "Setting up $(VENV) (a minute or two, once) ..."
@if command -v uv >/dev/null 2>&1; then \
	{ test -x $(BIN)/python || uv venv --quiet --python "$(PYTHON)" $(VENV); } && \
	uv pip install --quiet --python $(BIN)/python -e '.[$(EXTRAS)]'; \
else \
	{ test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV); } && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'; \
fi
endef

$(READY): EXTRAS := embedded,dev
$(READY): pyproject.toml
	$(INSTALL)
	@touch $(DEMO) $@

# What does without the developers' tools; where they are already, nothing is left to install.
$(DEMO): EXTRAS := embedded
$(DEMO): pyproject.toml
	$(INSTALL)
	@touch $@

demo: $(DEMO) ## Try Rollcall on a simulated company; it prints the address of its page
	$(BIN)/rollcall demo

up: $(DEMO) ## Run everything in one process with ./rollcall.toml
	$(BIN)/rollcall up

SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder --durations 25

test: $(READY) ## Run the tests
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

coverage: $(READY) ## Run the tests and see what they cover (at least 95 %); it takes a quarter longer
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(SIDE_BY_SIDE)
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

docs: $(READY) ## Write docs/settings.md, metrics.md, commands.md, licenses.md and records.* from the code and its packages
	$(BIN)/python -m tools.reference docs

schema: $(READY) ## Write rollcall/warehouse/schema/expected.json from the migrations
	$(BIN)/python -m tools.schema rollcall/warehouse/schema/expected.json

requirements: $(READY) ## Pin the packages with hashes in deploy/requirements*.txt (with Python 3.11, as the image has)
	$(PIN) -o deploy/requirements.txt pyproject.toml
	@# Only what the embedded engine adds.
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['embedded'])" \
		| $(PIN) -c deploy/requirements.txt -o deploy/requirements-embedded.txt -

audit: $(VENV)/.audit ## Write a bill of materials (sbom.json, CycloneDX), and look the pinned packages up for known weaknesses (online)
	cat deploy/requirements.txt deploy/requirements-embedded.txt \
		| $(BIN)/cyclonedx-py requirements - --pyproject pyproject.toml --of JSON -o sbom.json
	$(BIN)/pip-audit --disable-pip --no-deps -r deploy/requirements.txt -r deploy/requirements-embedded.txt

$(VENV)/.audit: EXTRAS := embedded,dev,audit
$(VENV)/.audit: pyproject.toml
	$(INSTALL)
	@touch $(READY) $(DEMO) $@

env: ## Write .env with random passwords for docker-compose.yml, unless it is there
	@"$(PYTHON)" deploy/make_env.py .env

screenshots: $(READY) ## Write docs/images/page-light.png and page-dark.png (needs Chromium)
	ROLLCALL_REQUIRE_BROWSER=1 ROLLCALL_SCREENSHOTS=docs/images $(BIN)/python -m pytest -q tests/browser/test_appearance.py -k light_and_dark

bench: bench-eventlog bench-ingest bench-engine bench-queries bench-backfill ## Run all benchmarks but bench-scaling, which needs Kafka

bench-eventlog: $(READY) ## Rows a second onto the SQLite log, one a commit beside many a commit
	$(BIN)/python bench/bench_eventlog.py

bench-ingest: $(READY) ## Webhooks a second, durably acknowledged, beside a bare ASGI endpoint
	$(BIN)/python bench/bench_ingest.py

bench-scaling: $(READY) ## 1, 2 and 4 consumer processes draining one Kafka topic, as ratios
	$(BIN)/python -m bench.bench_scaling

# Go may stand where its own installer puts it.
$(BIN)/vegeta: export PATH := $(PATH):/usr/local/go/bin
$(BIN)/vegeta: $(READY)
	GOBIN="$(abspath $(BIN))" go install github.com/tsenart/vegeta/v12@v12.13.0

bench-engine: $(BIN)/vegeta ## What heavy queries, hang-ups and the engine's deaths cost the webhooks of `up`, and its memory
	$(BIN)/python -m bench.bench_engine

bench-queries: $(READY) ## What each report costs beside the raw facts, at SIZE facts (a million) by a 500th as many people
	$(BIN)/python -m bench.bench_queries --facts $(or $(SIZE),1000000)

bench-backfill: $(READY) ## Requests per 1,000 issues of a backfill, beside a client that asks issue by issue
	$(BIN)/python bench/bench_backfill.py

faults: $(READY) ## Have every fault happen once: processes and brokers killed, hanging, out of disk, readers that hang up
	$(BIN)/python -m pytest -m fault

fuzz: $(READY) ## Send FUZZ_REQUESTS (a million) mutated requests to page, webhooks and SQL door; `make faults` sends 20,000
	FUZZ_REQUESTS=$(or $(FUZZ_REQUESTS),1000000) $(BIN)/python -m pytest -m fault -s tests/endtoend/test_fuzz.py

install-test: $(READY) ## Build the wheel, install it into an empty environment, without and with the engine, and run it
	$(BIN)/python -m pytest -m install

mutants: $(READY) ## Break the code in all places of tools/mutants.toml, and see tests fail; MUTANTS="--sample 10 --seed x", or numbers, for some
	$(BIN)/python -m tools.mutants $(MUTANTS)

soak: $(READY) ## Repeat every fault for its share of SOAK_MINUTES (20) and often enough, then run the longest stream
	ROLLCALL_REQUIRE_KAFKA=real SOAK_MINUTES=$(SOAK_MINUTES) $(BIN)/python -m pytest -m "fault or soak" -o timeout=0

clean: ## Remove what the other targets made
	rm -rf $(VENV) .coverage* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
