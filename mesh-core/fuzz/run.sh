#!/usr/bin/env bash
# Fuzzes every parser of mesh-core for SECONDS each (default 60): mesh-core/fuzz/run.sh [SECONDS] [TARGET…]
#
# Any Rust toolchain and a C++ compiler do: LLVM's coverage is asked for by stable flags, and libFuzzer is built from
# its crate's sources. There is no address sanitizer in it, since no line of mesh-core is unsafe. As many targets run at
# once as there are processors. An input that fails stays in target/fuzz/artifacts/TARGET; to try one again:
# target/fuzz/HOST/release/TARGET INPUT. `cargo test -p mesh-core --test fuzz` runs the same functions as property tests.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0

[[ $seconds =~ ^[1-9][0-9]*$ ]] || {
  echo "error: '$seconds' is not a number of seconds; usage: mesh-core/fuzz/run.sh [SECONDS] [TARGET…]" >&2
  exit 2
}
if ! command -v "${CXX:-c++}" >/dev/null && [[ $EUID == 0 ]] && command -v apt-get >/dev/null; then
  echo "fuzz: installing g++"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++ >/dev/null || true
fi
command -v "${CXX:-c++}" >/dev/null || {
  echo "error: libFuzzer needs a C++ compiler, and '${CXX:-c++}' is not installed" >&2
  exit 2
}

mapfile -t all < <(sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"$|\1|p' Cargo.toml)
targets=("$@")
((${#targets[@]})) || targets=("${all[@]}")
((${#targets[@]})) || { echo "error: Cargo.toml names no targets" >&2; exit 2; }
for target in "${targets[@]}"; do
  [[ " ${all[*]} " == *" $target "* ]] || {
    echo "error: there is no target '$target'; there are: ${all[*]}" >&2
    exit 2
  }
done

host=$(rustc -vV | sed -n 's/^host: //p')
out=${CARGO_TARGET_DIR:-../../target}/fuzz
coverage="--cfg fuzzing -Cdebug-assertions -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
coverage+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
coverage+=" -Cllvm-args=-sanitizer-coverage-trace-compares"
from=$SECONDS
# With --target, build scripts and procedural macros are left without coverage.
RUSTFLAGS=$coverage cargo build --release --locked --quiet --target "$host" --target-dir "$out"
echo "fuzz: ${#all[@]} targets built in $((SECONDS - from)) s with $(rustc --version)"

logs=$(mktemp -d)
running=()
stop() {
  ((${#running[@]})) && kill "${running[@]}" 2>/dev/null
  rm -rf "$logs"
}
trap stop EXIT

fuzz() {
  local target=$1
  mkdir -p "$out/corpus/$target" "$out/artifacts/$target"
  exec "$out/$host/release/$target" "$out/corpus/$target" "seeds/$target" \
    -artifact_prefix="$out/artifacts/$target/" \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
    >"$logs/$target" 2>&1
}

failed=()
# Waits for a target and says how it went.
ended() {
  local target=$1 pid=$2
  if wait "$pid"; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/$target")
    # A fuzzer that tried nothing has shown nothing.
    if [[ ${runs:-0} -gt 0 ]]; then
      echo "fuzz: $target: $runs inputs in $seconds s, none failed"
      return
    fi
  fi
  cat "$logs/$target"
  echo "fuzz: $target: FAILED; see target/fuzz/artifacts/$target"
  failed+=("$target")
}

at_once=$(nproc 2>/dev/null || echo 1)
for ((i = 0; i < ${#targets[@]}; i += at_once)); do
  batch=("${targets[@]:i:at_once}")
  running=()
  for target in "${batch[@]}"; do
    fuzz "$target" &
    running+=("$!")
  done
  for j in "${!batch[@]}"; do ended "${batch[j]}" "${running[j]}"; done
done
running=()
if ((${#failed[@]})); then
  echo "fuzz: failed: ${failed[*]}" >&2
  exit 1
fi
