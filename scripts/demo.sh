#!/usr/bin/env bash
# The main job on examples/harbor-office with the embedded gateway simulator, called by `make demo`:
# check, test, build, plan, verify, apply, status; then a register that takes no value, and the undo.
# `EVL=path scripts/demo.sh` uses a binary that is built already. The site is copied and its gateways moved
# to ports that are free, so that nothing else on this computer is in the way.
set -euo pipefail
cd "$(dirname "$0")/.."
example=examples/harbor-office from=2026-07-22T00:00-07:00 now=2026-07-22T09:05:00-07:00
if [ -z "${EVL:-}" ]; then
  echo "building evl (release)" >&2
  cargo build --release --quiet --locked
  EVL=target/release/evl
fi
work=$(mktemp -d) sim=
finish() { [ -z "$sim" ] || kill "$sim" 2>/dev/null || true; rm -rf "$work"; }
trap finish EXIT
times=()
site=$work/site
cp -r "$example" "$site"
port=$(python3 scripts/free_ports.py "$site"/inventory/plant.yaml)

# step NAME EXITS COMMAND..: runs it, keeps its output in NAME.out and NAME.err, demands one of the exit codes
step() {
  local name=$1 exits=$2 begun ended status=0
  shift 2
  begun=$(date +%s%N)
  "$@" >"$work/$name.out" 2>"$work/$name.err" || status=$?
  ended=$(date +%s%N)
  times+=("$name $(( (ended - begun) / 1000000 ))")
  if [[ " $exits " != *" $status "* ]]; then
    echo "error: \`$name\` ended in $status:" >&2
    cat "$work/$name.out" "$work/$name.err" >&2
    exit 1
  fi
  echo "  $name: done in $(( (ended - begun) / 1000000 )) ms"
}

# simulate FAULT..: (re)starts the gateways of the inventory on this computer
simulate() {
  if [ -n "$sim" ]; then kill "$sim"; wait "$sim" 2>/dev/null || true; fi
  : >"$work/sim"
  "$EVL" sim --bundle "$work/site.bundle" --inventory "$site/inventory" --port "$port" --log "$@" >"$work/sim" &
  sim=$!
  for _ in $(seq 200); do
    grep -q '"ready"' "$work/sim" && return
    kill -0 "$sim" 2>/dev/null || break
    sleep 0.05
  done
  echo "error: the simulator did not start on the ports from $port upwards" >&2
  exit 1
}

field=(--inventory "$site/inventory" --now "$now" --json)
echo "$("$EVL" --version), $example"
step check 0 "$EVL" check "$site" --format json
step test 0 "$EVL" test "$site"
step build 0 "$EVL" build "$site" -o "$work/site.bundle"
step plan "0 3" "$EVL" plan "$site" --from "$from" --state "$site/state.json" -o "$work/plan.json" --json
step verify 0 "$EVL" verify "$work/plan.json" --site "$site"
simulate
step dry-run 0 "$EVL" apply "$work/plan.json" --state-dir "$work/host" --dry-run --once "${field[@]}"
step apply 0 "$EVL" apply "$work/plan.json" --state-dir "$work/host" --yes --once "${field[@]}"
cp "$work/sim" "$work/writes"
echo "  now the battery's register takes no value any more"
simulate --fault '{"device": "pack", "point": "discharge_rate", "kind": "stuck"}'
step undo "4 5" "$EVL" apply "$work/plan.json" --state-dir "$work/other-host" --yes --once "${field[@]}"
printf '%s\n' "${times[@]}" >"$work/times"
python3 scripts/summary.py "$work"
