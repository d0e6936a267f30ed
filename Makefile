# Every target needs only python3 (3.11 to 3.13) and make: .venv is built when it is missing or
# when pyproject.toml has changed since.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

# Slow or busy package mirrors should delay an install, not break it.
export UV_HTTP_TIMEOUT ?= 300
export UV_HTTP_RETRIES ?= 8

.DEFAULT_GOAL := help
.PHONY: help demo ui test lint

help:
	@echo "make demo   retouch a portrait, look into ./freckle-demo"
	@echo "make ui     the chat page, on this machine only"
	@echo "make test   style, types and tests"
	@echo "make lint   style and types alone"

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 8 --timeout 60 uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable '.[test]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/freckle demo

ui: $(INSTALLED)
	$(BIN)/freckle ui

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/mypy

# Two processes of one thread each: what one waits for, the other computes meanwhile. A file's tests
# share its fixtures, so they stay together.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile
