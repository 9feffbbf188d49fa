#!/usr/bin/env bash
# Cora with its public split: mean test accuracy of GCN (published: .815), GAT (.830), SGC (.810) or APPNP (.833).
#   bash cora.sh DATA OUT [gcn|gat|sgc|appnp] [SEEDS] [EPOCHS]
# DATA has paper.parquet (id, label, split, words: list of 1,433 numbers) and cites.parquet (src, dst).
set -euo pipefail
data=$1 out=$2 model=${3:-gcn} seeds=${4:-10} epochs=${5:-}

gnnctl ingest --nodes "paper=$data/paper.parquet" --edges "cites=$data/cites.parquet" --undirected \
    --label label --columns split --features words=vector:l1 -o "$out/graph" --quiet > /dev/null
gnnctl split "$out/graph" -o "$out/split" --target paper.label --by column:split --quiet > /dev/null

case $model in
    gcn) options=(--hidden 16 --dropout 0.5 --lr 0.01 --weight-decay 5e-4 --weight-decay-on first --epochs "${epochs:-200}") ;;
    gat) options=(--hidden 64 --heads 8 --dropout 0.6 --lr 0.005 --weight-decay 5e-4 --patience 100 --epochs "${epochs:-500}") ;;
    sgc) options=(--layers 2 --dropout 0 --lr 0.2 --weight-decay 1.3e-5 --epochs "${epochs:-100}") ;;
    appnp) options=(--layers 10 --hidden 64 --dropout 0.5 --lr 0.01 --weight-decay 5e-3 --weight-decay-on first --epochs "${epochs:-200}") ;;
    *) echo "cora.sh: gcn, gat, sgc or appnp, not $model" >&2 && exit 2 ;;
esac
for seed in $(seq 1 "$seeds"); do
    gnnctl train "$out/split" -o "$out/$model-$seed" --model "$model" "${options[@]}" --monitor loss --seed "$seed" --quiet > /dev/null
    echo "seed $seed: $(python -c "import json, sys; print(json.load(open(sys.argv[1]))['test']['accuracy'])" "$out/$model-$seed/metrics.json")"
done | python -c "
import statistics, sys
found = [float(line.split()[-1]) for line in sys.stdin if sys.stderr.write(line)]
print(f'$model: mean test accuracy {statistics.mean(found):.4f}, deviation {statistics.pstdev(found):.4f}, {len(found)} seeds')"
