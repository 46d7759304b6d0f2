# Two commands do everything on a machine with Python 3.11, git, make and a C compiler:
#   make demo   install, run the shipped checkpoints, write demo/index.html
#   make test   install, lint, type-check, run the tests
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
CORPORA ?= corpora
RUNS ?= runs

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types tests leaderboard clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# Installed anew only when the metadata changes.
$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

install: $(VENV)/.installed ## a virtual environment in .venv with everything

demo: install ## run the shipped checkpoints on tiny corpora and write demo/index.html
	$(BIN)/zoo demo --out demo

test: install lint types tests ## what continuous integration runs

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

tests: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

leaderboard: install ## score every shipped checkpoint in full and rewrite benchmarks/
	$(BIN)/zoo bench shipped --corpora $(CORPORA) --runs $(RUNS)/shipped
	$(BIN)/zoo bench leaderboard --readme README.md
	$(BIN)/zoo bench site

clean: ## remove what the commands above made (not the virtual environment)
	rm -rf demo $(RUNS) $(CORPORA) .pytest_cache .mypy_cache .ruff_cache
