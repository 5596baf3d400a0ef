# The whole developer interface. `make run` and `make test` need nothing but a Debian machine with Python 3.11.
PYTHON ?= $(shell command -v python3)
VENV := .venv
BIN := $(VENV)/bin
GOLDEN ?= tests/golden/cases
RUNS ?= 20000
TIME ?= 0

.PHONY: run test unit lint docs golden bench fuzz integration faults abuse clean

run: $(VENV)/run
	$(BIN)/gatepost demo

test: $(VENV)/dev
	scripts/test $(TESTS)

unit: $(VENV)/dev
	scripts/test unit

lint: $(VENV)/dev
	$(BIN)/ruff check src tests scripts bench
	$(BIN)/ruff format --check src tests scripts bench
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/dev
	$(BIN)/python scripts/parameters_page.py
	$(BIN)/python scripts/services_page.py

golden: $(VENV)/dev
	GOLDEN='$(GOLDEN)' OPTIONS='$(OPTIONS)' scripts/test golden

bench: $(VENV)/dev
	scripts/bench $(BENCH)

fuzz: $(VENV)/fuzz
	nice $(BIN)/python -m tests.fuzz $(CORE) --runs $(RUNS) --seconds $(TIME)

$(VENV)/run: pyproject.toml
	scripts/venv $(PYTHON) $(VENV) .
	@touch $@

$(VENV)/dev: pyproject.toml
	scripts/venv $(PYTHON) $(VENV) '.[dev]'
	@touch $@ $(VENV)/run

# atheris has wheels for Linux only; without it Hypothesis chooses the inputs.
$(VENV)/fuzz: pyproject.toml | $(VENV)/dev
	scripts/venv $(PYTHON) $(VENV) '.[dev,fuzz]' || echo "no atheris here: Hypothesis it is"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
