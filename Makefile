# Every word here works on a fresh Debian machine with python3, python3-venv, python3-dev, gcc and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash
STAMP := $(VENV)/.ready
# What the compiled modules are made of; a change compiles them again.
COMPILED := setup.py pyproject.toml $(wildcard collector/*.pxd collector/*/*.pxd) $(shell $(PYTHON) -c 'import re; print(*re.findall(r"collector/[\w/]+\.py", open("setup.py").read()))')

.PHONY: help setup demo test test-kafka parts check format bench lock sample clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(STAMP) ## virtual environment, pinned dependencies, compiled modules

$(VENV)/.packages: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "schoolgate needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=python3.12 setup" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "could not make a virtual environment; on Debian: apt-get install python3-venv python3-dev gcc" >&2; exit 1; }
	@echo "installing pinned dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(STAMP): $(VENV)/.packages $(COMPILED)
	@echo "building the compiled modules ..."
	@find collector rules -name '*.so' -delete
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## the main job on the bundled sample school day; Ctrl-C ends it
	@$(BIN)/schoolgate demo $(DEMO_ARGS)

test: setup ## the whole suite
	@$(BIN)/python -m pytest $(TEST_ARGS)

parts: setup ## the broker that tests use, into your cache folder (PARTS_ARGS=--install: with Java and Maven, as root)
	@$(BIN)/python -m tests.parts.kafka_jars $(PARTS_ARGS) || $(BIN)/python -m tests.parts.noida

test-kafka: setup ## the tests that start real brokers (sets Apache Kafka up in your cache folder)
	@$(BIN)/python -m pytest -m kafka $(TEST_ARGS)

check: setup ## format, lint, types, arrows
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## put the code in form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## speed beside peers, in one run (docs/benchmarks.md says how to read it)
	@$(BIN)/python -m tests.bench $(BENCH_ARGS)

sample: setup ## make the bundled sample school day again
	@$(BIN)/python -m rules.sample.generate --out rules/sample

lock: setup ## pin every dependency again (needs uv)
	@uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 --upgrade -o requirements/dev.txt

clean: ## remove everything that setup and the tests made
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find collector rules tests -name '*.so' -delete -o -name '*.c' -delete -o -name __pycache__ -prune -exec rm -rf {} +
