#!/usr/bin/env bash
# Minesweeper, one of its ten splits: test ROC AUC of a deep residual GraphSAGE (published for such models: about .90).
#   bash minesweeper.sh DATA OUT [SPLIT] [EPOCHS]
# DATA has node.parquet (id, label, split0 to split9, x: list of 7 numbers) and edge.parquet (src, dst).
set -euo pipefail
data=$1 out=$2 split=${3:-split0} epochs=${4:-300}

gnnctl ingest --nodes "cell=$data/node.parquet" --edges "touches=$data/edge.parquet" --undirected \
    --label label --columns "$split" --features x=vector -o "$out/graph" --quiet > /dev/null
gnnctl split "$out/graph" -o "$out/split" --target cell.label --by "column:$split" --quiet > /dev/null
gnnctl train "$out/split" -o "$out/model" --model sage --encode --hidden 64 --layers 8 --norm layer --residual \
    --dropout 0.2 --lr 0.005 --epochs "$epochs" --monitor auroc --seed 1
