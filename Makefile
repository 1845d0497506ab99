# `make repro` on a fresh machine makes the environment, builds the recipe and prints how the models
# compare. Written for GNU Make 3.81 (macOS) and later.

# The Python that makes .venv: 3.11 or later. `make repro PYTHON=...` names another one.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# The `python` of dvc.yaml's commands is the one of .venv.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Threads that wait by spinning take the processor from those that work.
export OMP_WAIT_POLICY := PASSIVE
export TOKENIZERS_PARALLELISM := false

.PHONY: repro test test-all test-browser diff plots ui screenshots recipe recipes lint

repro: .venv/ready  ## build what params.yaml says, and compare the models
	$(BIN)/tunegraph check
	$(BIN)/dvc repro
	$(BIN)/tunegraph show
	@echo
	@echo 'report.html shows all of it; `make ui` lets you ask the models'

test: .venv/ready  ## the fast tier
	$(BIN)/python -m pytest

test-all: .venv/ready  ## the slow tier too; what needs a GPU, a network or a browser stays out
	$(BIN)/python -m pytest -m "not gpu and not network and not browser"

test-browser: .venv/ready  ## report and chat window in a real Chromium (TUNEGRAPH_CHROMIUM names it)
	$(BIN)/python -m pytest -m browser

diff: .venv/ready  ## `dvc metrics diff` from each model to the next one of the stack
	$(BIN)/tunegraph diff

plots: .venv/ready  ## all charts of this build in one page that opens offline
	$(BIN)/tunegraph plots

ui: .venv/ready  ## a chat window with every model, at 127.0.0.1
	$(BIN)/tunegraph ui

screenshots: .venv/ready  ## docs/screenshots, from this build, by a real Chromium
	$(BIN)/python bench/screenshots.py

recipe: .venv/ready  ## make recipe NAME=emoji [FULL=1]: switch to another recipe
	$(BIN)/tunegraph recipe use "$(NAME)" $(if $(FULL),--full)

# NAME: these only; BUT: all but these; WRITE=1: their figures go into recipes/*/README.md;
# SHRUNKEN=1: bases of a few steps.
recipes: .venv/ready  ## build every recipe in a clone of its own (NAME="emoji profiles" WRITE=1)
	$(BIN)/python bench/recipes.py $(NAME) $(if $(WRITE),--write) $(if $(SHRUNKEN),--shrunken) \
	  $(if $(BUT),--but $(BUT))

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# torch goes first, alone: pinned, pip takes the build that is at hand for this machine.
.venv/ready: requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is not Python 3.11 or later; make PYTHON=<path of one>" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $@
