"""The DuckDB connection of an ingest: bounded memory, errors in our words, Arrow batches out."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gnnctl.console import Progress
from gnnctl.errors import DataError, GnnctlError, ResourceError, UsageError
from gnnctl.parameters import parse_bytes

if TYPE_CHECKING:
    import pyarrow as pa

# What Python, NumPy, Arrow and DuckDB's own code take beside DuckDB's buffers.
OVERHEAD = 300 << 20
LEAST = 256 << 20


def parse_memory(text: str) -> int:
    """Bytes of ``"4GB"``, ``"500M"``, ``"1.5g"`` (powers of 1024).

    Raises:
        UsageError: no such size, or less than is needed to run at all.
    """
    try:
        size = parse_bytes(text)
    except ValueError:
        size = 0
    if size < OVERHEAD + LEAST:
        least = f"at least {(OVERHEAD + LEAST) >> 20}MB, as 4GB or 800MB"
        raise UsageError(f"--memory {text} is no usable size", fix=f"give {least}")
    return size


def default_memory() -> str:
    """Half of the memory of the machine (or of the container), at least 1 GB."""
    import os

    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text))
    return f"{max(1024, total >> 21)}MB"


class Engine:
    """One DuckDB database in memory, spilling to ``spill``; use as a context manager.

    Args:
        folder: what relative file names in SQL are relative to.
        memory: bytes that the process may take.
        threads: DuckDB's threads.
        spill: folder for what does not fit into memory.
    """

    def __init__(self, folder: str, memory: int, threads: int, spill: Path) -> None:
        import duckdb

        self._connection: Any = duckdb.connect(
            config={
                # The last sixth is for what passes through Python: ids, kept columns, batches on their way.
                "memory_limit": f"{max(LEAST, memory * 5 // 6 - OVERHEAD) >> 20}MiB",
                "threads": threads,
                "temp_directory": str(spill),
                "file_search_path": folder,
            }
        )
        # Progress is measured, for `watched`, and not printed by DuckDB itself.
        self._connection.execute("SET enable_progress_bar = true")
        self._connection.execute("SET enable_progress_bar_print = false")
        icu = "SELECT loaded FROM duckdb_extensions() WHERE extension_name = 'icu'"
        if self._connection.execute(icu).fetchone() == (True,):
            # Without ICU times are UTC anyway, and setting it would make DuckDB look for the extension on the network.
            self._connection.execute("SET TimeZone = 'UTC'")

    def __enter__(self) -> "Engine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def rows(self, sql: str, what: str) -> list[tuple[Any, ...]]:
        """Run SQL and fetch everything.

        Args:
            what: what is being read, for messages: ``"nodes 'paper' (papers.csv)"``.

        Raises:
            DataError: DuckDB cannot read the tables.
            ResourceError: out of memory or disk.
        """
        with _translated(what):
            found: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
            return found

    def watched(self, sql: str, what: str, progress: Progress, desc: str) -> None:
        """Run a long statement, with a bar in percent; Ctrl-C stops it at once."""
        failed: list[BaseException] = []
        done = threading.Event()  # a thread whose join was interrupted counts as ended though it runs on

        def work() -> None:
            try:
                self._connection.execute(sql)
            except BaseException as error:  # raised again in the caller's thread
                failed.append(error)
            finally:
                done.set()

        thread = threading.Thread(target=work, daemon=True)
        with _translated(what), progress(total=100, desc=desc, unit="%") as bar:
            thread.start()
            try:
                while not done.wait(0.2):
                    percent = self._connection.query_progress()
                    bar.update(max(0.0, round(percent - bar.n, 1)))
            except KeyboardInterrupt:
                self._connection.interrupt()
                done.wait()
                raise
            thread.join()
            if failed:
                raise failed[0]

    def value(self, sql: str, what: str) -> Any:
        """The first value of the first row."""
        return self.rows(sql, what)[0][0]

    def batches(self, sql: str, what: str, rows: int) -> "Iterator[pa.RecordBatch]":
        """Stream a query's result in batches of exactly ``rows`` rows (the last one shorter)."""
        import pyarrow as pa

        pending: list[pa.RecordBatch] = []
        count = 0
        with _translated(what):
            relation = self._connection.sql(sql)
            # The second name is that of DuckDB before 1.5.
            read = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
            for batch in read(rows):
                while batch.num_rows:
                    part = batch.slice(0, rows - count)
                    batch = batch.slice(part.num_rows)
                    pending.append(part)
                    count += part.num_rows
                    if count == rows:
                        yield _joined(pending)
                        pending, count = [], 0
        if pending:
            yield _joined(pending)

    def register(self, name: str, relation: object) -> None:
        """Make an Arrow table, data set or reader known under a name."""
        self._connection.register(name, relation)

    def unregister(self, name: str) -> None:
        """Forget what :meth:`register` named."""
        self._connection.unregister(name)

    def describe(self, sql: str, what: str) -> dict[str, str]:
        """Column names of a query, with their DuckDB types."""
        return {row[0]: row[1] for row in self.rows(f"DESCRIBE {sql}", what)}


def _joined(batches: "list[pa.RecordBatch]") -> "pa.RecordBatch":
    import pyarrow as pa

    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


class _translated:
    """Turns DuckDB's exceptions into ours."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import duckdb

        if error is None or isinstance(error, GnnctlError):
            return
        if isinstance(error, duckdb.InterruptException) or "interrupted" in str(error).lower():
            raise KeyboardInterrupt from None
        if not isinstance(error, duckdb.Error):
            return
        text = _first_line(str(error))
        if isinstance(error, duckdb.OutOfMemoryException):
            if "max_temp_directory_size" in str(error) or "offload" in text:
                raise ResourceError(f"{self.what}: {text}", fix="free disk space beside the output") from None
            raise ResourceError(f"{self.what}: {text}", fix="raise --memory or lower --threads") from None
        if "No space left" in str(error):
            raise ResourceError(f"{self.what}: the disk is full", fix="free space beside the output") from None
        raise DataError(f"{self.what}: {text}", fix="correct the table or the spec") from None


def _first_line(text: str) -> str:
    """The part of DuckDB's message that says what is wrong: without the caret line and its hints."""
    return " ".join(text.split("\n\n")[0].split())


def quote(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """An SQL literal of a string, number, boolean, list or table."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(str(k))}: {literal(v)}" for k, v in value.items()) + "}"
    return "'" + str(value).replace("'", "''") + "'"
