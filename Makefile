# Two commands do everything on a fresh Debian machine: `make run` and `make test`.
.DEFAULT_GOAL := help
.NOTPARALLEL:  # steps follow one another, also under make -j; each uses JOBS processors itself
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
BUILD := build/dev
REPORTS := build/reports
JOBS ?= $(shell n=$$(nproc); echo $$((n < 4 ? n : 4)))
PIP := $(PY) -m pip --disable-pip-version-check -qq --no-python-version-warning
export PIP_NO_INPUT := 1
export PIP_ROOT_USER_ACTION := ignore
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
CUDA := $(or $(OPTCORE_CUDA),AUTO)
WERROR := $(if $(CI),ON,OFF)

find_sources = $(shell find $(1) -type f \( -name '*.[ch]pp' -o -name '*.cu' -o -name '*.cuh' \))
NATIVE_SOURCES := CMakeLists.txt pyproject.toml $(shell find cpp cuda python/bindings -type f)
CXX_SOURCES = $(call find_sources,cpp cuda python/bindings tests benchmarks)

.PHONY: help run test test-cpp test-python bench bench-build bench-native lint tidy format coverage
.PHONY: setup native wheel clean
help:
	@echo "make run    run the robot among people and write out/report.html"
	@echo "make test   build and run every test (make test-cpp, make test-python: one half)"
	@echo "make bench AREA=gp|mpc|belief|loop|workbench|optimize|firmware [JSON=out.json] [QUICK=1] [CASE=text]   measure beside peers"
	@echo "make bench-native   build and run the C++ benchmarks"
	@echo "make lint   formatting, static analysis and types;   make format   mend the formatting"
	@echo "make wheel  one wheel into dist/, checked;   make coverage   lines reached by the tests"
	@echo "make clean  remove everything built"

# --- set-up, incremental by stamps -----------------------------------------------------------------
# What the goals need from Debian is named at once: the Python step, and the C++ tests' libraries.
STEPS := python $(if $(filter test test-cpp coverage,$(MAKECMDGOALS)),test)

$(VENV)/.python:
	@scripts/system_packages.sh $(STEPS)
	@echo "optcore: making a virtual environment in $(VENV)"
	@python3 -m venv $(VENV)
	@$(PIP) install -U pip
	@touch $@

$(VENV)/.tools: pyproject.toml | $(VENV)/.python
	@echo "optcore: installing Python packages (build tools, NumPy, SciPy, Matplotlib)"
	@$(PIP) install 'scikit-build-core>=0.11' 'pybind11>=3.0' 'cmake>=3.26' ninja \
	  numpy scipy psutil diskcache matplotlib
	@touch $@

$(VENV)/.native: $(NATIVE_SOURCES) | $(VENV)/.tools
	@echo "optcore: building the native core with $(JOBS) processes"
	@$(PIP) install --no-build-isolation --no-deps -e . -C build-dir=$(BUILD) \
	  -C cmake.define.OPTCORE_WERROR=$(WERROR) -C cmake.define.OPTCORE_CUDA=$(CUDA)
	@touch $@

setup: $(VENV)/.tools $(VENV)/.native

$(VENV)/.test: pyproject.toml | $(VENV)/.tools
	@scripts/system_packages.sh test firmware
	@echo "optcore: installing the test tools (pytest, Hypothesis, libraries that tests compare with)"
	@$(PIP) install 'pytest>=8' pytest-xdist 'hypothesis>=6' 'redis>=6' 'hiredis>=3' \
	  'scikit-learn>=1.6' 'gymnasium[classic-control,toy-text]>=1' hmmlearn piqp qpsolvers \
	  hdrhistogram line-profiler memray opentelemetry-sdk prometheus-client py-spy \
	  pyperf pytest-benchmark ruptures distributed 'httpx>=0.27' pyyaml starlette uvicorn \
	  platformio idf-component-manager
	@touch $@

