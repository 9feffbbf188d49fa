#!/usr/bin/env bash
# The main job of gnnctl on real tables: which section does a Debian package belong to?
#   bash examples/debian/run.sh [FOLDER]      every artifact lands in FOLDER (default run/debian)
# A second call repeats nothing: a stage whose output is already there says so.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-run/debian}
mkdir -p "$out"
started=$SECONDS

stage() {
    printf '\n\033[1m$ %s\033[0m\n' "$*"
    "$@"
}

stage gnnctl ingest "$here/debian.toml" -o "$out/graph"
stage gnnctl split "$out/graph" -o "$out/split" --target package.section --by group:source --val 0.1 --test 0.2
stage gnnctl sample "$out/split" -o "$out/samples" --config "$here/pipeline.toml"
stage gnnctl train "$out/samples" -o "$out/model" --config "$here/pipeline.toml"
stage gnnctl predict "$out/model" -o "$out/predictions"
stage gnnctl explain "$out/model" -o "$out/why" --node package:apt --algorithm gnn-explainer
stage gnnctl bench compile -o "$out/bench"
python "$here/summary.py" "$out" $((SECONDS - started))
