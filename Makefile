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

# Options of the local stack, only from the command line: PORT and DATABASE may be set in the
# environment for other programs.
given = $(if $(filter command,$(word 1,$(origin $1))),--$2 '$($1)')
OPTIONS = $(call given,ORIGINS,origins) $(call given,PORT,port) $(call given,DATABASE,database) \
  $(call given,FETCH_HOSTS,fetch-hosts) $(call given,PROVIDER_APIS,provider-apis)

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
demo: setup-stack ## Start the stack, send one generation through it, run until Ctrl-C (ONCE=1: exit after one)
	@$(STACK) demo $(if $(filter-out 0,$(ONCE)),--once) $(OPTIONS)

up: setup-stack ## Start the stack in the background; writes its addresses to build/local/stack.env (ORIGINS=http://localhost:5173 PORT=… DATABASE=…)
	@$(STACK) up $(OPTIONS)

down: setup-stack ## Stop the stack and delete its data
	@$(STACK) down

status: setup-stack ## Show whether the stack is running, and its addresses
	@$(STACK) status

token: setup-stack ## Print a JWT for a user that the running stack accepts (USER=alice)
	@$(STACK) token '$(TOKEN_USER)'

##@ Check a change
.PHONY: test lint format unit integration infra-test e2e browser rehearsal faults pr
test: lint test-tools ## Linters, types, formats, and all tests except the rehearsal
	@$(PYTHON) -m tests

lint: setup ## Run ruff, mypy --strict, import-linter, tsc --strict and terraform fmt
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@PYTHONPATH=clients/python .venv/bin/lint-imports --no-cache
	@$(PYTHON) -m tooling.declarations --check
	@$(PYTHON) -m tooling.terraform fmt -check -diff -recursive infra

format: setup ## Format Python and Terraform files, and apply the fixes of ruff
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .
	@$(PYTHON) -m tooling.terraform fmt -recursive infra

unit: setup ## Test rules and pure functions
	@$(PYTEST) tests/unit $(ARGS)

integration: setup ## Test modules with a real PostgreSQL and with emulated AWS services
	@$(PYTEST) tests/integration $(ARGS)

infra-test: setup ## Test Terraform: its own tests, the contract with Chalice, modules applied to moto
	@$(PYTEST) tests/infra $(ARGS)

e2e: test-tools ## Test the whole event path on the local stack
	@$(PYTEST) tests/e2e $(ARGS)

browser: test-tools ## Test the studio in headless Chromium
	@$(PYTEST) tests/browser $(ARGS)

rehearsal: test-tools ## Deploy, interrupt, upgrade, roll back and destroy stages on an emulator
	@$(PYTEST) tests/rehearsal $(ARGS)

faults: test-tools ## The fault suite on the applied stack (SEED=… N=… for long runs)
	@$(PYTHON) -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(N),--generations $(N)) $(ARGS)

pr: test rehearsal ## Run exactly what CI runs: all tests, with the rehearsal

##@ Build and deploy
.PHONY: package migrate plan deploy smoke rollback destroy
package: setup ## Build the package for ARCHITECTURE=arm64 or x86_64 with Chalice (deterministic)
	@$(PYTHON) -m tooling.package $(ARCHITECTURE)

migrate: setup ## Migrate the database in HERALD_DATABASE_URL, or else that of STAGE=…
	@$(HERALD) migrate $(ARGS)

plan: setup ## Package and plan for STAGE=… on AWS, and print the plan
	@$(HERALD) plan --stage "$(STAGE)" $(ARGS)

deploy: setup ## Deploy STAGE=…: package, plan, confirm, apply, secrets, migrations, smoke test (ARGS=--yes confirms)
	@$(HERALD) deploy --stage "$(STAGE)" $(ARGS)

smoke: setup ## Send one synthetic generation through STAGE=…, and remove its traces
	@$(HERALD) smoke $(if $(STAGE),--stage "$(STAGE)") $(ARGS)

rollback: setup ## Deploy the package that STAGE=… had before the last deployment from this machine
	@$(HERALD) rollback --stage "$(STAGE)" $(ARGS)

destroy: setup ## Remove STAGE=… from AWS (asks first)
	@$(HERALD) destroy --stage "$(STAGE)" $(ARGS)

##@ Measure
.PHONY: bench cost simulate
bench: setup ## Compare the delivery engine with other clients
	@tooling/setup.sh bench
	@.venv-bench/bin/python -m benchmarks $(ARGS)

simulate: setup ## Simulate delivery for 1,000 to 1,000,000 users (ARGS=--write: update docs/scaling.md)
	@$(PYTHON) -m benchmarks.simulation $(ARGS)

cost: setup ## Compute the monthly cost (USERS=… NOTIFICATIONS=…)
	@$(HERALD) cost $(if $(USERS),--users $(USERS)) $(if $(NOTIFICATIONS),--notifications $(NOTIFICATIONS)) $(ARGS)

##@ Environment
.PHONY: setup setup-stack test-tools contracts declarations lock clean
setup: ## Create the Python environment with the pinned packages (all targets do this, those of the stack a smaller one)
	@tooling/setup.sh dev

setup-stack: # What the local stack and ./herald need: a part of the above
	@tooling/setup.sh stack

test-tools: setup
	@tooling/setup.sh emulator chromium nodejs pgbouncer node-packages

contracts: setup ## Generate contracts/ and docs/reference.md from the code (ARGS=--release: keep them as the release's)
	@$(PYTHON) -m tooling.contracts $(ARGS)

declarations: setup ## Generate the JavaScript client's type declarations from its comments
	@$(PYTHON) -m tooling.declarations

lock: setup ## Resolve requirements/*.in and the files package.json into pinned versions
	@cd requirements && for name in uv runtime arm64 dev stack emulator policies terraform postgres bench sdks; do \
	  ../.venv/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header $(ARGS) $$name.in -o $$name.txt \
	    $$([ $$name = stack ] && echo "-c dev.txt") || exit 1; done
	@for folder in requirements/node requirements/nestjs examples/next; do (cd $$folder && npm install --package-lock-only \
	  --ignore-scripts --no-audit --no-fund --omit-lockfile-registry-resolved) || exit 1; done

clean: ## Stop all stacks and remove all build results and environments
	@if [ -x $(PYTHON) ]; then $(STACK) down --all; fi
	@rm -rf build .venv .venv-* .mypy_cache .ruff_cache .pytest_cache
