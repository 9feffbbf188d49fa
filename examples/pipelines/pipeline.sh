#!/bin/sh
# The whole pipeline as a shell script; run it again and finished stages do nothing.
#
#     examples/pipelines/pipeline.sh                      the Debian example, into run/
#     SPEC=shop.toml TARGET=customer.churned BY=random EXPLAIN="--node customer:7" examples/pipelines/pipeline.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
: "${SPEC:=$here/../debian/debian.toml}"
: "${RUN:=run}"
: "${TARGET:=package.section}"
: "${BY:=group:source}"
: "${NEIGHBORS:=10,5}"
: "${EPOCHS:=8}"
: "${EXPLAIN:=--node package:apt --algorithm gnn-explainer}"

gnnctl ingest "$SPEC" -o "$RUN/graph"
gnnctl split "$RUN/graph" -o "$RUN/split" --target "$TARGET" --by "$BY" --val 0.1 --test 0.2

# One process samples, another trains on what arrives; the sampler may as well run on another machine, behind ssh.
gnnctl sample "$RUN/split" -o - --num-neighbors "$NEIGHBORS" --batch-size 1024 --epochs "$EPOCHS" --seed 1 |
    gnnctl train - -o "$RUN/model" --model sage --hidden 128 --seed 1

gnnctl predict "$RUN/model" -o "$RUN/predictions"
# shellcheck disable=SC2086 # EXPLAIN holds several words
gnnctl explain "$RUN/model" -o "$RUN/why" $EXPLAIN
gnnctl inspect "$RUN/predictions"
