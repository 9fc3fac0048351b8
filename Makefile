# Everything a developer does, from a fresh clone with nothing but Python 3.11 and make.
#   make demo    quantize the model that ships, prove it, show the table      make test      the tests but for the slowest
#   make check   lint, format, types, imports, wheel contents                 make test-all  every test
#   make format  let ruff lay out the code                                    make bench     edgeq against its peer, on the model zoo
#   make fuzz    random files for every command (RUNS=20000 SEED=7)           make floors   the demo with the lowest versions that are allowed
#   make docs    the documentation site, in build/site                        make clean   remove what the others made
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LEARN := $(VENV)/.learn
SITE := $(VENV)/.site
EDGEQ_ZOO ?= $(abspath ../shared/zoo)
# folders of further models for `make bench`: NAME.onnx with NAME.calib.npz and NAME.eval.npz; skipped where there are none
EDGEQ_STRANGERS ?= strangers
EDGEQ_ARCHS ?= archs
# pinned versions, in the environment of isolated builds too (older and newer pip read another name)
export PIP_CONSTRAINT := $(abspath constraints.txt)
export PIP_BUILD_CONSTRAINT := $(PIP_CONSTRAINT)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check format docs bench fuzz floors clean

help:
	@sed -n '2,6p' Makefile

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "edgeq needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-input -e '.[dev]'
	touch $@

# what `edgeq finetune` needs is large: it comes with the tests alone
$(LEARN): $(STAMP)
	$(BIN)/python -m pip install --quiet --no-input -e '.[dev,learn]'
	touch $@

# the site, and what executes the notebooks
$(SITE): $(LEARN)
	$(BIN)/python -m pip install --quiet --no-input -e '.[dev,learn,docs]'
	touch $@

demo: $(STAMP)
	$(BIN)/edgeq demo --force

# two processes, each of which takes one file of tests after the other: half of the time
test: $(LEARN)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow'

test-all: $(LEARN)
	$(BIN)/python -m pytest

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	rm -rf build dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist . > /dev/null
	$(BIN)/check-wheel-contents dist

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# strictly: a link that leads nowhere is an error
docs: $(SITE)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(STAMP)
	@test -f '$(EDGEQ_ZOO)/evaluate.py' || { echo 'make bench needs the model zoo, which is not at $(EDGEQ_ZOO).'; \
	  echo 'Set EDGEQ_ZOO to its folder, or compare a model of your own: $(BIN)/python -m benchmarks.peers.one_model --help'; exit 2; }
	EDGEQ_ZOO='$(EDGEQ_ZOO)' $(BIN)/python -m benchmarks.peers.zoo --json bench.json --rows benchmarks/figures/rows/zoo.csv
	$(BIN)/python -m benchmarks.peers.folder '$(EDGEQ_STRANGERS)' --group strangers --rows benchmarks/figures/rows/strangers.csv
	$(BIN)/python -m benchmarks.peers.folder '$(EDGEQ_ARCHS)' --group archs --rows benchmarks/figures/rows/archs.csv
	$(BIN)/python -m benchmarks.scale.growth --json scale.json
	$(BIN)/python -m benchmarks.figures.quality_latency
	$(BIN)/python -m benchmarks.peers.zoo --markdown bench.json > bench.md

RUNS ?= 250
SEED ?= 1
# which writing commands are killed at every point (tests/fuzz/kill_points.py); `make fuzz KILL=` kills all of them
KILL ?= init calibrate
fuzz: $(LEARN)
	$(BIN)/python -m tests.fuzz --runs $(RUNS) --seed $(SEED)
	$(BIN)/python -m tests.fuzz.kill_points $(KILL)

# In an environment of its own for each Python of 3.11 to 3.14 that is here: exactly the lower bounds of pyproject.toml (extras
# [report] and [tflite] too), then the demo, the help, and the tests of the words. Not the lower bound of torch in [learn]: of its
# builds without CUDA only the newest can be had from everywhere. Not [backends]: its packages have few versions, for few machines.
floors:
	PIP_CONSTRAINT= PIP_BUILD_CONSTRAINT= $(PYTHON) .ci/floors.py

clean:
	rm -rf $(VENV) .ci-venv .floors-venv build dist *.egg-info edgeq-demo bench.json bench.md scale.json .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
