#!/usr/bin/env bash
# Fuzzes every parser of mesh-core for SECONDS each (default 60): mesh-core/fuzz/run.sh [SECONDS]
#
# Needs a nightly toolchain and cargo-fuzz, and gets them with rustup and cargo where they are missing. Where they
# cannot be had it says so and ends with status 2; `cargo test -p mesh-core --test fuzz` runs the same functions
# as property tests, with any toolchain. An input that fails stays in mesh-core/fuzz/artifacts/TARGET.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
export CARGO_TERM_COLOR=never

unavailable() {
  echo "fuzz: nothing was fuzzed: $1" >&2
  exit 2
}

if ! cargo +nightly --version >/dev/null 2>&1; then
  echo "fuzz: installing a nightly toolchain"
  rustup toolchain install nightly --profile minimal || unavailable "no nightly toolchain"
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "fuzz: installing cargo-fuzz"
  cargo install cargo-fuzz --locked || unavailable "no cargo-fuzz"
fi

mapfile -t targets < <(cargo +nightly fuzz list)
((${#targets[@]} > 0)) || unavailable "cargo fuzz lists no targets"
from=$SECONDS
cargo +nightly fuzz build || unavailable "the targets do not build"
echo "fuzz: ${#targets[@]} targets built in $((SECONDS - from)) s with $(cargo +nightly --version)"

failed=()
for target in "${targets[@]}"; do
  mkdir -p "fuzz/corpus/$target"
  log=$(mktemp)
  if cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 >"$log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "fuzz: $target: ${runs:-?} inputs in $seconds s, none failed"
  else
    cat "$log"
    echo "fuzz: $target: FAILED"
    failed+=("$target")
  fi
  rm -f "$log"
done
if ((${#failed[@]})); then
  echo "fuzz: failed: ${failed[*]}" >&2
  exit 1
fi
