# The doors of this repository. Each sets up what it needs; a second run finds it done.
SHELL := bash
VENV ?= .venv
BIN := $(VENV)/bin
# The marker lies in the environment and carries the hash of what it was made from.
READY := $(VENV)/.cutaway-ready
TARGETS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test test-quick lint bench wheel-check clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## create .venv with everything pinned (two or three minutes the first time)

$(READY): pyproject.toml constraints.txt scripts/setup.sh
	@VENV="$(VENV)" scripts/setup.sh
	@touch $@

demo: setup ## analyse a real model: its tree, then what each line costs
	@scripts/demo.sh $(BIN)

test: setup ## everything that must hold: unit tests, doctests, the built wheel
	$(BIN)/python -m pytest -q -n 2 tests
	$(BIN)/python -m pytest -q --doctest-modules src
	$(BIN)/python scripts/wheel_check.py

test-quick: setup ## unit tests only
	$(BIN)/python -m pytest -q -n 2 tests $(TARGETS)

lint: setup ## ruff
	$(BIN)/ruff check src tests bench scripts

bench: setup ## the published figures: parameters, bytes, grid, coverage (about half an hour)
	$(BIN)/python bench/params.py
	$(BIN)/python bench/grid.py
	$(BIN)/python bench/bytes.py
	$(BIN)/python bench/coverage.py --map CausalLM

wheel-check: setup ## build the wheel and use it, without torch and with it
	$(BIN)/python scripts/wheel_check.py

clean: ## remove caches and builds; keeps .venv
	rm -rf dist build demo-out .pytest_cache .ruff_cache .hypothesis
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +
