# Set-up, demonstration, tests. Each target does all it needs from nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/installed

.PHONY: setup demo test check format docs clean

setup: $(DONE)

$(DONE): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[train,page,dev,docs]'
	touch $@
	@$(BIN)/python -m ddnn.bench.record

demo: setup
	$(BIN)/ddnn demo

test: setup
	$(BIN)/python -m pytest -q -n auto -m "not process and not study"
	$(BIN)/python -m pytest -q -n 2 -m process
	$(BIN)/python -m pytest -q -n 2 -m study

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup
	$(BIN)/python docs/fill.py build/docs
	$(BIN)/zensical build --clean --strict

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
