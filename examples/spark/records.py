"""Records of sampled subgraphs as a Spark DataFrame, written where any job of Spark writes, then adopted.

    spark-submit examples/spark/records.py run/split s3a://bucket/records --num-neighbors 15,10 --unit seed
    gnnctl adopt records/*.parquet -o run/samples --split run/split --num-neighbors 15,10

Where a folder that all executors reach is at hand, one command does both: gnnctl sample run/split -o run/samples
--num-neighbors 15,10 --engine spark. The graph and the split lie under the same path on every executor.
"""

import argparse

from gnnctl.sampling.plan import RecordPlan
from gnnctl.sampling.produce import Producer
from gnnctl.sampling.spark import SparkJob, sampled_frame, spark_session
from gnnctl.sampling.spec import SampleSpec
from gnnctl.splits import NodeSplit


def main() -> None:
    """Sample, and write the frame."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("split")
    parser.add_argument("output", help="as Spark names it: a path, hdfs://, s3a://")
    parser.add_argument("--num-neighbors", default="15,10")
    parser.add_argument("--unit", choices=("batch", "seed"), default="batch")
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--master", help="as local[2]; spark-submit knows its own")
    options = parser.parse_args()

    split = NodeSplit.open(options.split)
    spec = SampleSpec.parse(split.graph, [options.num_neighbors], seed=options.seed)
    parts = {name: rows for name, (rows, _) in split.parts.items()}
    labels = {name: values for name, (_, values) in split.parts.items()}
    plan = RecordPlan(parts, options.unit, options.batch_size, options.epochs, spec.seed)
    job = SparkJob.of(Producer(split.graph, spec, plan, split.target.node_type, labels), split)
    with spark_session(options.master) as spark:
        frame = sampled_frame(spark, job, 0, plan.records, options.partitions)
        frame.write.parquet(options.output)


if __name__ == "__main__":
    main()
