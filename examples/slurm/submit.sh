#!/usr/bin/env bash
# Sample on a cluster: submit.sh SPLIT OUT SHARDS [options of gnnctl sample]
#
#     examples/slurm/submit.sh run/split run/samples 16 --num-neighbors 15,10 --batch-size 1024 --epochs 3
#
# The split, its graph and OUT lie where every node of the cluster sees them.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: submit.sh SPLIT OUT SHARDS [options of gnnctl sample]" >&2
    exit 2
fi
export SPLIT=$1 OUT=$2
shards=$3
shift 3
if [ $# -gt 0 ]; then
    export OPTIONS="$*"
fi
here=$(cd "$(dirname "$0")" && pwd)
job=$(sbatch --parsable --array="1-$shards" --export=ALL "$here/sample.sbatch")
sbatch --dependency="afterok:$job" --export=ALL "$here/join.sbatch"
