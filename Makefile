# make run, make test, make bench, make soak, make fuzz, make lint, make sbom, make screenshots: each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: run test bench soak fuzz lint requirements sbom screenshots clean

run: $(BIN)/.ready
	$(BIN)/python run.py $(ARGS)

test: $(BIN)/.ready-tests chromium
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

bench: $(BIN)/.ready-tests
	$(BIN)/python -m tests.benchmarks $(ARGS)

soak: $(BIN)/.ready-tests
	DRIFT_KILL_STRIDE=1 DRIFT_ROOMS=120 DRIFT_RANDOM_KILLS=200 DRIFT_DAMAGES=100 DRIFT_WRITER_BATCHES=500 $(BIN)/python -m pytest -m faults -rP --timeout 7200 $(ARGS)

fuzz: $(BIN)/.ready-tests
	$(BIN)/python -m tests.corpus.fuzz 100000 $(ARGS)

lint: $(BIN)/.ready-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --confidence-level high --recursive dashboard pipeline seed_data storage run.py
	$(BIN)/python -m tests.house.audit

# Pins with the hash of every file they may come in, for every platform and every Python from 3.11 on.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make requirements"

requirements: $(BIN)/.ready-tests
	$(LOCK) requirements.in --output-file requirements.txt
	$(LOCK) tests/requirements.in --output-file tests/requirements.txt

# The bill of materials of a release (CycloneDX).
sbom: $(BIN)/.ready-tests
	$(BIN)/python -m tests.house.bom > bom.cdx.json

screenshots: $(BIN)/.ready-tests chromium
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# The environment is made once, and again when the pins change.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(BIN)/.ready: $(BIN)/python requirements.txt
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(BIN)/.ready-tests: $(BIN)/.ready tests/requirements.txt
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r tests/requirements.txt
	@touch $@

# The pages are tested in a real browser. Where there is none and we may install one, we do; else we say what to do.
.PHONY: chromium
chromium:
	@sh tests/browser/install_chromium.sh
