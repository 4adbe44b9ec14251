# What can be done here? `make` alone lists it. Needs git, make and Python 3.11; the rest is installed
# into .venv, node_modules and static/vendor, from locks, and only when it is missing or has changed.

PORT ?= 8000
PYTHON ?= $(firstword $(shell command -v python3.11 2>/dev/null) $(shell command -v python3 2>/dev/null))
PY := .venv/bin/python
INSTALL := -m pip --disable-pip-version-check --no-input install -qq --require-hashes --only-binary :all:
# One package comes as source only; it is built with the setuptools of our own lock, not with whatever is newest.
FROM_SOURCE := --no-binary flask-principal --no-build-isolation --use-pep517
MESSAGES := $(wildcard translations/*/LC_MESSAGES/*.po)

MAKEFLAGS += --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: help run test test-long check fix bench coverage diagrams words lock clean

help: ## list what can be done
	@echo "make run [PORT=8000] [FRESH=1]   serve the demo town, web and scheduler; FRESH=1 builds it anew"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | grep -v '^run:' | awk -F ':.*## ' '{printf "make %-27s %s\n", $$1, $$2}'

run: .venv/.run static/vendor/uswds/.installed .venv/.messages ## serve the demo town, web and scheduler
	@echo "Starting on port $(PORT) (Ctrl-C ends it)"
	@exec $(PY) demo.py serve --port $(PORT) $(if $(FRESH),--fresh)

test: .venv/.test static/vendor/uswds/.installed .venv/.messages ## install what is missing, PostgreSQL and Chromium too, and run everything
	@$(PY) tools/provide.py
	@$(PY) tools/check.py --complete

check: .venv/.test static/vendor/uswds/.installed .venv/.messages ## the same with what this machine has: no journeys, PostgreSQL only where it is
	@$(PY) tools/check.py

test-long: .venv/.test static/vendor/uswds/.installed .venv/.messages ## the nightly counts: every byte, every kill point, many races; not part of make test
	@$(PY) tools/provide.py
	@$(PY) tools/check.py --long

fix: .venv/.test ## format, and mend what the linter can mend by itself
	@$(PY) -m ruff check --fix --quiet . || true
	@$(PY) -m ruff format .

bench: .venv/.test ## measure (SIZE=full: by hand, some hours); JSON lines, and a table in benchmarks/results/
	@$(PY) tools/bench.py $(BENCH)

coverage: .venv/.test static/vendor/uswds/.installed .venv/.messages ## run the tests and hold branch coverage against its gates
	@$(PY) tools/provide.py
	@$(PY) tools/coverage_gates.py

diagrams: .venv/.run ## draw docs/states/ from the tables in the code
	@$(PY) tools/state_diagrams.py

words: .venv/.test ## put new words into the Spanish catalogue, to be translated there
	@mkdir -p var
	@$(PY) -m babel.messages.frontend -q extract --mapping-file babel.cfg --keywords _l --keywords lazy_ngettext:1,2 --keywords said --keywords number_of:1,2 --no-location --sort-output \
	  --output-file var/words.pot .
	@$(PY) -m babel.messages.frontend -q update --input-file var/words.pot --output-dir translations --no-fuzzy-matching \
	  --ignore-obsolete --ignore-pot-creation-date --width 120

lock: .venv/.test ## resolve requirements/*.in and package.json anew
	@$(PY) tools/lock.py

clean: ## remove what was installed here; the demo's data stay in var/
	rm -rf .venv node_modules static/vendor .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# --- what is installed, each with a stamp that is younger than its lock ----------------------------

.venv/.made:
	@test -n "$(PYTHON)" || { echo "Python 3.11 is missing: install it, or say PYTHON=/path/to/python3.11."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Say PYTHON=/path/to/python3.11."; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing: on Debian, apt-get install python3-venv."; exit 1; }
	@touch $@

.venv/.run: .venv/.made requirements/build.txt requirements/run.txt
	@echo "Installing what the program needs (requirements/run.txt)"
	@$(PY) $(INSTALL) -r requirements/build.txt
	@$(PY) $(INSTALL) $(FROM_SOURCE) -r requirements/run.txt
	@touch $@

.venv/.test: .venv/.run requirements/test.txt
	@echo "Installing what the tests need (requirements/test.txt)"
	@$(PY) $(INSTALL) $(FROM_SOURCE) -r requirements/test.txt
	@touch $@

# Without a Node.js of the machine's own, npm comes from PyPI into a place of its own.
static/vendor/uswds/.installed: package-lock.json tools/copy_uswds.py | .venv/.made
	@command -v npm >/dev/null 2>&1 || test -x .venv/node/bin/npm || { \
	  echo "Installing npm (requirements/node.txt)" && $(PYTHON) -m venv .venv/node && \
	  .venv/node/bin/python $(INSTALL) -r requirements/node.txt; }
	@echo "Installing the front end's files (package-lock.json)"
	@PATH="$$PATH:$$PWD/.venv/node/bin" npm ci --ignore-scripts --loglevel=error >/dev/null
	@$(PY) tools/copy_uswds.py
	@touch $@

.venv/.messages: $(MESSAGES) | .venv/.run
	@$(if $(MESSAGES),echo "Compiling translations" && $(PY) -m babel.messages.frontend compile --directory translations 2>/dev/null)
	@touch $@
