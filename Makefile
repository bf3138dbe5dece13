# For newcomers: `make demo` and `make test`. Both create .venv first, with the torch that PYTHON has, else with $(TORCH).
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
READY := $(VENV)/concord-is-ready

.PHONY: demo test test-all lint

demo: $(READY)
	$(BIN)/concord demo

test: $(READY)
	$(BIN)/concord test

test-all: $(READY)
	$(BIN)/concord test -m "slow or not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/pyright

# The constraint keeps pip from replacing a torch that is there (perhaps built for this machine's GPU) with another.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $$($(PYTHON) -c 'import torch' 2>/dev/null && echo --system-site-packages) $(VENV)
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install $(TORCH)
	$(BIN)/python -c 'import torch; print("torch==" + torch.__version__)' > $(VENV)/torch.txt
	$(BIN)/python -m pip install --quiet --constraint $(VENV)/torch.txt --editable '.[headless,dev]'
	touch $@
