# Every word here works on a fresh Debian machine with python3, python3-venv, python3-dev, gcc and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash
STAMP := $(VENV)/.ready
# Tests with brokers wait more than they work, so that four processes keep two cores busy.
TEST_WORKERS ?= 4
# Tests start hundreds of processes; each would compile the whole project again where somebody forbade Python its cache.
unexport PYTHONDONTWRITEBYTECODE
# What the compiled modules are made of; a change compiles them again.
TYPES := $(wildcard collector/*.pxd collector/*/*.pxd rules/*.pxd)
COMPILED := setup.py pyproject.toml $(TYPES) $(TYPES:.pxd=.py)

.PHONY: help setup demo image-trial test test-quick test-pure test-parts test-kafka test-long same-answer chaos fuzz parts check audit sbom format bench bench-judge bench-release bench-live bench-desk bench-kafka lock asyncapi dashboards screenshots sample clean
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
	@# Cython looks at a module's own declarations, and not at those that reach it by way of another's.
	@rm -rf build/collector build/rules
	@# A path alone: the finder that setuptools puts there otherwise costs every start a tenth of a second's work.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	@touch $@

demo: setup ## the main job on the bundled sample school day; Ctrl-C ends it
	@$(BIN)/schoolgate demo $(DEMO_ARGS)

TEST := $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder
test: setup test-parts ## the suite (Apache Kafka and the other parts go into your cache folder)
	@$(TEST) $(TEST_ARGS)

test-quick: setup ## the suite, but for what needs a broker
	@$(TEST) -m 'not kafka and not long' $(TEST_ARGS)

# Compiled modules lie beside their sources and would be found first: the same suite runs in a copy that has none.
PURE := build/pure/schoolgate
test-pure: setup test-parts ## the suite without any compiled module, in a copy of this checkout (TEST_ARGS="tests/collector")
	@rm -rf build/pure && git clone --quiet . $(PURE)
	@git ls-files -z --cached --others --exclude-standard | tar -c --null -T - --ignore-failed-read 2>/dev/null | tar -x -C $(PURE)
	@ln -sfn $(abspath ../shared) build/pure/shared
	@cd $(PURE) && PYTHONPATH=$(CURDIR)/$(PURE) SCHOOLGATE_PURE=1 $(abspath $(BIN))/python -c 'from collector.flows import COMPILED; raise SystemExit(COMPILED)'
	@cd $(PURE) && PYTHONPATH=$(CURDIR)/$(PURE) SCHOOLGATE_PURE=1 $(abspath $(BIN))/python $(wordlist 2,99,$(TEST)) $(TEST_ARGS)

# A run that somebody gave a broker to, or that can have none, goes on all the same: what is missing is skipped by name.
test-parts: setup
	@test -n "$$SCHOOLGATE_TEST_KAFKA" || $(BIN)/python -m tests.parts.kafka_jars --install || true

same-answer: setup test-parts ## every way to the report over every open set of scenarios (a quarter of an hour)
	@SCHOOLGATE_TEST_DAYS=all $(BIN)/python -m pytest -m long --durations=0 tests/system/test_same_answer.py $(TEST_ARGS)

parts: setup ## the broker that tests use, into your cache folder (PARTS_ARGS=--install: with Java and Maven, as root)
	@$(BIN)/python -m tests.parts.kafka_jars $(PARTS_ARGS) || $(BIN)/python -m tests.parts.noida

test-kafka: setup test-parts ## the tests with real brokers alone
	@$(TEST) -m 'kafka and not long' $(TEST_ARGS)

test-long: setup test-parts ## what the suite leaves out for its length: a broker cluster, a round of chaos, every open set
	@SCHOOLGATE_TEST_DAYS=all $(BIN)/python -m pytest -m long $(TEST_ARGS)

chaos: setup ## seeded rounds of chaos on a real broker, 200 by default (CHAOS_ARGS="--rounds 200 --seed 1"; docs/chaos.md)
	@$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

check: setup ## format, lint, types, arrows, audit of what is locked
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.audit

audit: setup ## locks, licences, advisories (ADVISORIES=ask with pip-audit, or a folder of OSV records)
	@ADVISORIES="$(ADVISORIES)" $(BIN)/python -m tests.audit

sbom: setup ## the bill of materials of what is shipped (CycloneDX 1.6) into build/schoolgate.cdx.json
	@mkdir -p build && $(BIN)/python -m tests.audit.bill > build/schoolgate.cdx.json.new && mv build/schoolgate.cdx.json.new build/schoolgate.cdx.json
	@echo build/schoolgate.cdx.json

format: setup ## put the code in form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## speed beside peers on made traffic, names and octets checked (docs/benchmarks.md says how to read it)
	@$(BIN)/python -m tests.bench $(BENCH_ARGS)

asyncapi: setup ## make docs/asyncapi.yaml, the document of the topics, again
	@$(BIN)/python -m schoolgate.asyncapi > docs/asyncapi.yaml.new && mv docs/asyncapi.yaml.new docs/asyncapi.yaml

dashboards: setup ## make the Grafana dashboards again
	@$(BIN)/python -m dashboards.generate --out dashboards

screenshots: setup ## make the pictures of the README again (needs Chromium, or apt to fetch it)
	@$(BIN)/python -m tests.screenshots

fuzz: setup ## hostile octets for every dissector (FUZZ_ARGS="--seconds 60", "--executions 10000000", "--parser dns", "--guided", "--worst")
	@$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

bench-judge: setup ## events judged: stateless rules, a whole check, up to 2,000 devices (BENCH_ARGS="--times 1")
	@$(BIN)/python -m tests.bench.judge $(BENCH_ARGS)

bench-release: setup ## flows, octets and true cases that the release rule keeps, and its cost an event (docs/privacy.md)
	@$(BIN)/python -m tests.bench.release $(BENCH_ARGS)

bench-live: setup ## packets a second from a live interface, as root (BENCH_ARGS="--capture day.pcap --rates 500000")
	@$(BIN)/python -m tests.bench.live $(BENCH_ARGS)

bench-desk: setup ## the case desk over 10,000 cases, milliseconds a page (BENCH_ARGS="--cases 50000")
	@$(BIN)/python -m tests.bench.desk $(BENCH_ARGS)

bench-kafka: setup ## the Kafka way on a real broker, peers beside it (docs/benchmarks.md)
	@$(BIN)/python -m tests.bench.through_kafka $(BENCH_ARGS)

image-trial: setup ## build what the container images hold, without Docker, and run it (minutes)
	@$(BIN)/python -m tests.deployment.dry_build collector

sample: setup ## make the bundled sample school day again
	@$(BIN)/python -m rules.sample.generate --out rules/sample

# The second and the third never differ from the first: what is tested is what is shipped.
LOCK := uv pip compile --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11
lock: setup ## pin every dependency again, for tests, for images and for building them (needs uv)
	@$(LOCK) pyproject.toml --extra dev --upgrade -o requirements/dev.txt
	@$(LOCK) pyproject.toml --constraint requirements/dev.txt --upgrade -o requirements/runtime.txt
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  | $(LOCK) - --constraint requirements/dev.txt --upgrade -o requirements/build.txt

clean: ## remove everything that setup and the tests made
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find collector rules -name '*.so' -delete -o -name '*.c' -delete
	@find collector dashboards rules schoolgate tests -name __pycache__ -prune -exec rm -rf {} +
