#!/usr/bin/env bash
# Fetches the solvers (Z3, HiGHS) and libclang as pinned wheels and unpacks them into .native/, without root.
set -euo pipefail
cd "$(dirname "$0")/.."
need() { command -v "$1" >/dev/null 2>&1 || { echo "error: \`$1\` is missing" >&2; echo "hint: install $2, then run this again" >&2; exit 2; }; }
need python3 "Python 3 (Debian: apt install python3 python3-pip)"
need cc "a C compiler (Debian: apt install build-essential)"
need make "GNU make (Debian: apt install make)"
need pkg-config "pkg-config (Debian: apt install pkg-config)"
python3 -m pip --version >/dev/null 2>&1 || { echo "error: Python has no \`pip\`" >&2; echo "hint: install it (Debian: apt install python3-pip), then run this again" >&2; exit 2; }
case "$(uname -s)-$(uname -m)" in Linux-x86_64) ;; *) echo "error: no pinned solver wheels for $(uname -s) on $(uname -m)" >&2; echo "hint: build on Linux x86_64, or build the \`runtime\` feature alone, which needs no solver" >&2; exit 2;; esac
want=$(cksum < scripts/requirements.txt)
[ "$(cat .native/stamp 2>/dev/null || true)" = "$want" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "fetching the solvers (about 70 MB, once)" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 --platform manylinux2010_x86_64 \
  --require-hashes -r scripts/requirements.txt -d "$work" \
  || { echo "error: the solver wheels could not be fetched" >&2; echo "hint: check that pip reaches its package index" >&2; exit 2; }
rm -rf .native && mkdir -p .native
for wheel in "$work"/*.whl; do python3 -m zipfile -e "$wheel" "$work/unpacked"; done
mv "$work/unpacked/z3" .native/z3
mv "$(dirname "$(find "$work/unpacked" -path '*highs_dist/lib' -type d | head -n 1)")" .native/highs_dist
mv "$(find "$work/unpacked" -path '*/clang' -type d | head -n 1)" .native/clang
ln -sf libz3.so .native/z3/lib/libz3.so.5.4
pc=.native/highs_dist
sed -i -e 's|^prefix=.*|prefix=${pcfiledir}/../..|' -e 's|^libdir=.*|libdir=${prefix}/lib|' -e 's|^includedir=.*|includedir=${prefix}/include/highs|' "$pc/lib/pkgconfig/highs.pc"
printf '%s' "$want" > .native/stamp
