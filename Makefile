# make run, make test, make bench, make soak, make lint, make screenshots: each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: run test bench soak lint screenshots clean

run: $(BIN)/.ready
	$(BIN)/python run.py $(ARGS)

test: $(BIN)/.ready-tests chromium
	$(BIN)/python -m pytest $(ARGS)

bench: $(BIN)/.ready-tests
	$(BIN)/python -m tests.benchmarks $(ARGS)

soak: $(BIN)/.ready-tests
	DRIFT_KILL_STRIDE=1 $(BIN)/python -m pytest -m faults --timeout 3600 $(ARGS)

lint: $(BIN)/.ready-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

screenshots: $(BIN)/.ready-tests chromium
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# The environment is made once, and again when the pins change.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(BIN)/.ready: $(BIN)/python requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(BIN)/.ready-tests: $(BIN)/.ready tests/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

# The pages are tested in a real browser. Where there is none and we may install one, we do; else we say what to do.
.PHONY: chromium
chromium:
	@sh tests/browser/install_chromium.sh
