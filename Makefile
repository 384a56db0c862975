# `make` lists the targets. A fresh Debian 12 with root, python3 and make has all that they start from.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
ENGINE ?= 20.10
SECONDS ?= 600
WORKERS ?= 2
PARSERS ?=
PYTEST_FLAGS ?=
WEAVER ?=

RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
PYTEST := $(RUN) -m pytest $(PYTEST_FLAGS)

.PHONY: help
help: ## lists the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: venv
venv: $(INSTALLED) ## makes .venv with weave and the tools of its developers

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo 'installing the module venv of python3'; \
	    apt-get -q update </dev/null; \
	    DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install python3-venv </dev/null; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

.PHONY: needs
needs: ## installs what kernel tests, lab and demo need of the system
	@$(PYTHON) tests/lab/needs.py

.PHONY: check
check: venv ## formatting, lint, types
	$(RUN) -m ruff format --check weave_cli tests
	$(RUN) -m ruff check weave_cli tests
	$(RUN) -m mypy

.PHONY: unit surface sim
unit: venv ## tests of one room each
	$(PYTEST) tests/unit
surface: venv ## tests of the command tree, completions and import arrows
	$(PYTEST) tests/surface
sim: venv ## tests with many routers in one process
	$(PYTEST) tests/sim

.PHONY: night
night: venv ## a thousand lives of whole routers, where sim has fifty; minutes
	$(PYTEST) tests/sim/test_router_cores.py --sim-seeds 1000

.PHONY: kernel lab
kernel: venv needs ## tests with network namespaces; root
	$(PYTEST) tests/kernel
lab: venv needs ## tests with several Docker hosts; root; ENGINE=20.10, 26.1 or 28.5
	$(PYTEST) tests/lab --engine $(ENGINE)

.PHONY: interop
interop: venv needs ## tests beside the Go router WEAVER=/path/to/weaver; root
	WEAVER=$(WEAVER) $(PYTEST) tests/interop

.PHONY: test
test: needs check ## everything that must hold before a change goes in; root
	$(PYTEST) -n $(WORKERS) --dist loadfile tests/unit tests/surface tests/sim tests/kernel tests/lab --engine $(ENGINE)

.PHONY: demo
demo: venv needs ## two Docker hosts, the example of README.md, and its ping; root
	@$(RUN) -m tests.lab.demo --engine $(ENGINE)

.PHONY: bench
bench: venv needs ## measurements, as ratios to a baseline of the same run; root
	@for file in tests/bench/bench_*.py; do \
	    $(RUN) -m "tests.bench.$$(basename "$$file" .py)"; done

.PHONY: fuzz
fuzz: venv ## gives every parser bad octets for SECONDS=600 each; PARSERS='gob dns' chooses
	$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[fuzz]'
	$(RUN) -m tests.fuzz --seconds $(SECONDS) $(PARSERS)

.PHONY: completions
completions: venv ## writes the scripts in completions/ anew
	$(RUN) -m weave_cli.commands.completion completions

.PHONY: reference
reference: venv ## writes docs/commands.md and docs/output.md anew
	$(RUN) -m weave_cli.commands.reference docs/commands.md
	$(RUN) -m weave_cli.output.reference docs/output-v1 docs/output.md

.PHONY: clean
clean: ## removes .venv and what tools left behind
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find weave_cli tests -name __pycache__ -type d -prune -exec rm -rf {} +
