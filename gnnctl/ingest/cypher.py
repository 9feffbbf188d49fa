"""Tables read from an embedded graph database, ladybug, by a query in Cypher, as Arrow."""

import os
from typing import TYPE_CHECKING

from gnnctl.errors import DataError, UsageError
from gnnctl.ingest.spec import Source

if TYPE_CHECKING:
    import pyarrow as pa


def cypher_table(source: Source, folder: str, what: str) -> "pa.Table":
    """The rows that a query gives, whole in memory; the database is opened for reading only.

    Args:
        source: with ``database`` and ``cypher``.
        folder: what the path of the database is relative to.
        what: how messages call it.

    Raises:
        UsageError: ladybug is not installed.
        DataError: no database, or no query that it understands, or one that writes.
    """
    try:
        import ladybug
    except ImportError:
        raise UsageError(f"{what}: cypher needs ladybug", fix="pip install 'gnnctl[stores]'") from None
    assert source.database is not None
    assert source.cypher is not None
    path = os.path.normpath(os.path.join(folder, source.database))
    if not os.path.exists(path):
        raise DataError(f"{what}: {path} does not exist", fix="check the path of the database")
    try:
        database = ladybug.Database(path, read_only=True)
    except RuntimeError as error:
        raise DataError(f"{what}: {path}: {_line(error)}", fix="name a ladybug database that no one writes") from None
    try:
        with ladybug.Connection(database) as connection:
            result = connection.execute(source.cypher)
            if isinstance(result, list):
                raise DataError(f"{what}: cypher is {len(result)} statements", fix="write one query")
            table = result.get_as_arrow()
            result.close()
    except RuntimeError as error:
        raise DataError(f"{what}: {_line(error)}", fix="correct the query; name its columns with AS") from None
    finally:
        database.close()
    return table


def _line(error: RuntimeError) -> str:
    """A message of the database, without the drawing of where it stopped."""
    return " ".join(str(error).split("\n")[0].split())
