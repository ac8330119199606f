# The environment lies in .venv; everything else is named in `make help`.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
EMULATOR_PORT ?= 8090
SECONDS ?= 600
JOBS ?= 3
BINARIES ?= $(VENV)/cluster

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one:  make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: install
install: $(VENV)/.installed ## Make the environment: locked dependencies, checked by hash, and the broker

.PHONY: run
run: install ## Try it: Valkey, the Canvas emulator and the broker on 127.0.0.1 (PORT=8080)
	@exec $(BIN)/broker demo --port $(PORT) --emulator-port $(EMULATOR_PORT)

.PHONY: test
test: install ## Pass all tests, JOBS=3 files at once
	$(BIN)/pytest -n $(JOBS) --dist loadfile

.PHONY: unit
unit: install ## Pass the tests that need no socket, in seconds
	$(BIN)/pytest -m "not sockets"

.PHONY: check
check: install ## What CI runs: format, lint, types, all tests, documentation checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) --no-print-directory test

.PHONY: format
format: install ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: lock
lock: install ## Pin the dependencies anew, with hashes
	$(BIN)/uv pip compile $(LOCK) -o requirements.lock
	$(BIN)/uv pip compile $(LOCK) --extra dev -o requirements-dev.lock

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml

.PHONY: redis-servers
redis-servers: install ## Try the Redis servers that Debian and PyPI bring (ten minutes; apt-get, amd64)
	$(BIN)/python -m tests.redis.servers

.PHONY: chaos
chaos: install ## Break processes, Redis and Canvas for SECONDS=600, and report (SEED= repeats a run)
	$(BIN)/python -m tests.chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

.PHONY: bench
bench: install ## Measure speed and memory beside another build (AGAINST=604beab; QUICK=1: only right answers)
	$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(AGAINST),--against $(AGAINST))

.PHONY: image
image: ## Build the container image by Docker, Podman or buildah (BASE=, TAG=, ENGINE=)
	@image/build

.PHONY: image-pin
image-pin: ## Pin the container image's base by its digest, or renew that (skopeo or Docker, a registry; BASE=)
	@image/pin

.PHONY: chart
chart: install ## Check the Helm chart: lint, schemas, Pod Security, refusals, alert rules, package
	$(BIN)/pytest tests/chart

.PHONY: chart-e2e
chart-e2e: install ## Try the chart on a real API server (the first time Go builds one, in minutes)
	.ci/kubernetes $(BINARIES)
	$(BIN)/python -m tests.cluster --binaries $(BINARIES)

.PHONY: node-e2e
node-e2e: install ## Try the chart on a real node, under load (root, Debian; ONLY=, KEEP=1)
	.ci/node $(BINARIES)
	$(BIN)/python -m tests.node --binaries $(BINARIES) $(if $(KEEP),--keep) $(ONLY)
