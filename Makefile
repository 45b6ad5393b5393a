# Herald's make targets. `make` prints this help. CI runs only targets of this file. To operate a
# stage, use ./herald.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
HERALD := $(PYTHON) -m cli
STACK := $(PYTHON) -m local

# The login environment also sets USER. Only a USER given on the command line is the user of a
# token.
TOKEN_USER := $(if $(filter command,$(word 1,$(origin USER))),$(USER),demo)

# boto3 reads only AWS_DEFAULT_REGION. Terraform reads both names.
ifdef AWS_REGION
export AWS_DEFAULT_REGION := $(AWS_REGION)
endif

.PHONY: help
help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Run Herald on this machine
.PHONY: demo up down status token
demo: setup ## Start everything, send one generation through, stay up until Ctrl-C (ONCE=1: exit then)
	@$(STACK) demo $(if $(filter-out 0,$(ONCE)),--once)

up: setup ## Start the stack in the background; its addresses are then in build/local/stack.env
	@$(STACK) up

down: setup ## Stop the stack and delete its data
	@$(STACK) down

status: setup ## Show what is running, and its addresses
	@$(STACK) status

token: setup ## Print a JWT for USER=alice that the running stack accepts
	@$(STACK) token '$(TOKEN_USER)'

##@ Check a change
.PHONY: test lint format unit integration infra-test e2e browser faults pr
test: lint test-tools ## Everything: linters, types, formats, and all tests in one run
	@$(PYTEST)

lint: setup ## ruff, mypy --strict, import-linter, terraform fmt
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache
	@$(PYTHON) -m tooling.terraform fmt -check -diff -recursive infra

format: setup ## Format Python and Terraform, fix what ruff can fix
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .
	@$(PYTHON) -m tooling.terraform fmt -recursive infra

unit: setup ## The rules of the system (seconds)
	@$(PYTEST) tests/unit $(ARGS)

integration: setup ## On a real PostgreSQL, and single AWS services
	@$(PYTEST) tests/integration $(ARGS)

infra-test: setup ## Terraform's own tests, the contract with Chalice, modules applied on moto
	@$(PYTEST) tests/infra $(ARGS)

e2e: test-tools ## The whole path on the applied stack
	@$(PYTEST) tests/e2e $(ARGS)

browser: test-tools ## The studio in headless Chromium
	@$(PYTEST) tests/browser $(ARGS)

faults: test-tools ## The fault suite on the applied stack (SEED=… N=… for long runs)
	@$(PYTHON) -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(N),--generations $(N)) $(ARGS)

pr: test ## Exactly what CI runs

##@ Build and deploy
.PHONY: package migrate plan deploy destroy
package: setup ## Build build/package/deployment.zip with Chalice (deterministic)
	@$(PYTHON) -m tooling.package

migrate: setup ## Bring a database to the current schema: HERALD_DATABASE_URL, else that of STAGE=…
	@$(HERALD) migrate $(ARGS)

plan: setup ## Package and plan for STAGE=… on AWS; the plan is kept in build/deploy/<stage>/
	@$(HERALD) plan --stage "$(STAGE)" $(ARGS)

deploy: setup ## Package, plan and apply that plan to STAGE=… on AWS (asks first; ARGS=--yes does not)
	@$(HERALD) deploy --stage "$(STAGE)" $(ARGS)

destroy: setup ## Remove STAGE=… from AWS (asks first)
	@$(HERALD) destroy --stage "$(STAGE)" $(ARGS)

##@ Measure
.PHONY: bench cost simulate
bench: setup ## Compare the delivery engine with its peers
	@tooling/setup.sh bench
	@.venv-bench/bin/python -m benchmarks $(ARGS)

simulate: setup ## Simulate delivery for 1,000 to 1,000,000 users (ARGS=--write: into docs/scaling.md)
	@$(PYTHON) -m benchmarks.simulation $(ARGS)

cost: setup ## What a month costs: USERS=… NOTIFICATIONS=…
	@$(HERALD) cost $(if $(USERS),--users $(USERS)) $(if $(NOTIFICATIONS),--notifications $(NOTIFICATIONS)) $(ARGS)

##@ Environment
.PHONY: setup test-tools lock clean
setup: ## Make the Python environment with the pinned packages (all targets do this themselves)
	@tooling/setup.sh dev

test-tools: setup
	@tooling/setup.sh emulator chromium nodejs

lock: setup ## Resolve requirements/*.in into the pinned requirements/*.txt
	@cd requirements && for name in uv runtime dev emulator terraform postgres bench; do \
	  ../.venv/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header $(ARGS) $$name.in -o $$name.txt || exit 1; done

clean: ## Stop the stacks and remove everything that was built, the environments too
	@if [ -x $(PYTHON) ]; then $(STACK) down --all; fi
	@rm -rf build .venv .venv-* .mypy_cache .ruff_cache .pytest_cache
