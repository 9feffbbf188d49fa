#!/usr/bin/env bash
# Cora without labels: a linear probe of frozen embeddings, and five examples a class.
#   bash cora_unlabelled.sh DATA OUT [dgi|gae|contrastive|node2vec] [EPOCHS]
# DATA as for cora.sh. Published linear evaluations: DGI .823, GRACE .83, node2vec about .75.
set -euo pipefail
data=$1 out=$2 objective=${3:-dgi} epochs=${4:-}

gnnctl ingest --nodes "paper=$data/paper.parquet" --edges "cites=$data/cites.parquet" --undirected \
    --label label --columns split --features words=vector:l1 -o "$out/graph" --quiet > /dev/null
gnnctl split "$out/graph" -o "$out/split" --target paper.label --by column:split --quiet > /dev/null

case $objective in
    dgi) options=(--model gcn --layers 1 --hidden 512 --dropout 0 --lr 0.001 --patience 20 --epochs "${epochs:-300}") ;;
    gae) options=(--model gcn --layers 2 --hidden 256 --dropout 0 --lr 0.005 --patience 20 --epochs "${epochs:-200}") ;;
    contrastive) options=(--model gcn --layers 2 --hidden 256 --dropout 0 --lr 0.001 --epochs "${epochs:-100}") ;;
    node2vec) options=(--hidden 128 --lr 0.01 --batch-size 128 --epochs "${epochs:-10}") ;;
    *) echo "cora_unlabelled.sh: dgi, gae, contrastive or node2vec, not $objective" >&2 && exit 2 ;;
esac
gnnctl train "$out/split" -o "$out/$objective" --objective "$objective" "${options[@]}" --seed 1 --quiet
gnnctl predict "$out/$objective" -o "$out/$objective-few" --part test --shots 5 --quiet
