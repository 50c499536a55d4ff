#!/usr/bin/env bash
# Runs every fuzz target (or those named) for SECONDS_EACH seconds, 60 by default, from the site's own files.
# Needs nightly Rust and cargo-fuzz (`cargo install cargo-fuzz`).
set -euo pipefail
cd "$(dirname "$0")"
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(policy format manifest waivers profile inventory plan bundle state feed)
evl=${EVL:-../target/release/evl}
[ -x "$evl" ] || { echo "error: build evl first (\`cargo build --release\`), or name it: EVL=path fuzz/run.sh" >&2; exit 2; }
for target in "${targets[@]}"; do
  corpus=corpus/$target
  mkdir -p "$corpus"
  case $target in
    policy | format) cp site/site.evl ../policies/*.evl "$corpus" ;;
    manifest | waivers) cp site/evl.yaml "$corpus" ;;
    profile) cp ../policies/profiles/*/*.yaml "$corpus" ;;
    inventory) cp site/inventory/*.yaml "$corpus" ;;
    plan) "$evl" plan site --from 2026-07-14T12:00 --state site/state.json -o "$corpus/plan.json" ;;
    bundle) "$evl" build site -o "$corpus/site.bundle" ;;
    state) cp site/state.json "$corpus" ;;
    feed) cp site/data/*.csv "$corpus" ;;
    *) echo "error: no target \`$target\`" >&2; exit 2 ;;
  esac
  cargo +nightly fuzz run --fuzz-dir . "$target" -- -max_total_time="${SECONDS_EACH:-60}" -timeout=10 -rss_limit_mb=2048
done
