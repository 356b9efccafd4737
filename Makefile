# Two commands do everything on a fresh Debian machine: `make run` and `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
BUILD := build/dev
JOBS ?= $(shell n=$$(nproc); echo $$((n < 4 ? n : 4)))
PIP := $(PY) -m pip --disable-pip-version-check -q --no-python-version-warning
export PIP_NO_INPUT := 1
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

NATIVE_SOURCES := $(shell find cpp cuda python/bindings CMakeLists.txt pyproject.toml -type f)

.PHONY: help run test test-cpp test-python bench bench-build bench-native lint format setup wheel clean
help:
	@echo "make run    run the robot among people and write out/report.html"
	@echo "make test   build and run every test"
	@echo "make bench AREA=gp|mpc|belief|loop [JSON=out.json] [QUICK=1] [CASE=text]   measure beside the peers"
	@echo "make bench-native   build and run the C++ benchmarks"
	@echo "make lint   formatting, static analysis and types;   make format   mend the formatting"
	@echo "make wheel  one wheel into dist/;   make clean   remove everything built"

# --- set-up, incremental by stamps -----------------------------------------------------------------
$(VENV)/.python:
	@scripts/system_packages.sh python
	@echo "optcore: creating $(VENV)"
	@python3 -m venv $(VENV)
	@$(PIP) install -U pip
	@touch $@

$(VENV)/.tools: pyproject.toml | $(VENV)/.python
	@echo "optcore: installing Python packages"
	@$(PIP) install 'scikit-build-core>=0.11' 'pybind11>=3.0' 'cmake>=3.26' ninja \
	  numpy scipy psutil diskcache matplotlib
	@touch $@

$(VENV)/.native: $(NATIVE_SOURCES) | $(VENV)/.tools
	@echo "optcore: building the native core"
	@$(PIP) install --no-build-isolation --no-deps -e . -C build-dir=$(BUILD) \
	  -C cmake.define.OPTCORE_WERROR=$(if $(CI),ON,OFF) \
	  -C cmake.define.OPTCORE_CUDA=$(or $(OPTCORE_CUDA),AUTO)
	@touch $@

setup: $(VENV)/.tools $(VENV)/.native

$(VENV)/.test: pyproject.toml | $(VENV)/.tools
	@scripts/system_packages.sh test
	@$(PIP) install 'pytest>=8' 'hypothesis>=6' 'scikit-learn>=1.3' pytest-xdist
	@touch $@

$(VENV)/.lint: pyproject.toml | $(VENV)/.tools
	@$(PIP) install 'ruff>=0.6' 'mypy>=1.11' 'clang-format==18.*'
	@touch $@

$(VENV)/.peers: pyproject.toml scripts/install_peers.sh | $(VENV)/.tools
	@scripts/install_peers.sh $(PY)
	@touch $@

# --- the two commands ------------------------------------------------------------------------------
run: setup
	@mkdir -p out
	@$(VENV)/bin/optcore run --report out/report.html --json out/report.json

test: test-cpp test-python

test-cpp: setup $(VENV)/.test
	@cmake -S . -B build/cpu -G Ninja -DCMAKE_BUILD_TYPE=Release -DOPTCORE_TESTS=ON \
	  -DOPTCORE_CUDA=OFF -DOPTCORE_WERROR=$(if $(CI),ON,OFF) > build/cpu.log || { cat build/cpu.log; exit 1; }
	@cmake --build build/cpu -j $(JOBS)
	@ctest --test-dir build/cpu --output-on-failure -j $(JOBS)

test-python: setup $(VENV)/.test
	@$(PY) -m pytest -q -n $(JOBS)

# --- measuring, linting, packaging -----------------------------------------------------------------
bench: setup $(VENV)/.peers
	@$(if $(filter gp mpc belief,$(AREA)),$(MAKE) bench-build || echo "optcore: without the native benchmarks")
	@$(PY) benchmarks/compare.py $(AREA) $(if $(JSON),--json $(JSON)) $(if $(QUICK),--quick) \
	  $(if $(CASE),--case $(CASE))

bench-build: $(VENV)/.tools
	@scripts/system_packages.sh bench
	@cmake -S . -B build/bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DOPTCORE_BENCHMARKS=ON \
	  -DOPTCORE_CUDA=OFF > build/bench.log || { cat build/bench.log; exit 1; }
	@cmake --build build/bench -j $(JOBS)

bench-native: bench-build
	@found=$$(find build/bench/benchmarks/native -maxdepth 1 -type f -executable -name '*_bench'); \
	[ -n "$$found" ] || echo "optcore: no native benchmark is registered yet"; \
	for bench in $$found; do $$bench $(if $(FILTER),--benchmark_filter='$(FILTER)') \
	  --benchmark_min_time=$(if $(QUICK),0.05,0.5); done

CXX_SOURCES = $(shell git ls-files '*.hpp' '*.cpp' '*.cu' '*.cuh')
lint: setup $(VENV)/.lint
	@$(VENV)/bin/clang-format --dry-run -Werror $(CXX_SOURCES)
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

format: $(VENV)/.lint
	@$(VENV)/bin/clang-format -i $(CXX_SOURCES)
	@$(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format .

wheel: $(VENV)/.tools
	@$(PY) -m pip wheel --no-deps -w dist .

clean:
	rm -rf $(VENV) build dist out
