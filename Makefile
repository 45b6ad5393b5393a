# Herald. `make` prints this help; CI runs only targets of this file.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The first Python >= 3.11 there is; everything else runs in .venv.
BASE_PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest

# Make takes USER from the login environment: only one given on the command line names a token's user.
TOKEN_USER := $(if $(filter command,$(word 1,$(origin USER))),$(USER),demo)

# boto3 reads this name only, Terraform both.
ifdef AWS_REGION
export AWS_DEFAULT_REGION := $(AWS_REGION)
endif

.PHONY: help
help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Run Herald on this machine
.PHONY: demo up down status token
demo: setup ## Boot everything, send one generation through, stay up until Ctrl-C (ONCE=1: exit after it)
	@$(PYTHON) -m local demo $(if $(filter-out 0,$(ONCE)),--once)

up: setup ## Boot the stack in the background; its addresses are then in build/local/stack.env
	@$(PYTHON) -m local up

down: setup ## End the stack and remove its data
	@$(PYTHON) -m local down

status: setup ## Show what runs and where
	@$(PYTHON) -m local status

token: setup ## Print a JWT of the running stack for USER=alice
	@$(PYTHON) -m local token '$(TOKEN_USER)'

##@ Check a change
.PHONY: test lint format unit integration infra-test e2e browser faults pr
test: lint test-tools ## Everything: linters, types, formats and all tests in one run
	@$(PYTEST)

lint: setup ## ruff, mypy --strict, terraform fmt
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@$(PYTHON) -m tooling.terraform fmt -check -diff -recursive infra

format: setup ## Format Python and Terraform, fix what ruff can fix
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .
	@$(PYTHON) -m tooling.terraform fmt -recursive infra

unit: setup ## The rules, without I/O (seconds)
	@$(PYTEST) tests/unit $(ARGS)

integration: setup ## On a real PostgreSQL, and single AWS services
	@$(PYTEST) tests/integration $(ARGS)

infra-test: setup ## Terraform's own tests, the contract with Chalice, modules applied on moto
	@$(PYTEST) tests/infra $(ARGS)

e2e: test-tools ## The whole path on the applied stack
	@$(PYTEST) tests/e2e $(ARGS)

browser: test-tools ## The studio's page in headless Chromium
	@$(PYTEST) tests/browser $(ARGS)

faults: test-tools ## The fault suite on the applied stack (SEED=… N=… for long runs)
	@$(PYTHON) -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(N),--generations $(N)) $(ARGS)

pr: test ## Exactly what CI runs

##@ Build and deploy
.PHONY: package migrate plan deploy destroy dlq secret api-key new-epoch
package: setup ## Build build/package/deployment.zip with Chalice (deterministic)
	@$(PYTHON) -m tooling.package

migrate: setup ## Bring a database to the current schema: HERALD_DATABASE_URL, else that of STAGE=…
	@$(PYTHON) -m cli.migrate $(ARGS)

plan: setup ## Package and plan for STAGE=… on AWS; the plan is kept in build/deploy/<stage>/
	@$(PYTHON) -m cli.deploy plan "$(STAGE)" $(ARGS)

deploy: setup ## Package, plan and apply that plan to STAGE=… on AWS (asks first; ARGS=--yes does not)
	@$(PYTHON) -m cli.deploy apply "$(STAGE)" $(ARGS)

destroy: setup ## Remove STAGE=… from AWS (asks first)
	@$(PYTHON) -m cli.deploy destroy "$(STAGE)" $(ARGS)

dlq: setup ## Dead letters: ARGS="list|peek|redrive|purge"
	@$(PYTHON) -m cli.dlq $(ARGS)

secret: setup ## Set or rotate the value of a secret: ARGS="database|webhook|jwt"
	@$(PYTHON) -m cli.secret_values $(ARGS)

api-key: setup ## Keys for clients that are not browsers: ARGS="create|list|revoke"
	@$(PYTHON) -m cli.api_keys $(ARGS)

new-epoch: setup ## Begin new streams after a database was restored
	@$(PYTHON) -m cli.new_epoch $(ARGS)

##@ Measure
.PHONY: bench cost simulate
bench: setup ## The delivery engine beside its peers
	@$(BASE_PYTHON) -m tooling.environments bench
	@.venv-bench/bin/python -m benchmarks $(ARGS)

simulate: setup ## The delivery path simulated, 1,000 to 1,000,000 users (ARGS=--write: into docs/scaling.md)
	@$(PYTHON) -m benchmarks.simulation $(ARGS)

cost: setup ## What it costs: USERS=… NOTIFICATIONS=…
	@$(PYTHON) -m cli.cost $(if $(USERS),--users $(USERS)) $(if $(NOTIFICATIONS),--notifications $(NOTIFICATIONS)) $(ARGS)

##@ Environment
.PHONY: setup test-tools lock clean
setup: ## Make the Python environment with the pinned packages (all targets do this by themselves)
	@test -n "$(BASE_PYTHON)" || { echo "Herald needs Python 3.11 or newer on PATH, or BASE_PYTHON=/path/to/python."; exit 1; }
	@$(BASE_PYTHON) -m tooling.environments dev

test-tools: setup
	@$(BASE_PYTHON) -m tooling.environments emulator chromium nodejs

lock: setup ## Resolve requirements/*.in anew into the pinned requirements/*.txt
	@cd requirements && for name in uv runtime dev emulator terraform postgres bench; do \
	  ../.venv/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header $(ARGS) $$name.in -o $$name.txt || exit 1; done

clean: ## End the stacks and remove everything that was built, the environments too
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local down --all; fi
	@rm -rf build .venv .venv-* .mypy_cache .ruff_cache .pytest_cache
