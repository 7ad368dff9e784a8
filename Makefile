# What a person types. Each word works on a fresh machine: it makes .venv and installs what is missing.
#
#   make demo        everything on this machine, with simulated scales   (ARGS="--port 9000 --fresh")
#   make test        all that CI runs, with the minute of fuzz for each reader
#   make test-fast   checks, and the tests that need neither minutes nor a browser
#   make check       format, lint, types, import contracts
#   make fuzz        a minute of bent bytes for each reader of foreign bytes (FUZZ_S=600 FUZZ_SEED=7)
#   make faults      the whole product broken on purpose in every way, and judged (FAULTS_S=3600 FAULTS_SEED=7)
#   make bench       numbers, each beside a plain way of doing the same in the same run (some 15 min)
#   make pictures    the README's pictures of the wall, taken from the running demo
#   make lock        pin the newest allowed versions again (needs uv)
#   make clean       forget the environment and the caches; the demo's data is kept

VENV := .venv
BIN := $(VENV)/bin
# The first that is new enough; say PYTHON=… for another.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$name; break; fi; done)
UV ?= uv
FUZZ_S ?= 60
FUZZ_SEED ?= 1
FAULTS_S ?= 3600
FAULTS_SEED ?=
ARGS ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo test test-fast check fuzz faults bench pictures lock browser clean
help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/demo.stamp
	@$(BIN)/binline demo $(ARGS)

# Apart, because the browser's driver keeps an event loop in its process for good, and because the
# system tests pull plugs and watch how fast all settles: nothing else runs beside them. The minute
# of fuzz for each reader comes as soon as the fast tests have passed.
test: test-fast fuzz browser
	$(BIN)/python -m pytest -n auto -m slow
	$(BIN)/python -m pytest -n auto -m browser
	$(BIN)/python -m pytest -m system

test-fast: check
	$(BIN)/python -m pytest -n auto -m "not system and not browser and not slow"

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What it finds is kept in tests/fuzz/corpus and tried first from then on. worksteal: the readers that
# take a minute must not all wait behind each other in one process.
fuzz: $(VENV)/dev.stamp
	BINLINE_FUZZ_S=$(FUZZ_S) BINLINE_FUZZ_SEED=$(FUZZ_SEED) \
		$(BIN)/python -m pytest -n auto --dist worksteal tests/fuzz

# Each fault alone, whatever that takes, then random pairs until the time is over.
faults: $(VENV)/dev.stamp
	$(BIN)/python -m tests.faults all --seconds $(FAULTS_S) $(if $(FAULTS_SEED),--seed $(FAULTS_SEED))

bench: $(VENV)/dev.stamp
	$(BIN)/python -m tests.benchmarks.poll_modbus
	$(BIN)/python -m tests.benchmarks.spool
	$(BIN)/python -m tests.benchmarks.drain
	$(BIN)/python -m tests.benchmarks.modbus_gateway
	$(BIN)/python -m tests.benchmarks.reconnects --real
	$(BIN)/python -m tests.benchmarks.ingest
	$(BIN)/python -m tests.benchmarks.follow
	$(BIN)/python -m tests.benchmarks.parameters
	$(BIN)/python -m tests.benchmarks.breaches
	$(BIN)/python -m tests.benchmarks.reads
	$(BIN)/python -m tests.benchmarks.kpis --hours
	$(BIN)/python -m tests.benchmarks.cases

pictures: $(VENV)/dev.stamp browser
	$(BIN)/python -m tests.browser.pictures

# The browser tests drive Chromium. Without it they are skipped, and say so.
browser:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get install --yes --no-install-recommends chromium \
		|| { apt-get update && apt-get install --yes --no-install-recommends chromium; } \
		|| echo "!!! CHROMIUM COULD NOT BE INSTALLED: the browser tests will be skipped"; \
	else echo "!!! NO CHROMIUM: the browser tests will be skipped. Do: sudo apt-get install chromium"; fi

# No --upgrade: what is locked stays, unless pyproject.toml asks for something else.
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header pyproject.toml --extra demo
lock:
	printf 'hatchling\neditables\n' | $(LOCK) - --output-file requirements-demo.lock
	$(LOCK) --group dev --output-file requirements-dev.lock
	@! grep -n '://' requirements-demo.lock requirements-dev.lock

clean:
	rm -rf $(VENV) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "Binline needs Python 3.11 or newer, and found none."; \
		echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv) or say make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make an environment: it lacks ensurepip."; \
		echo "Do: apt-get install python3-venv   (or the -venv package of your Python's version)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The stamps make the second time instant; a changed lock file or project makes them stale.
$(VENV)/%.stamp: requirements-%.lock pyproject.toml | $(BIN)/python
	@echo "Installing what is needed into $(VENV) (once) …"
	@$(PIP) install --quiet --retries 2 --require-hashes -r $< || { \
		echo; echo "The packages could not be installed; the reason is above."; \
		echo "If the package registry cannot be reached from here:"; \
		echo "  behind a proxy    HTTPS_PROXY=http://proxy:3128 make $(MAKECMDGOALS)"; \
		echo "  with a mirror     PIP_INDEX_URL=https://mirror/simple make $(MAKECMDGOALS)"; \
		echo "  without network   elsewhere: pip download -r $< -d wheels; then here:"; \
		echo "                    PIP_NO_INDEX=1 PIP_FIND_LINKS=wheels make $(MAKECMDGOALS)"; exit 1; }
	@$(PIP) install --quiet --no-build-isolation --no-deps -e .
	@touch $@
