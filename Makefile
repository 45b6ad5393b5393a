# Herald. `make` prints this help; CI runs only targets of this file.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

BASE_PYTHON ?= $(firstword $(shell command -v python3.11 python3 python))
PYTHON := .venv/bin/python
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Environment
.PHONY: setup
setup: .venv/.stamp ## Make the Python environments with the pinned packages

.venv/.stamp: requirements/dev.txt
	@$(BASE_PYTHON) -m venv --clear .venv && $(PYTHON) -m pip install --quiet --require-hashes -r $< && touch $@

##@ Checks
.PHONY: lint
lint: setup ## ruff and mypy
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
