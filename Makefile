# The two commands of a fresh machine: `make run` and `make test`. Only Python 3.11 or newer is needed.
PYTHON ?= python3
BIN := .venv/bin
DATA ?=
DATA_FLAG := $(if $(DATA),--data $(DATA),)
CORPUS ?=
# The files of tests are shared out among the cores. One file alone: .venv/bin/python -m pytest tests/…
PARALLEL ?= -n auto --maxprocesses 4 --dist loadfile
# What to run instead of everything, one after another: make test ONLY="-k passkey"
ONLY ?=
WHICH = $(or $(ONLY),$(PARALLEL))
# Commands that the tests start keep their compiled modules, or each would compile all of them again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run demo test test-offline check bench compat setup setup-dev setup-torch model format lock clean help

help:           ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: setup      ## set up and start Intramuros; the address is printed
	@$(BIN)/intramuros init --if-needed $(DATA_FLAG)
	@$(BIN)/intramuros models pull starter --if-needed $(DATA_FLAG)
	@$(BIN)/intramuros serve $(DATA_FLAG)

demo: setup     ## the main job without a browser: sample documents, three questions, answers with pages
	@$(BIN)/intramuros demo

test: setup-dev model   ## every test: unit, integration, acceptance, faults, browser (skipped loudly without Chromium)
	$(BIN)/python -m pytest tests $(WHICH)

test-offline: setup-dev model   ## the same tests where no network can be reached but loopback
	$(BIN)/python scripts/without_network.py $(BIN)/python -m pytest tests $(WHICH)

check: setup-dev        ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests benchmarks scripts integrations
	$(BIN)/lint-imports

bench: setup-dev model  ## the numbers of the README; CORPUS=DIR adds search quality on that folder
	$(BIN)/python -m benchmarks $(if $(CORPUS),--corpus $(CORPUS),)

compat: setup-dev model ## how many cases of the official clients' own test suites pass (fetched from the registry once)
	$(BIN)/python -m benchmarks.compat

setup: .venv/.runtime

setup-dev: .venv/.dev

setup-torch: .venv/.torch     ## what runs models of safetensors files, for its tests: the first torch that pip finds, some 250 MB to several GB

model: .models/smollm2-135m.gguf

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Intramuros needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make run PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv || { echo "The venv module is missing. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@touch $@

.venv/.runtime: .venv/.python requirements.lock pyproject.toml
	@echo "Installing the packages (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	@echo "Installing the development packages (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

.venv/.torch: .venv/.dev
	@echo "Installing torch and transformers (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check transformers==5.24.0 llguidance==1.9.1
	@touch $@

.models/smollm2-135m.gguf: | .venv/.runtime
	@$(BIN)/python scripts/fetch_starter.py $@

format: setup-dev       ## put the code in its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:           ## renew the locked dependencies
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --group build --universal --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra keyring --group dev --universal --generate-hashes --no-emit-index-url --no-header --quiet -c requirements.lock -o requirements-dev.lock

clean:          ## remove what make made
	rm -rf .venv .models
