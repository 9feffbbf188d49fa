"""How long ingest takes for string-keyed edges, against DuckDB's own join and sort of the same tables.

    python tests/benchmarks/ingest_edges.py --scale 1 --memory 4GB

Scale 1 is 1 million nodes and 16.8 million edges in Parquet. Prints both times, their ratio, the peak memory of the
ingesting process, and whether the tables in another row order give the same content.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

SPEC = """
[nodes.node]
table = "nodes.parquet"
[edges."node to node"]
table = "{edges}"
source = "src"
target = "dst"
"""


def generate(folder: Path, scale: float, seed: int) -> None:
    """Write nodes.parquet, edges.parquet, and edges-shuffled.parquet with the same rows in another order."""
    nodes, edges = int(1_000_000 * scale), int(16_800_000 * scale)
    with duckdb.connect(config={"temp_directory": str(folder / "temp")}) as connection:
        name = "'node-' || lpad(CAST({} AS VARCHAR), 9, '0')"
        connection.execute(
            f"COPY (SELECT {name.format(f'(i * 7919) % {nodes}')} AS id FROM range({nodes}) AS r(i)) "
            f"TO '{folder}/nodes.parquet'"
        )
        ends = [name.format(f"hash(i * 2 + {end} + {seed}) % {nodes}") for end in (0, 1)]
        connection.execute(
            f"COPY (SELECT {ends[0]} AS src, {ends[1]} AS dst FROM range({edges}) AS r(i)) TO '{folder}/edges.parquet'"
        )
        connection.execute(
            f"COPY (SELECT * FROM '{folder}/edges.parquet' ORDER BY hash(src), hash(dst)) "
            f"TO '{folder}/edges-shuffled.parquet'"
        )


def join_and_sort(folder: Path, threads: int) -> float:
    """Seconds that DuckDB takes to number the nodes, join both ends and sort, all in memory."""
    with duckdb.connect(config={"threads": threads, "temp_directory": str(folder / "temp")}) as connection:
        start = time.perf_counter()
        connection.execute(
            f"CREATE TABLE n AS SELECT id, CAST(row_number() OVER (ORDER BY id) - 1 AS INTEGER) AS row "
            f"FROM '{folder}/nodes.parquet'"
        )
        connection.execute(
            f"CREATE TABLE e AS SELECT d.row AS d, s.row AS s FROM '{folder}/edges.parquet' AS e "
            "JOIN n AS s ON e.src = s.id JOIN n AS d ON e.dst = d.id ORDER BY d.row, s.row"
        )
        return time.perf_counter() - start


def ingest(folder: Path, edges: str, memory: str, threads: int) -> dict[str, float | str]:
    """Run the stage in its own process; seconds, peak resident memory in MiB, the artifact's content."""
    (folder / "graph.toml").write_text(SPEC.format(edges=edges))
    output = folder / edges.removesuffix(".parquet")
    command = [sys.executable, __file__, "--child", "ingest", str(folder / "graph.toml")]
    options = ["-o", str(output), "--quiet", "--memory", memory, "--threads", str(threads)]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr)
    content = json.loads((output / "manifest.json").read_text())["content"]
    return {"seconds": seconds, "peak": float(done.stderr.split()[-1]), "content": content}


def child() -> None:
    """The gnnctl command of ``sys.argv[2:]``, which says its peak memory at the end."""
    from gnnctl.cli import main as command

    sys.argv = ["gnnctl", *sys.argv[2:]]
    try:
        command()
    finally:
        sys.stderr.write(f" {peak_memory()}")


def peak_memory() -> float:
    """MiB; Linux's ru_maxrss would include the parent's, so that the kernel's own mark is read there."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 16.8 million edges")
    parser.add_argument("--memory", default="4GB", help="given to ingest")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the tables go; default: a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        generate(folder, options.scale, options.seed)
        alone, ours = [], []
        for repeat in range(options.repeats):
            alone.append(join_and_sort(folder, options.threads))
            ours.append(ingest(folder, "edges.parquet", options.memory, options.threads))
            if repeat + 1 < options.repeats:
                subprocess.run(["rm", "-r", str(folder / "edges")], check=True)
        shuffled = ingest(folder, "edges-shuffled.parquet", options.memory, options.threads)
        seconds = min(float(run["seconds"]) for run in ours)
        print(f"DuckDB's join and sort   {min(alone):6.2f} s")
        print(
            f"gnnctl ingest            {seconds:6.2f} s, {seconds / min(alone):.2f} times, whole process with start-up"
        )
        print(f"shuffled                 {shuffled['seconds']:6.2f} s")
        print(f"peak resident memory     {max(float(run['peak']) for run in ours):6.0f} MiB, --memory {options.memory}")
        print(f"same content             {len({run['content'] for run in [*ours, shuffled]}) == 1}")


if __name__ == "__main__":
    child() if sys.argv[1:2] == ["--child"] else main()
