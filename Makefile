# DGL has wheels for Python 3.11 at most; later ones run on the PyTorch engine.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test test-matrix lint docs figures notebooks fuzz audit clean

demo: $(STAMP)
	$(BIN)/python -m zoo.inspect zoo/examples/1a8o.cif.gz
	$(BIN)/python -m zoo.build --seq esm2_650m --struct gvp --fusion global

test: $(STAMP) lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -q

lint: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

# Hours: a hundred thousand files for each reader; what fails lies in build/fuzz.
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --executions 100000

# Hours and gigabytes: the suite on the oldest and newest libraries and on later Pythons.
test-matrix: $(STAMP)
	$(BIN)/pip install -qq --disable-pip-version-check uv
	$(BIN)/python -m tests.matrix

audit: $(STAMP)
	-$(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt pip-audit
	$(BIN)/python -m tests.audit

docs: $(STAMP)
	$(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open build/site/index.html"

# A few minutes. Two of the pictures need a Chromium, and stay as they are without one.
figures: $(STAMP)
	$(BIN)/python docs/_pictures.py

# Some minutes: runs all notebooks, and keeps in them what they print and draw.
notebooks: $(STAMP)
	$(BIN)/python docs/_notebooks.py

$(STAMP): setup.py constraints.txt
	@echo "setting up $(VENV): a few minutes, once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev,hpo]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
