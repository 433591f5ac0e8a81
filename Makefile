# Everything is started from here; Python 3.11 or newer and make are all it needs.
#   make run     set up, and start a server with a sample to watch
#   make test    set up, and run every check that CI runs
#   make check   lint, formatting, types and import rules only
#   make soak    crash matrices in full, and a broadcast of an hour        make bench   measurements
PYTHON ?= python3
BIN := .venv/bin
PLAYER := $(shell find player -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -name '*.pyc' 2>/dev/null)
# The player and the judges run on the Node that comes with the development packages.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup run test check tools judges soak bench clean

setup: .make/setup

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "Python's venv module is incomplete: on Debian or Ubuntu, apt-get install python3-venv"; exit 1; }

.make/setup: pyproject.toml hatch_build.py $(PLAYER) | .venv/bin/python
	@mkdir -p .make
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

.make/player: player/package-lock.json .make/setup
	@if ! [ player/node_modules/.package-lock.json -nt player/package-lock.json ]; \
		then npm --prefix player ci --no-audit --no-fund --loglevel=error; fi
	@touch $@

judges: setup
	@$(BIN)/python -c 'from tests.judges.install import install; install()'

# Programs that the tests use beside Python and Node; those that are missing are installed where that is allowed.
tools:
	@.ci/tools

run: setup
	$(BIN)/streamer demo

check: setup .make/player
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	npm --prefix player run check

# Browsers get the machine for themselves: a stall that a neighbour causes is no finding.
test: setup tools judges check
	npm --prefix player test
	$(BIN)/pytest --numprocesses 3 --dist worksteal --ignore=tests/browser
	$(BIN)/pytest tests/browser

soak: setup judges
	@.ci/tools soak
	SOAK=1 $(BIN)/pytest -m soak --timeout=3600

bench: setup tools
	@for file in bench/*.py; do case $$file in */_*) ;; *) \
		echo "== $$file"; $(BIN)/python -m bench.$$(basename $$file .py) || exit 1;; esac; done

clean:
	rm -rf .venv .make build dist player/dist player/node_modules tests/judges/node_modules
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
