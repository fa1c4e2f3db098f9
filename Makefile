# Counterfoil. `make` lists what there is; the first target that needs it lays .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := $(patsubst %/__init__.py,%,$(wildcard */__init__.py))
# Test processes side by side; `make test WORKERS=0` runs them in one, `ARGS=` goes to pytest.
WORKERS ?= 2
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo demo-full up test drills check fix bench sbom advisories lock

help: ## List what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/installed ## Play a broker's day in the sandbox and prove the books
	@$(BIN)/counterfoil demo $(ARGS)

demo-full: $(VENV)/installed ## The same, a long day
	@$(BIN)/counterfoil demo --full $(ARGS)

up: $(VENV)/installed ## Run everything here: database, API, projections, reactors, sandbox
	@$(BIN)/counterfoil up --sandbox $(ARGS)

test: $(VENV)/installed ## Run the tests
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile $(ARGS)

drills: $(VENV)/installed ## Run the fault drills, the long ones too, and print what was lost (none)
	@$(BIN)/python -m tests.faults.drills $(ARGS)

check: $(VENV)/installed ## What CI asks before the tests: format, lint, types, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy --no-error-summary $(PACKAGES)
	@$(BIN)/lint-imports --no-logo

fix: $(VENV)/installed ## Format, mend what the linter can mend, write docs/errors.md anew
	@$(BIN)/python tests/test_tidy.py
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(VENV)/installed ## Measure durable movements a second beside pgbench
	@$(BIN)/counterfoil bench book $(ARGS)

sbom: $(VENV)/installed ## Write the bill of materials, CycloneDX, to dist/sbom.cdx.json
	@$(BIN)/python -m tools.sbom

advisories: $(VENV)/installed ## Ask whether a locked package is known to be unsafe
	@$(BIN)/python -m tools.advisories

lock: $(VENV)/installed ## Pin every dependency by hash again, after a change of pyproject.toml
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header \
		--extra dev --python-version 3.11 --output-file requirements.lock pyproject.toml

# Debian keeps python3-venv in a package of its own, and its pip refuses to install outside of an
# environment (PEP 668), so everything goes into .venv and nothing elsewhere.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed: apt-get install python3"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 is needed; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/locked: requirements.lock | $(BIN)/python
	@echo "Installing the pinned dependencies into $(VENV), once per change of requirements.lock ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
		--require-hashes --only-binary :all: --requirement requirements.lock
	@touch $@

# The packages are listed because an editable install knows only the folders it was shown.
$(VENV)/installed: $(VENV)/locked pyproject.toml $(PACKAGES:=/__init__.py)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
		--no-deps --no-build-isolation --editable .
	@touch $@
