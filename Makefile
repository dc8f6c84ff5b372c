# Everything a developer does here. `make` alone lists it. Needs GNU make and Python 3.11 or newer, nothing else.
# A setting is an environment variable or is given on the command line: `make up API_PORT=8100`.

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
PACKAGES := libs/common libs/cli services/api services/processor services/webhook-dispatcher services/dashboard services/sdk
PROJECTS := $(PACKAGES:%=%/pyproject.toml)
# One after the other the tests leave two cores idle for most of the time: they wait for servers to start, for leases and
# retries to fall due. So as many run at once as there are cores, each process with servers of its own.
JOBS := $(shell getconf _NPROCESSORS_ONLN)
PYTHONS := $(if $(PYTHON),$(PYTHON),python3.14 python3.13 python3.12 python3.11 python3)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11

.DEFAULT_GOAL := help
.PHONY: help up demo test soak crash webhook-chaos check fix fuzz docs bench bench-slow lock clean
MAKEFLAGS += --no-print-directory

##@ Run it
up: $(STAMPS)/local ## Run the whole gateway on this machine, until Ctrl-C
	@$(BIN)/gateway up

demo: $(STAMPS)/local ## Take a payment through its whole life and check every step (FAST=1 for short delays)
	@$(BIN)/gateway demo $(if $(FAST),--fast)

##@ Work on it
test: $(STAMPS)/dev ## Run every test and print the coverage (ARGS="-k name" for some, JOBS=1 for one at a time)
	@$(BIN)/pytest --numprocesses $(JOBS) --dist worksteal --cov --cov-report=term:skip-covered $(ARGS)

soak: $(STAMPS)/dev ## Drive the gateway and its model side by side for long (STEPS=20000 SEED=1)
	@SOAK_STEPS=$(or $(STEPS),20000) SOAK_SEED=$(or $(SEED),1) $(BIN)/pytest --show-capture=no -k agree_after_every_step \
		tests/integration/api/test_state_machine.py

crash: $(STAMPS)/dev ## Kill processors at every step for long (KILLS=1000 SEED=1, LEASE=15 for the default lease)
	@CRASH_KILLS=$(or $(KILLS),1000) CRASH_SEED=$(or $(SEED),1) CRASH_LEASE=$(or $(LEASE),0) $(BIN)/pytest --show-capture=no \
		tests/integration/processor/test_crash_matrix.py

webhook-chaos: $(STAMPS)/dev ## Kill dispatchers, Redis and PostgreSQL under webhooks (EVENTS=100000 KILLS_EVERY=5 SEED=1)
	@CHAOS_EVENTS=$(or $(EVENTS),100000) CHAOS_KILLS_EVERY=$(or $(KILLS_EVERY),5) CHAOS_SEED=$(or $(SEED),1) \
		CHAOS_PER_SECOND=$(or $(PER_SECOND),300) $(BIN)/pytest --show-capture=no \
		tests/integration/webhook_dispatcher/test_no_loss.py

check: $(STAMPS)/dev ## Check format, lint, types, import rules and tidy rules
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest --quiet tests/architecture

fix: $(STAMPS)/dev ## Format, and fix what the linter can fix
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

fuzz: $(STAMPS)/dev ## Try the API against its OpenAPI document with many more generated requests than `make test` does
	@API_FUZZ_EXAMPLES=$(or $(API_FUZZ_EXAMPLES),300) $(BIN)/pytest -s tests/integration/api/test_contract.py $(ARGS)

docs: $(STAMPS)/dev ## Write docs/errors.md anew from the tree of errors
	@$(BIN)/python -m gateway_api.errors_page > docs/errors.md

bench: $(STAMPS)/dev ## Measure what creating and processing a payment and delivering a webhook cost, and a million rows
	@$(BIN)/python -m bench.create_payment
	@$(BIN)/python -m bench.process_payments
	@$(BIN)/python -m bench.deliver_webhooks
	@$(BIN)/python -m bench.million_payments

bench-slow: $(STAMPS)/dev ## Measure waiting payments, a backlog, and webhooks: isolation, lateness, replay (25 minutes)
	@$(BIN)/python -m bench.waiting_payments
	@$(BIN)/python -m bench.backlog
	@$(BIN)/python -m bench.isolation
	@$(BIN)/python -m bench.million_deliveries
	@$(BIN)/python -m bench.replay_webhooks

##@ Housekeeping
lock: $(STAMPS)/dev ## Write requirements/*.txt anew from requirements/*.in (ARGS="--upgrade" for newer versions)
	@test -x $(BIN)/uv || $(PIP) install uv
	@cd requirements && for name in services local dev; do echo "requirements/$$name.txt"; \
		../$(COMPILE) $(ARGS) $$name.in --output-file $$name.txt || exit 1; done

clean: ## Remove the virtual environment, the data of the local stack, and caches
	@rm -rf $(VENV) .data .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find libs services tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## Show this
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST); echo

# The stamps say what is installed, so that it is installed again only when the requirements or a package changed.
# The requirement files name every package there is to install, so pip is to choose nothing (--no-deps): asked to resolve,
# it takes `coverage[toml]`, which pytest-cov names, for another package than the pinned `coverage`, and refuses the newest
# release as not pinned, on the day one appears. `pip check` then says whether anything is missing.
$(STAMPS)/%: requirements/%.txt $(PROJECTS) | $(STAMPS)/venv
	@echo "Installing requirements/$*.txt into $(VENV)"
	@$(PIP) install --no-compile --no-deps --require-hashes -r $<
	@$(PIP) install --no-compile --no-deps --no-build-isolation $(PACKAGES:%=-e ./%)
	@$(PIP) check
	@touch $@

$(STAMPS)/venv:
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then exit; fi; \
	python=; for candidate in $(PYTHONS); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer is needed, and none of these is: $(PYTHONS). Install it, or set PYTHON to its path." >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python can't make virtual environments: install its venv module (on Debian: apt-get install python3-venv)." >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@
