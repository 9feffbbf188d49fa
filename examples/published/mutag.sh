#!/usr/bin/env bash
# MUTAG: accuracy of GIN over ten folds, the epoch chosen on a validation fold; and by the protocol of published figures
# (.894), which chooses one epoch for all folds on the mean of their test curves.
#   bash mutag.sh DATA OUT [SEEDS] [EPOCHS] [FOLDS]
# DATA has graphs.parquet (graph_id, label), nodes.parquet (graph_id, node_id, kind) and edges.parquet (graph_id, src, dst:
# every bond in both directions).
set -euo pipefail
data=$(realpath "$1") out=$2 seeds=${3:-3} epochs=${4:-100} folds=${5:-10}

mkdir -p "$out"
cat > "$out/mutag.toml" <<TOML
[graphs]
table = "$data/graphs.parquet"
id = "graph_id"
label = "label"
[nodes.atom]
table = "$data/nodes.parquet"
id = "graph_id || '/' || node_id"
graph = "graph_id"
features = { kind = "onehot" }
[edges."atom bond atom"]
table = "$data/edges.parquet"
source = "graph_id || '/' || src"
target = "graph_id || '/' || dst"
TOML
gnnctl ingest "$out/mutag.toml" -o "$out/graph" --quiet > /dev/null
gnnctl split "$out/graph" -o "$out/split" --task graph --val 0 --test 0 --quiet > /dev/null
for seed in $(seq 1 "$seeds"); do
    gnnctl train "$out/split" -o "$out/gin-$seed" --model gin --layers 4 --hidden 32 --norm batch --dropout 0.1 \
        --lr 0.005 --schedule cosine --weight-decay 1e-3 --epochs "$epochs" --batch-size 32 --monitor loss \
        --folds "$folds" --seed "$seed" --quiet > /dev/null
    python -c "
import json, sys
found = json.load(open(sys.argv[1]))['folds']
by = [found[protocol]['accuracy'] for protocol in ('epoch_chosen_on_validation', 'epoch_chosen_on_test_curves')]
print('seed $seed:', *(f\"{value['mean']:.4f} {value['std']:.4f}\" for value in by))" "$out/gin-$seed/metrics.json"
done | python -c "
import statistics, sys
found = [[float(word) for word in line.split()[2:]] for line in sys.stdin if sys.stderr.write(line)]
mean = [statistics.fmean(column) for column in zip(*found)]
print(f'gin, $folds folds, {len(found)} seeds; test accuracy, and its deviation over the folds:')
print(f'    {mean[0]:.4f} {mean[1]:.4f} where each epoch is chosen on a validation fold')
print(f'    {mean[2]:.4f} {mean[3]:.4f} where one epoch is chosen on the test curves')"
