# Everything from a fresh clone: `make demo` and `make test` need no other step.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .local/venv/bin
STACK := $(VENV)/python -m local.stack
# Further arguments for pytest, for instance ARGS="-k switch -x"
ARGS ?=

.PHONY: help setup up status logs down clean demo drill pictures test lint format lock

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## install what is needed below .local/ (a second run is instant)
	@$(PYTHON) -m local.setup

up: setup ## start the stack: Postgres, Kafka, schema registry, Flink, Airflow
	@$(STACK) up
	@$(STACK) status

status: ## components, their state, ports and memory
	@$(STACK) status

logs: ## the end of every component's log (one: make logs ARGS="scheduler -f")
	@$(STACK) logs $(ARGS)

down: ## stop the stack; its data stays
	@if [ -x $(VENV)/python ]; then $(STACK) down; fi

clean: ## stop everything and remove .local/ with all data
	@if [ -x $(VENV)/python ]; then $(STACK) clean; fi
	@rm -rf .local

demo: setup ## one whole migration of the flights KPIs, in an empty world
	@$(STACK) reset
	@$(STACK) up
	@$(STACK) run -- python -m demo.run

drill: setup ## the demo while its servers and its driver are killed in turn
	@PYTHONPATH=plugins:. $(VENV)/python -m demo.drill

pictures: setup ## pictures of the demo's nights for the documentation (after make demo)
	@$(PYTHON) -m local.setup browser
	@./slipway report flights --observation > /dev/null
	@$(VENV)/python -m demo.pictures

test: setup ## all tests; they bring up a world of their own
	@$(PYTHON) -m local.setup browser
	@if $(STACK) is-up; then echo "stopping the stack of world main, to leave its memory to the tests; \
	make up brings it back"; $(STACK) down; fi
	@PYTHONPATH=plugins:. $(VENV)/python -m pytest $(ARGS)

lint: setup ## ruff, mypy, layer rules
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@PYTHONPATH=plugins:. $(VENV)/lint-imports

format: setup ## let ruff format and mend what it can
	@$(VENV)/ruff format .
	@$(VENV)/ruff check --fix .

lock: setup ## resolve the requirements.txt files from the requirements.in files
	@for file in requirements flink_jobs/requirements; do .local/boot/bin/uv pip compile --quiet --upgrade \
	--python-version 3.11 --no-header --no-annotate --no-emit-index-url $$file.in -o $$file.txt; done
