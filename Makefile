# Each target sets up what it needs: tools (scripts/deps.sh), libtorch (scripts/libtorch.sh), packages for the tests of the
# Python example (scripts/python.sh).
# A LIBTORCH from the environment wins over the one that the set-up makes.
ifeq ($(LIBTORCH),)
LIBTORCH := $(CURDIR)/.libtorch
endif
export LIBTORCH

TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help setup build demo test interop lint bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## check or install the tools, fetch libtorch (about 550 MB, once per machine)
	@scripts/deps.sh
	@scripts/libtorch.sh

build: setup ## release build: the program and its worker, target/release/trommel and trommel-torch
	cargo build --locked --release -p trommel -p trommel-torch

demo: build ## run the quickstart pipeline
	$(TARGET)/release/trommel run pipelines/quickstart.yaml

# The tests start the worker found beside the program, so both are built before. Lint and tests ask for the same targets
# and so for the same features of every dependency: build scripts (libtorch's C++ is the longest) run once for both.
test: lint ## formatting, lints, all tests
	@scripts/python.sh $(TARGET)/python
	cargo build --locked --workspace --bins --tests --examples
	cargo test --locked --workspace

interop: setup ## tests with Hugging Face datasets, webdataset and pyarrow (from PyPI, about 400 MB, in target/interop)
	@scripts/python.sh $(TARGET)/interop datasets==5.2.0 webdataset==1.0.2 pyarrow==26.0.1 pillow==13.0.0
	TROMMEL_INTEROP=1 cargo test --locked --workspace --test tests interop

# Takes about an hour and 10 GB below $(TARGET)/bench, which may be deleted; `python3 benches/run.py PROGRAM FOLDER CASE ..` runs some
# cases only. The case extract (PyTorch and transformers from PyPI) takes the most; TROMMEL_BENCH_DATA names its samples.
bench: setup ## benchmarks beside their peers (from PyPI, in an environment of their own), target/bench/results.json
	cargo build --locked --release -p trommel -p trommel-torch -p trommel-benches
	python3 benches/run.py $(TARGET)/release/trommel $(TARGET)/bench

lint: setup ## formatting and lints, warnings are errors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

clean: ## remove what was built, the link to libtorch and the quickstart's cache
	cargo clean
	rm -rf .trommel .libtorch
