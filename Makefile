# Each target sets up the virtual environment by itself, once. PYTHON and VENV may be overridden.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO ?= configs/Demo/SLOWFAST_DEMO.yaml

.PHONY: help install demo test lint bench
help:
	@echo "make demo | test | lint | bench   (PYTHON=$(PYTHON) VENV=$(VENV))"

$(STAMP): setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[test]'
	touch $@

install: $(STAMP)

demo: $(STAMP)
	$(BIN)/videonet data demo --out data/demo
	$(BIN)/python tools/run_net.py --cfg $(DEMO)
	@$(BIN)/python tools/demo_line.py $(DEMO)

test: $(STAMP)
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(STAMP)
	$(BIN)/videonet bench data --cfg $(DEMO)
	$(BIN)/videonet bench model --cfg $(DEMO)
	$(BIN)/videonet bench eval --share 0.1
