# Two commands do everything on a fresh machine: `make demo` and `make test`. Both arrange what they need first.

SHELL := /bin/bash
.DEFAULT_GOAL := help

CARGO ?= cargo
# `CLIPPY=scripts/lint.sh` builds on what the tests have built.
CLIPPY ?= $(CARGO) clippy --locked --workspace --all-targets -- -D warnings
export GRANARY_BIN ?= $(CURDIR)/target/release/granary
# Compiled WebAssembly is shared between the demo, the tests and the benchmarks: it depends on content alone.
export GRANARY_CACHE_DIR ?= $(CURDIR)/target/granary-cache

# Where the machine has no Postgres server, the set-up unpacks one there; one of the machine comes first.
export PATH := $(PATH):$(CURDIR)/.granary/postgres/bin

.PHONY: help setup build demo test test-groovy test-javascript test-trackers lint bench bench-belts bench-transforms bench-stream bench-collector kill-test harvest-test faults simulate fmt

help: ## Show what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Arrange toolchains, the Python runtime component and Postgres; does nothing when all is there
	@scripts/setup.sh

build: setup ## Build target/release/granary
	@echo "build: the engine and its tools (the first time takes some minutes)"
	@$(CARGO) build --release --locked --workspace --bins
	@scripts/share.sh
	@target/release/granary compile-runtimes
	@echo "build: target/release/granary"

demo: build ## Run the live-segment guide with 10,000 events; KEEP=1 leaves it running
	@KEEP=$(KEEP) target/release/demo

test: ## Run every test against the real binary, a real Postgres and the real runtime; arranges them first
	@scripts/test.sh

test-trackers: setup ## Run Snowplow's own trackers, the browser's in Chromium, against the engine; arranges them first
	@GRANARY_TEST_BROWSER=1 GRANARY_BIN=$(CURDIR)/target/debug/granary $(CARGO) nextest run --locked --workspace --all-targets \
		-E 'binary(e2e) & test(trackers::)' --no-capture

test-groovy: ## Run the tests of the Groovy interpreter and of its runtime component
	@CARGO_TARGET_DIR=$(CURDIR)/target/groovy $(CARGO) test --locked --manifest-path guest-sdk/groovy/Cargo.toml
	@CARGO_TARGET_DIR=$(CURDIR)/target/groovy $(CARGO) test --locked --manifest-path guest-sdk/groovy-runtime/Cargo.toml

test-javascript: ## Run the tests of the runtime of JavaScript transforms
	@CARGO_TARGET_DIR=$(CURDIR)/target/transforms $(CARGO) test --locked --manifest-path guest-sdk/scriptable/Cargo.toml
	@CARGO_TARGET_DIR=$(CURDIR)/target/transforms $(CARGO) test --locked --manifest-path guest-sdk/javascript-transform/Cargo.toml

lint: ## Formatting, clippy and licences
	@$(CARGO) fmt --all --check
	@$(CLIPPY)
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --locked check bans licenses sources; \
	else echo "lint: cargo-deny is not installed, licences not checked (cargo install cargo-deny --locked)"; fi

bench: build ## Print the figures; QUICK=1 for a smoke run
	@QUICK=$(QUICK) target/release/bench

bench-belts: build ## Print the figures of belts in each language; QUICK=1 for a smoke run
	@scripts/guests.sh
	@QUICK=$(QUICK) target/release/bench --belts

bench-transforms: build ## Print the figures of transforms in each language; QUICK=1 for a smoke run
	@scripts/guests.sh
	@QUICK=$(QUICK) target/release/bench --transforms

bench-stream: build ## Print the figures of the stream layer; QUICK=1 for a smoke run
	@QUICK=$(QUICK) target/release/bench --stream

harvest-test: build ## Put a million records through a harvester of which a thousand fail, then audit the dead letters
	@target/release/harvest

bench-collector: build ## Print the figures of the collector (13 minutes); QUICK=1 for a smoke run
	@QUICK=$(QUICK) target/release/bench --collector

kill-test: build ## Kill the engine 20 times while 20,000 events are posted, then audit every write
	@target/release/kill

faults: build ## Let engine, Postgres, Fluvio and disk fail under load and audit every write; goes on where it was interrupted; FRESH=1 starts anew, ONLY=kills,stops SCALE=0.02 SEED=n
	@target/release/faults $(if $(FRESH),--fresh) $(if $(ONLY),--only $(ONLY)) $(if $(SCALE),--scale $(SCALE)) \
		$(if $(SEED),--seed $(SEED))

simulate: setup ## Run log, stages and commits on SEEDS=1000 fresh simulated schedules; SEED=n runs one again, BUG=name plants a bug
	@SEEDS=$(SEEDS) SEED=$(SEED) BUG=$(BUG) $(CARGO) run --locked --quiet --example simulate

fmt: ## Format everything
	@$(CARGO) fmt --all
