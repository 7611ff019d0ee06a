# `make test` and `make demo` need nothing beforehand but make, and say what they install.

VENV   ?= .venv
PYTHON_IN_VENV = $(VENV)/bin/python
export VENV

# Empty until there is an integration; mypy objects to a folder without Python files.
INTEGRATIONS = $(wildcard integrations/pgpoolsafe_*)

.PHONY: help test test-oldest peers projects django-suite lab lab-ci lab-test oracle \
	settings-machine fuzz demo lint format wheel-check bench docs clean

help:
	@echo "make test         run the tests on a real PostgreSQL and a real PgBouncer"
	@echo "make test-oldest  the driver contract on the oldest supported versions"
	@echo "make projects     let the pytest plugin find what open-source projects do to sessions"
	@echo "make peers        psycopg's and SQLAlchemy's own tests, without the guard and with it"
	@echo "make lab          build the lab of poolers (root, Debian) and test all of them"
	@echo "make lab-ci       the same, but only test detection and settings"
	@echo "make lab-test     test them again"
	@echo "make django-suite run Django's own test suite on our backend, directly and through PgBouncer"
	@echo "make oracle       let PostgreSQL judge the reader by its own regression suite (Debian)"
	@echo "make settings-machine  look for programs that can tell a carried setting (PROGRAMS=20000)"
	@echo "make fuzz         look for texts that upset the reader (SECONDS=600)"
	@echo "make demo         see each hazard hurt a second client, and be stopped"
	@echo "make lint         ruff and mypy"
	@echo "make format       let ruff put files into shape"
	@echo "make wheel-check  build the wheel and use it in an empty environment"
	@echo "make bench        what the guard costs per statement"
	@echo "make docs         write the generated pages of docs/"
	@echo "make clean        remove the virtual environment and what was built"

# Each process has servers of its own: most tests wait for a server most of the time.
test:
	@scripts/setup.sh --servers test
	$(PYTHON_IN_VENV) -m pytest -q -n $(WORKERS) --dist loadfile $(ARGS)

WORKERS = 3

demo:
	@scripts/setup.sh --servers test
	@$(PYTHON_IN_VENV) -m examples.demo

lint:
	@scripts/setup.sh test lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy --strict src $(INTEGRATIONS)
	$(VENV)/bin/mypy --strict tests/servers examples scripts

format:
	@scripts/setup.sh test lint
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# The oldest versions of everything that is guarded: the driver contract holds on them too.
OLDEST = psycopg==3.2.0 psycopg-binary==3.2.0 psycopg_pool==3.2.0 "sqlalchemy[asyncio]==2.0.0" \
	psycopg2-binary==2.9.5 pg8000==1.30.1 asyncpg==0.29.0 \
	"django==4.2.*" "django-tenants<3.9"

test-oldest:
	@VENV=.venv-oldest scripts/setup.sh --servers test
	.venv-oldest/bin/python -m pip install -q $(OLDEST)
	.venv-oldest/bin/python -m pytest -q tests/drivers tests/integrations/django $(ARGS)

# Each project under the plugin, and behind a real PgBouncer; ARGS=--update records anew.
projects:
	@scripts/setup.sh --servers projects
	$(PYTHON_IN_VENV) -m tests.projects $(ARGS)

# The tests of what is guarded, in the versions that the baselines were recorded with. The
# PgBouncer that tracks prepared statements is the machine's, or else the lab's.
PEERS = "psycopg[binary]==3.3.9" psycopg_pool==3.3.3 "sqlalchemy[asyncio]==2.1.9"

peers:
	@VENV=.venv-peers scripts/setup.sh --servers test peers
	.venv-peers/bin/python -m pip install -q $(PEERS)
	PGPOOLSAFE_LAB=$(LAB) .venv-peers/bin/python -m tests.peers $(ARGS)

# Every pooler that Debian has, in every mode, before the oldest and the newest PostgreSQL.
LAB = $(abspath .lab)

LAB_TESTS = tests/integration/test_lab_*.py

lab:
	@PGPOOLSAFE_LAB=$(LAB) scripts/lab.sh
	@$(MAKE) --no-print-directory lab-test

# What CI has time for: what is said of each of them, and settings behind those that keep more.
lab-ci:
	@$(MAKE) --no-print-directory lab \
	    LAB_TESTS="$(addprefix tests/integration/test_lab_,detection.py settings.py)"

lab-test:
	@scripts/setup.sh test
	PGPOOLSAFE_LAB=$(LAB) $(PYTHON_IN_VENV) -m pytest -q $(LAB_TESTS) $(ARGS)

# The suite comes from Debian's source packages into .oracle and stays there.
oracle:
	@scripts/setup.sh --servers test
	$(PYTHON_IN_VENV) -m tests.oracle $(ARGS)

# Django's source distribution comes from PyPI into .django-suite and stays there.
django-suite:
	@scripts/setup.sh --servers test
	$(PYTHON_IN_VENV) -m pip install -q pyyaml tblib
	$(PYTHON_IN_VENV) -m tests.integrations.django.suite $(ARGS)

PROGRAMS = 20000

settings-machine:
	@scripts/setup.sh --servers test
	$(PYTHON_IN_VENV) -m tests.settings_machine --programs $(PROGRAMS) $(ARGS)

SECONDS = 600

fuzz:
	@scripts/setup.sh --servers test fuzz
	$(PYTHON_IN_VENV) -m tests.fuzz.target -max_total_time=$(SECONDS) -len_control=0 -max_len=600 \
		-timeout=20 $(ARGS) .fuzz

wheel-check:
	@scripts/setup.sh test
	@scripts/wheel-check.sh $(PYTHON_IN_VENV)

bench:
	@scripts/setup.sh --servers test
	$(PYTHON_IN_VENV) benchmarks/overhead.py $(ARGS)
	$(PYTHON_IN_VENV) benchmarks/footprint.py
	$(PYTHON_IN_VENV) benchmarks/classify.py $(ARGS)
	$(PYTHON_IN_VENV) benchmarks/settings.py $(ARGS)
	$(PYTHON_IN_VENV) benchmarks/pytest_plugin.py

docs:
	@scripts/setup.sh test
	$(PYTHON_IN_VENV) scripts/make_docs.py

clean:
	rm -rf $(VENV) .venv-oldest .venv-peers build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
