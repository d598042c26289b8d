# EduPulse: every task by one verb. `make demo` and `make test` need nothing but Python 3.11.
PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
# TORCH=cuda takes the CUDA build of PyTorch; anything else the CPU build.
TORCH ?= cpu
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
STAMP := $(VENV)/.installed-$(TORCH)
ARGS ?=

.PHONY: help setup demo run test lint bench clean
help:
	@echo "make setup | demo [ARGS=--no-serve] | run | test | lint | bench"

setup: $(STAMP)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else "EduPulse needs Python 3.11; $(PYTHON) is %d.%d. Install 3.11 or name it: make PYTHON=/path/to/python3.11" % v)' \
	  || { command -v $(PYTHON) >/dev/null || echo "EduPulse needs Python 3.11 and '$(PYTHON)' is not to be found. Install it or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(VENV)/bin/python requirements/base.txt requirements/dev.txt requirements/torch.txt requirements/constraints.txt
	$(PIP) install --quiet --requirement requirements/dev.txt
ifeq ($(TORCH),cuda)
	$(PIP) install --quiet --constraint requirements/constraints.txt --requirement requirements/torch.txt
else
	@# The CPU build has an index of its own; where it cannot be reached, the configured one serves.
	$(PIP) install --quiet --no-deps --retries 0 --timeout 20 --index-url $(TORCH_CPU_INDEX) --requirement requirements/torch.txt 2>/dev/null \
	  || { echo "The index of CPU builds cannot be reached; taking PyTorch from the configured index."; \
	       $(PIP) install --quiet --no-deps --requirement requirements/torch.txt; }
	$(PIP) install --quiet --constraint requirements/constraints.txt --requirement requirements/torch.txt
endif
	@rm -f $(VENV)/.installed-*
	@touch $@

demo: setup
	$(RUN) manage.py migrate --verbosity 0
	$(RUN) manage.py demo $(ARGS)

run: setup
	$(RUN) manage.py migrate --verbosity 0
	$(RUN) manage.py serve $(ARGS)

test: setup
	@if [ "$$CI" = "true" ] && { [ -z "$$DATABASE_URL" ] || [ -z "$$REDIS_URL" ]; }; then \
	  echo "CI runs the suite on PostgreSQL and Redis too: set DATABASE_URL and REDIS_URL."; exit 1; fi
	@# Uploads, models and the SQLite file of a run live in a folder of its own.
	env -u DATABASE_URL -u REDIS_URL EDUPULSE_VAR_DIR=$$(mktemp -d) $(RUN) -m pytest $(ARGS)
	@if [ -n "$$DATABASE_URL" ]; then EDUPULSE_VAR_DIR=$$(mktemp -d) SECRET_KEY=for-tests-alone-and-long-enough $(RUN) -m pytest $(ARGS); fi

lint: setup
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mypy .

bench: setup
	$(RUN) -m bench $(or $(ARGS),path)

clean:
	rm -rf var
