"""The words that a server of graphs and its clients exchange; schemas/README.md describes them for other clients."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

PROTOCOL = 1
CHUNK_BYTES = 1 << 20  # of an answer, at a time
REQUEST_BYTES = 16 << 20  # of a ticket, at most
REQUEST_ROWS = 1 << 18  # that this client asks for at a time
RECORD = "record"
LINKS, NEGATIVES = "links", "negatives"
VIEW, SHOW, SEAL = "view", "show", "seal"
NO_VIEW = "there is no such view, or no longer"  # as a server says it that was started anew meanwhile
_HEAD = b"gnnctl"
_ADDRESS = re.compile(r"grpc(\+tls)?://[^/\s]+:\d+")


def is_address(text: object) -> bool:
    """Whether this names a server, not a path."""
    return isinstance(text, str) and text.startswith(("grpc://", "grpc+tls://"))


def is_whole_address(text: str) -> bool:
    """Whether it has a host and a port, and nothing after."""
    return _ADDRESS.fullmatch(text) is not None


@dataclass(frozen=True)
class Request:
    """What a ticket asks for.

    Attributes:
        do: what; schemas/README.md has them all.
        words: its parameters, JSON values.
        columns: its int64 arrays, all of the same length, by name.
    """

    do: str
    words: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    def ticket(self) -> bytes:
        """An Arrow IPC stream of one batch of the columns, whose schema holds the words."""
        import pyarrow as pa

        head = json.dumps({"protocol": PROTOCOL, "do": self.do, **self.words})
        arrays = {name: pa.array(values, pa.int64()) for name, values in self.columns.items()}
        batch = pa.RecordBatch.from_arrays(
            list(arrays.values()), schema=pa.schema([(n, pa.int64()) for n in arrays], metadata={_HEAD: head})
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        found: bytes = sink.getvalue().to_pybytes()
        return found

    @classmethod
    def read(cls, ticket: bytes) -> "Request":
        """Read a ticket.

        Raises:
            ValueError: too large, no request, or one of another protocol.
        """
        import pyarrow as pa

        if len(ticket) > REQUEST_BYTES:
            raise ValueError(
                f"a request of {len(ticket):,} bytes, the most is {REQUEST_BYTES:,}: ask for less at a time"
            )
        try:
            reader = pa.ipc.open_stream(ticket)
            head = json.loads(reader.schema.metadata[_HEAD])
            table = reader.read_all()
            table.validate(full=True)
            protocol, do = head.pop("protocol"), head.pop("do")
            columns = {name: table[name].to_numpy() for name in table.column_names}
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError):
            raise ValueError("this is no request of gnnctl") from None
        check_protocol(protocol)
        if any(c.null_count or c.type != pa.int64() for c in table.columns):
            raise ValueError("the columns of a request are int64 without nulls")
        return cls(str(do), head, columns)

    def word(self, name: str, kind: type) -> Any:
        """A parameter.

        Raises:
            ValueError: not there, or of another type.
        """
        value = self.words.get(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ValueError(f"'{self.do}' wants '{name}' as {kind.__name__}, got {value!r:.40}")
        return value


def check_protocol(version: object) -> None:
    """Check that the other side speaks this protocol.

    Raises:
        ValueError: it does not.
    """
    if version != PROTOCOL:
        raise ValueError(f"protocol {version!r:.20} is asked for, this server speaks {PROTOCOL}: use the same gnnctl")


def answer_schema() -> "pa.Schema":
    """The columns of an answer other than a table: bytes of named parts, each in as many rows as it takes."""
    import pyarrow as pa

    return pa.schema([("part", pa.string()), ("data", pa.large_binary())])


def answer_batch(part: str, data: Any) -> "pa.RecordBatch":
    """One row of an answer, around any buffer."""
    import pyarrow as pa

    buffer = pa.py_buffer(data)
    offsets = pa.py_buffer(np.array([0, buffer.size], np.int64))
    column = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, buffer])
    return pa.RecordBatch.from_arrays([pa.array([part]), column], schema=answer_schema())


def answer_parts(batches: "Iterable[pa.RecordBatch]") -> Iterator[tuple[str, np.ndarray]]:
    """Part and bytes (uint8) of each row of an answer.

    Raises:
        ValueError: it is no answer.
    """
    for batch in batches:
        if batch.schema != answer_schema() or batch.column(1).null_count:
            raise ValueError("an answer that is none")
        for i in range(batch.num_rows):
            _, offsets, data = batch.column(1)[i : i + 1].buffers()
            start, end = np.frombuffer(offsets, np.int64)[batch.column(1).offset + i :][:2]
            values = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)[start:end]
            yield batch.column(0)[i].as_py(), values
