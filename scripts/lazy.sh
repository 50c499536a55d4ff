#!/usr/bin/env bash
# Makes a small library with the functions of a large one, which it loads at the first call:
#   lazy.sh REAL PREFIX OUT
# REAL lies in the folder of OUT; its functions that begin with PREFIX are passed on. Loading both
# solvers takes 7 ms, which verbs that ask neither need not pay. x86_64 Linux only.
set -euo pipefail
real=$1 prefix=$2 out=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nm -D --defined-only "$real" | awk -v p="^$prefix" '$2 == "T" && $3 ~ p { print $3 }' | LC_ALL=C sort > "$work/names"
[ -s "$work/names" ] || { echo "error: \`$real\` has no functions that begin with \`$prefix\`" >&2; exit 2; }
{
  cat <<'HEAD'
  .section .note.GNU-stack,"",@progbits
  .text
# entered with the function's number in r11: keeps every argument register, fills the table, goes on
resolve_and_go:
  push %rbp
  mov %rsp, %rbp
  and $-16, %rsp
  sub $192, %rsp
  mov %rdi, 0(%rsp)
  mov %rsi, 8(%rsp)
  mov %rdx, 16(%rsp)
  mov %rcx, 24(%rsp)
  mov %r8, 32(%rsp)
  mov %r9, 40(%rsp)
  mov %rax, 48(%rsp)
  movups %xmm0, 64(%rsp)
  movups %xmm1, 80(%rsp)
  movups %xmm2, 96(%rsp)
  movups %xmm3, 112(%rsp)
  movups %xmm4, 128(%rsp)
  movups %xmm5, 144(%rsp)
  movups %xmm6, 160(%rsp)
  movups %xmm7, 176(%rsp)
  mov %r11, %rdi
  call resolve
  mov %rax, %r11
  mov 0(%rsp), %rdi
  mov 8(%rsp), %rsi
  mov 16(%rsp), %rdx
  mov 24(%rsp), %rcx
  mov 32(%rsp), %r8
  mov 40(%rsp), %r9
  mov 48(%rsp), %rax
  movups 64(%rsp), %xmm0
  movups 80(%rsp), %xmm1
  movups 96(%rsp), %xmm2
  movups 112(%rsp), %xmm3
  movups 128(%rsp), %xmm4
  movups 144(%rsp), %xmm5
  movups 160(%rsp), %xmm6
  movups 176(%rsp), %xmm7
  leave
  jmp *%r11
HEAD
  awk '{ printf "  .globl %s\n  .type %s, @function\n%s:\n  mov table+%d(%%rip), %%r11\n  test %%r11, %%r11\n  je 1f\n  jmp *%%r11\n1: mov $%d, %%r11d\n  jmp resolve_and_go\n", $1, $1, $1, 8 * (NR - 1), NR - 1 }' "$work/names"
} > "$work/entries.S"
{
  cat <<'HEAD'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
static const char *const names[] = {
HEAD
  sed 's/.*/"&",/' "$work/names"
  cat <<HEAD
};
#define REAL "$(basename "$real")"
HEAD
  cat <<'HEAD'
#define COUNT (sizeof names / sizeof *names)
__attribute__((visibility("hidden"))) void *table[COUNT];
static void *load(const char *name) {
  /* opening the same library again returns the same handle, so threads may race here */
  void *library = dlopen(REAL, RTLD_NOW | RTLD_LOCAL);
  void *function = library ? dlsym(library, name) : NULL;
  if (!function) {
    fprintf(stderr, "error: the solver library `%s` cannot be loaded: %s\n", REAL, dlerror());
    exit(2);
  }
  return function;
}
__attribute__((visibility("hidden"))) void *resolve(unsigned long index) {
  void *function = load(names[index]);
  __atomic_store_n(&table[index], function, __ATOMIC_RELEASE);
  return function;
}
HEAD
} > "$work/resolve.c"
cc -shared -fPIC -O2 -o "$out.new" "$work/resolve.c" "$work/entries.S" \
  -Wl,-soname,"$(basename "$out")" -Wl,-rpath,'$ORIGIN' -Wl,-z,noexecstack
mv "$out.new" "$out"
