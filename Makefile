# `make demo`: the main job on the embedded gateway simulator. `make test`: everything that CI runs.
# Both fetch what they need; Rust, a C compiler, make, pkg-config and Python 3 with pip must be there.

NEXTEST_VERSION := 0.9.143
RUNTIME := --no-default-features --features runtime
export CARGO_TERM_COLOR ?= auto

.PHONY: help demo test prepare native nextest fmt lint unit rehearse clean

help:
	@sed -n 's/^# //p' Makefile | head -n 2

demo: native
	@scripts/demo.sh

test: prepare fmt lint unit rehearse
	@echo "all checks passed"

prepare: native nextest

native:
	@scripts/native.sh

nextest:
	@cargo nextest --version >/dev/null 2>&1 || { \
	  echo "installing cargo-nextest (once, some minutes)" >&2; \
	  CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	  cargo install --locked --quiet cargo-nextest --version $(NEXTEST_VERSION); }

fmt:
	cargo fmt --check

lint: native
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets $(RUNTIME) -- -D warnings

unit: native nextest
	INSTA_UPDATE=no cargo nextest run --locked
	INSTA_UPDATE=no cargo nextest run --locked $(RUNTIME)

# the demo with the binary of the tests
rehearse: native
	cargo build --locked --quiet
	EVL=target/debug/evl scripts/demo.sh

clean:
	cargo clean
