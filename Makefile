# Millrace. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PROJECTS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml)
PACKAGES := $(PROJECTS:/pyproject.toml=)

.PHONY: up
up: $(INSTALLED) ## Run the whole platform on http://127.0.0.1:8080 until Ctrl-C (MILLRACE_PORT, MILLRACE_HOME move it)
	@exec $(BIN)/millrace up

.PHONY: test
test: $(INSTALLED) ## Run all tests except chaos, deploy-check and compose-test; ARGS="-k name" is passed to pytest
	$(BIN)/pytest -m "not chaos and not deploy and not compose" --numprocesses auto --maxprocesses 4 $(ARGS)

.PHONY: check
check: $(INSTALLED) ## Check lint, format, types, layers, schemas, locks and wording, without any running server
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy libs services tests .ci conftest.py
	$(BIN)/lint-imports
	$(BIN)/python -m millrace_contracts.schemas check --history
	$(BIN)/python .ci/check_lock.py
	$(BIN)/python .ci/check_dependencies.py
	$(BIN)/python .ci/check_language.py

.PHONY: chaos
chaos: $(INSTALLED) ## Kill every kind of process during an import and check that nothing is lost
	$(BIN)/pytest -m chaos $(ARGS)

.PHONY: deploy-check
deploy-check: $(INSTALLED) ## Check copilot/ and ecs/ with the real tools, and against the services' settings and AWS calls
	@$(MAKE) --no-print-directory deploy-tools || \
	  echo "Without the tools: cfn-lint, checkov and copilot will be reported as missing" >&2
	MILLRACE_DEPLOY_TOOLS=required $(BIN)/pytest tests/deploy $(ARGS)

.PHONY: deploy-tools
deploy-tools: $(INSTALLED) ## Install cfn-lint, checkov and copilot in .millrace/deploy-tools
	@cmp --silent tests/deploy/tools.lock .millrace/deploy-tools/tools.lock || { \
	  echo "Making the environment of the deployment tools in .millrace/deploy-tools"; \
	  $(BIN)/uv venv --quiet --clear --no-project --python $(BIN)/python .millrace/deploy-tools && \
	  $(BIN)/uv pip install --quiet --python .millrace/deploy-tools/bin/python --require-hashes \
	    --requirement tests/deploy/tools.lock && cp tests/deploy/tools.lock .millrace/deploy-tools/; }

.PHONY: images
images: ## Build the images of all services and of the command
	MILLRACE_REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) docker compose build

.PHONY: sbom
sbom: ## Write the bill of materials of each image, as CycloneDX, to .millrace/sbom
	docker buildx bake --file compose.yaml --set '*.target=sbom' --set '*.output=type=local,dest=.millrace/sbom'

.PHONY: secrets
secrets: .env ## Generate passwords and keys for Compose in .env, before its first start
.env:
	@umask 077; for name in $(addsuffix _PASSWORD,$(PASSWORDS)) $(addsuffix _KEY,$(KEYS)); do \
	  echo "$$name=$$($(PYTHON) -c 'import secrets; print(secrets.token_hex(24))')"; \
	done > $@

PASSWORDS := POSTGRES DIRECTORY PATIENTS SCHEDULING REVIEWS NOTIFICATIONS PROJECTOR_CACHE SEARCH_CACHE GRAFANA
KEYS := SCHEDULING_PATIENTS NOTIFICATIONS_PATIENTS $(addprefix OPERATOR_,DIRECTORY PATIENTS SCHEDULING REVIEWS \
  NOTIFICATIONS REFINERY PROJECTOR SEARCH)

.PHONY: compose-test
compose-test: $(INSTALLED) ## Test the platform in containers, with kills and replacements under load; needs Docker
	$(BIN)/pytest -m compose tests/compose $(ARGS)

.PHONY: bench
bench: $(INSTALLED) ## Run the benchmarks, write tables to tests/bench/results; ARGS="search" or ARGS=--strict
	$(BIN)/python -m tests.bench $(ARGS)

.PHONY: install
install: $(INSTALLED) ## Create or update .venv; the other targets do so when needed

$(INSTALLED): requirements.lock pyproject.toml $(PROJECTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Millrace needs Python 3.11 or later. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making the environment in .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "Python's venv module is not complete. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
# uv comes from the same lock as everything that it installs.
	@awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.lock > .venv/uv.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement .venv/uv.lock
# Compile once: where bytecode can't be written, each of a dozen processes would compile at its start.
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes --requirement requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix --editable ,$(PACKAGES))
	@$(BIN)/python -m millrace_local.servers.ministack
	@touch $@

.PHONY: lock
lock: $(INSTALLED) ## Update all dependencies to their newest versions, with hashes, in the three locks
	$(BIN)/uv pip compile --quiet --upgrade $(COMPILE) --group dev pyproject.toml $(PROJECTS) \
	  $(addprefix --no-emit-package millrace-,$(notdir $(PACKAGES))) --output-file requirements.lock
	printf '%s\n' ministack==1.5.33 uvicorn httptools uvloop | $(BIN)/uv pip compile --quiet --upgrade $(COMPILE) - \
	  --output-file libs/local/src/millrace_local/ministack.lock
	$(BIN)/uv pip compile --quiet --upgrade $(COMPILE) tests/deploy/tools.in --output-file tests/deploy/tools.lock

COMPILE := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url

.PHONY: clean
clean: ## Remove the environment and all caches, but not the platform's state in .millrace
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find libs services tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
