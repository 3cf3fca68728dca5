# `make demo` writes music, `make test` runs every test; both set up all they need in .venv.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/ready

.PHONY: help demo test lint clean

help:
	@echo "make demo   set up, train the demo model on the built-in corpus, write 4 pieces"
	@echo "make test   set up, check the style, run every test"
	@echo "make clean  remove the environment, runs, outputs and exports"

demo: $(READY)
	$(RUN) -m fractaljax.main --config=configs/demo.py --workdir=runs/demo
	$(RUN) -m fractaljax.sample --checkpoint=runs/demo --output=outputs/demo --num=4 --steps=512

test: $(READY) lint
	$(RUN) -m pytest

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

$(READY): setup.py
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV) runs outputs exports fractaljax.egg-info
