# Vi Portal's commands. The virtual environment is .venv; everything a target needs, it installs there once.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
PYTHON ?= python3.11
ARGS ?=

# The tests start hundreds of programs: what Python has compiled is kept, wherever the environment says otherwise.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: export HTTPS ?= off
run: $(VENV)/.runtime ## Start the portal here: http://127.0.0.1:8000 (HOST, PORT, DATA_DIR and others: .env.example)
	@exec $(BIN)/python manage.py serve --prepare

.PHONY: test
test: $(VENV)/.development ## Run the tests, with a real browser (ARGS="-k word" for some)
	@browser=$$(tests/e2e/install-browser.sh $(BIN)) && CHROMIUM="$$browser" $(BIN)/pytest $(SIDE_BY_SIDE) $(ARGS)

# Tests in several programs at once; tests/side_by_side.py says in how many, and which go together.
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4

.PHONY: test-services
test-services: $(VENV)/.development ## Run again what touches the database: on PostgreSQL with Redis and Swift, then with RabbitMQ
	@tests/services/install.sh
	@browser=$$(tests/e2e/install-browser.sh $(BIN)) || exit 1; export CHROMIUM="$$browser"; \
	$(BIN)/python -m tests.services.run postgres redis swift -- $(ON_SERVERS) $(ARGS); first=$$?; \
	$(BIN)/python -m tests.services.run postgres rabbitmq -- $(ON_SERVERS) --ignore tests/services/s3 $(ARGS) && exit $$first

.PHONY: test-faults
test-faults: $(VENV)/.development ## Kill, stop, lose and fill up at random moments (ARGS="--seed 7 --rounds 20", or --short)
	@tests/services/install.sh
	@$(BIN)/python -m tests.faults $(ARGS)

ON_SERVERS = $(BIN)/python -m pytest -p tests.services.selection $(SIDE_BY_SIDE)

.PHONY: check
check: $(VENV)/.development ## Check style, types, import rules, templates, migrations and the deployment settings
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@told=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$told"; exit 1; }
	@$(BIN)/djlint --quiet --check --lint templates
	@$(BIN)/mypy .
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python manage.py check --deploy --fail-level WARNING

.PHONY: lock
lock: $(BIN)/uv ## Choose the versions anew: requirements.lock and requirements-dev.lock
	@$(UV_COMPILE) pyproject.toml --output-file requirements.lock
	@$(UV_COMPILE) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock

.PHONY: bench
bench: $(VENV)/.development ## Measure exports beside the floor of what this machine can do
	@$(BIN)/python -m bench $(ARGS)

.PHONY: screenshot
screenshot: $(VENV)/.development ## Take the picture in the README anew
	@browser=$$(tests/e2e/install-browser.sh $(BIN)) && CHROMIUM="$$browser" $(BIN)/python -m tests.e2e.screenshot docs/annotations.png

UV_COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock"

# uv does not read pip's configuration: a mirror set there is passed on.
UV_INSTALL = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$($(BIN)/pip config get global.index-url 2>/dev/null || echo "$$PIP_INDEX_URL")}"; \
	if [ -n "$$UV_DEFAULT_INDEX" ]; then export UV_DEFAULT_INDEX; else unset UV_DEFAULT_INDEX; fi; \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirements

# The development set contains the runtime set in the same versions, and neither install removes anything:
# `make run` and `make test` leave each other's packages alone.
$(VENV)/.runtime: requirements.lock | $(BIN)/uv
	@echo "Installing the packages; TensorFlow is large, so this takes a minute …"
	@$(UV_INSTALL) $<
	@touch $@

$(VENV)/.development: requirements-dev.lock | $(BIN)/uv
	@echo "Installing the packages and the development tools; TensorFlow is large, so this takes a minute …"
	@$(UV_INSTALL) $<
	@touch $@ $(VENV)/.runtime

$(BIN)/uv:
	@for python in "$(PYTHON)" python3 python; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Vi Portal needs Python 3.11, and neither $(PYTHON) nor python3 is one. Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "This Python has no venv module. Install it, on Debian and Ubuntu with: apt-get install python3-venv" >&2; exit 1; \
	fi; \
	echo "Making the virtual environment $(VENV) …"; \
	"$$found" -m venv $(VENV) && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
