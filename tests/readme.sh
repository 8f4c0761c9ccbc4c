#!/usr/bin/env bash
# Runs the README's commands, as they stand there, and looks at what they do.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "error: README: $*" >&2
  exit 1
}

# The N-th block of shell commands.
block() {
  awk -v want="$1" '/^```sh$/ { n++; inside = 1; next } /^```$/ { inside = 0 } inside && n == want' README.md
}

groups=()
files=(productpage.token ratings.token mesh-state)
cleanup() {
  for group in "${groups[@]}"; do kill -KILL -- "-$group" 2>/dev/null || true; done
  rm -rf "${files[@]}" "$log"
}
log=$(mktemp)
trap cleanup EXIT

# Starts a block in a process group of its own, and waits until a command succeeds.
start() {
  local number=$1
  shift
  setsid bash -c "$(block "$number")" >"$log" 2>&1 &
  groups+=($!)
  for _ in $(seq 600); do
    "$@" && return
    kill -0 "${groups[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  cat "$log" >&2
  fail "block $number did not get as far as: $*"
}

# Interrupts the newest group, as Ctrl-C does; it must end within two seconds.
interrupt() {
  local group=${groups[-1]}
  unset 'groups[-1]'
  kill -INT -- "-$group"
  for _ in $(seq 20); do
    kill -0 -- "-$group" 2>/dev/null || return 0
    sleep 0.1
  done
  fail "block $1 was interrupted and did not end within 2 s"
}

answers() { curl -sf -o /dev/null --max-time 2 "$1"; }

[[ $(block 1) == "cargo run --release --bin bookinfo" ]] || fail "the first command is not the one-command mesh"
[[ $(block 2) == "bash tests/all.sh" ]] || fail "the second command is not the test command"
for file in "${files[@]}"; do [[ ! -e $file ]] || fail "$file is in the way"; done
# Built first, so that what is waited for below is the programs and not the compiler.
cargo build --release --locked -q --bin bookinfo --bin meshctl --bin embedded-client --bin control-plane --bin proxy

# The mistake that it shows, made anew: each line of the answer stands in the README.
mistake=$(mktemp -d)
trap 'rm -rf "$mistake"; cleanup' EXIT
cp -r examples/bookinfo/config "$mistake/config"
sed -i '0,/weight: 90/s//wieght: 90/' "$mistake/config/reviews.yaml"
meshctl=${CARGO_TARGET_DIR:-$PWD/target}/release/meshctl
said=$(cd "$mistake" && "$meshctl" validate config/reviews.yaml 2>&1) && fail "a misspelled field is not refused"
while IFS= read -r line; do
  grep -qxF -- "$line" README.md || fail "of a misspelled field meshctl says, and the README does not: $line"
done < <(sed '/^$/,$d' <<<"$said")

start 1 answers http://127.1.0.100:8080/productpage
calls=$(bash -c "$(block 3)")
[[ $(grep -c '^200 OK {' <<<"$calls") == 10 ]] || fail "embedded-client did not get ten reviews: $calls"
interrupt 1

start 4 answers http://127.0.0.1:15014/ready
start 5 answers http://127.1.0.3:15000/ready
for _ in $(seq 50); do
  synced=$(curl -s http://127.0.0.1:15014/debug/syncz)
  [[ $synced == *ratings-v1.default*  && $synced == *listener_acked* ]] && break
  sleep 0.1
done
[[ $synced == *ratings-v1.default* ]] || fail "the sidecar is not in /debug/syncz: $synced"
interrupt 5
interrupt 4
echo "the README's commands do what it says"
