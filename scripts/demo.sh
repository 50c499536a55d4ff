#!/usr/bin/env bash
# The main job on examples/harbor-office with the embedded gateway simulator. Called by `make demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet --locked
evl=target/release/evl
"$evl" --version
site=examples/harbor-office
if [ -d "$site" ]; then
  "$evl" check "$site"
fi
