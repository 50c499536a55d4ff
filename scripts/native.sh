#!/usr/bin/env bash
# Fetches the solvers (Z3, HiGHS) and libclang as pinned wheels and unpacks them into .native/, without root.
set -euo pipefail
cd "$(dirname "$0")/.."
stop() { echo "error: $1" >&2; echo "hint: $2" >&2; exit 2; }
need() { command -v "$1" >/dev/null 2>&1 || stop "\`$1\` is missing" "install $2, then run this again"; }

need cargo "Rust (https://rustup.rs)"
need cc "a C compiler (Debian: apt install build-essential)"
need make "GNU make (Debian: apt install make)"
need pkg-config "pkg-config (Debian: apt install pkg-config)"
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) ;;
  *) stop "no pinned solver wheels for $(uname -s) on $(uname -m)" \
       "build on Linux x86_64, or build the \`runtime\` feature alone, which needs no solver" ;;
esac

want=$(cat scripts/requirements.txt scripts/native.sh scripts/lazy.sh | cksum)
[ "$(cat .native/stamp 2>/dev/null || true)" = "$want" ] && exit 0

need python3 "Python 3 (Debian: apt install python3 python3-pip)"
python3 -m pip --version >/dev/null 2>&1 \
  || stop "Python has no \`pip\`" "install it (Debian: apt install python3-pip), then run this again"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "fetching the solvers (about 70 MB, once)" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 --platform manylinux2010_x86_64 \
  --require-hashes -r scripts/requirements.txt -d "$work" \
  || stop "the solver wheels could not be fetched" "check that pip reaches its package index, then run this again"
for wheel in "$work"/*.whl; do python3 -m zipfile -e "$wheel" "$work/unpacked"; done

# everything is put together aside, so that an interrupted run leaves no half-filled folder behind
new=$work/native
mkdir "$new"
mv "$work/unpacked/z3" "$new/z3"
mv "$(dirname "$(find "$work/unpacked" -path '*highs_dist/lib' -type d | head -n 1)")" "$new/highs_dist"
mv "$(find "$work/unpacked" -path '*/clang' -type d | head -n 1)" "$new/clang"
# each solver is linked through a small library that loads it at its first call
mv "$(readlink -f "$new/z3/lib/libz3.so")" "$work/libz3"
rm -f "$new"/z3/lib/libz3.so*
mv "$work/libz3" "$new/z3/lib/libz3.so.5.4"
scripts/lazy.sh "$new/z3/lib/libz3.so.5.4" Z3_ "$new/z3/lib/libz3.so"
mv "$(readlink -f "$new/highs_dist/lib/libhighs.so")" "$new/highs_dist/lib/libhighs_full.so"
scripts/lazy.sh "$new/highs_dist/lib/libhighs_full.so" Highs_ "$new/highs_dist/lib/libhighs.so"
# the wheel's file names the machine on which it was made; its own place is what counts
sed -i -e 's|^prefix=.*|prefix=${pcfiledir}/../..|' -e 's|^libdir=.*|libdir=${prefix}/lib|' \
  -e 's|^includedir=.*|includedir=${prefix}/include/highs|' "$new/highs_dist/lib/pkgconfig/highs.pc"
printf '%s' "$want" > "$new/stamp"
rm -rf .native
mv "$new" .native