$(VENV)/.lint: pyproject.toml | $(VENV)/.tools
	@echo "optcore: installing the linters"
	@$(PIP) install 'ruff==0.17.6' 'mypy==2.4.1' 'clang-format==18.1.8'
	@touch $@

$(VENV)/.peers: pyproject.toml scripts/install_peers.sh | $(VENV)/.tools
	@scripts/system_packages.sh bench
	@echo "optcore: installing the libraries to compare with"
	@scripts/install_peers.sh $(PY)
	@touch $@

# --- the two commands ------------------------------------------------------------------------------
run: setup
	@mkdir -p out
	@$(VENV)/bin/optcore run --report out/report.html --json out/report.json

# Both halves run even when the first fails; the summary is the last line.
test: setup $(VENV)/.test
	@rm -rf $(REPORTS)
	@status=0; \
	$(MAKE) test-cpp || status=1; \
	$(MAKE) test-python || status=1; \
	$(PY) scripts/test_summary.py $(REPORTS) || status=1; \
	exit $$status

# The tests are built in the folder the extension was built in: the kernels are compiled once.
native: setup $(VENV)/.test
	@echo "optcore: building the C++ tests"
	@cmake -S . -B $(BUILD) -DOPTCORE_TESTS=ON -DOPTCORE_WERROR=$(WERROR) -DOPTCORE_CUDA=$(CUDA) \
	  > $(BUILD)/configure.log 2>&1 || { cat $(BUILD)/configure.log; exit 1; }
	@cmake --build $(BUILD) -j $(JOBS) -- --quiet

test-cpp: native
	@mkdir -p $(REPORTS)/gtest
	@GTEST_OUTPUT=xml:$(CURDIR)/$(REPORTS)/gtest/ ctest --test-dir $(BUILD) -j $(JOBS) \
	  --output-on-failure --progress --output-junit $(CURDIR)/$(REPORTS)/ctest.xml

test-python: setup $(VENV)/.test
	@mkdir -p $(REPORTS)
	@$(PY) -m pytest -q -n $(JOBS) --junit-xml=$(REPORTS)/pytest.xml

# --- measuring, linting, packaging -----------------------------------------------------------------
bench: setup $(VENV)/.peers
	@$(if $(filter gp mpc belief loop,$(AREA)),$(MAKE) bench-build || echo "optcore: without the native benchmarks")
	@$(PY) benchmarks/compare.py $(AREA) $(if $(JSON),--json $(JSON)) $(if $(QUICK),--quick) \
	  $(if $(CASE),--case $(CASE))

bench-build: $(VENV)/.tools
	@scripts/system_packages.sh bench
	@mkdir -p build
	@cmake -S . -B build/bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DOPTCORE_BENCHMARKS=ON \
	  -DOPTCORE_CUDA=OFF > build/bench.log || { cat build/bench.log; exit 1; }
	@cmake --build build/bench -j $(JOBS) -- --quiet

bench-native: bench-build
	@found=$$(find build/bench/benchmarks/native -maxdepth 1 -type f -executable -name '*_bench'); \
	[ -n "$$found" ] || echo "optcore: no native benchmark is registered yet"; \
	for bench in $$found; do $$bench $(if $(FILTER),--benchmark_filter='$(FILTER)') \
	  --benchmark_min_time=$(if $(QUICK),0.05,0.5); done

lint: setup $(VENV)/.lint
	@scripts/lint.sh $(CXX_SOURCES)

tidy: native
	@scripts/tidy.sh $(BUILD) $(JOBS)

format: $(VENV)/.lint
	@$(VENV)/bin/clang-format -i $(CXX_SOURCES)
	@$(VENV)/bin/ruff check -q --fix . ; $(VENV)/bin/ruff format -q .

coverage: setup $(VENV)/.test
	@scripts/coverage.sh $(PY) $(JOBS)

wheel: $(VENV)/.tools
	@scripts/check_wheel.sh $(PY)

clean:
	rm -rf $(VENV) build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis
