"""A client of a server of graphs: its requests, and what goes wrong with them in one line each."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnnctl.errors import ArtifactError, GnnctlError, ResourceError, UsageError
from gnnctl.remote.protocol import NO_VIEW, PROTOCOL, REQUEST_ROWS, VIEW, Request, answer_parts, is_whole_address

if TYPE_CHECKING:
    import pyarrow as pa

Certificate = tuple[bytes, bytes]  # its chain and its private key, PEM
REQUEST_SECONDS = 120.0  # that a request may take, whole
_AGAIN = "see whether it runs, then run the command again: training resumes"


class Connection:
    """A server, asked from any number of threads.

    Args:
        address: ``grpc://host:port``, or with ``grpc+tls``.
        token: that the server wants, or None.
        tls_ca: PEM file of who signed the server's certificate; None: those that the system trusts.
        seconds: that a request may take.

    Raises:
        UsageError: no such address, or no such file. ResourceError: no such server. ArtifactError: it speaks another
            protocol.
    """

    def __init__(
        self, address: str, token: str | None = None, tls_ca: Path | None = None, seconds: float = REQUEST_SECONDS
    ) -> None:
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what fails is said in one line
        import pyarrow.flight as flight

        if not is_whole_address(address):
            raise UsageError(
                f"'{address}' is no address of a server", fix="write grpc://HOST:PORT or grpc+tls://HOST:PORT"
            )
        if tls_ca is not None and not address.startswith("grpc+tls://"):
            raise UsageError(f"--tls-ca: {address} is without TLS", fix="write grpc+tls://HOST:PORT")
        self.address, self._seconds = address, seconds
        trusted = {} if tls_ca is None else {"tls_root_certs": tls_ca.read_bytes()}
        self._headers = [(b"authorization", b"Bearer " + token.encode())] if token else []
        self._options = flight.FlightCallOptions(timeout=seconds, headers=self._headers)
        with self._told():
            self._client = flight.FlightClient(address, **trusted)
        self.description: dict[str, Any] = self.act("describe")
        if self.description.get("protocol") != PROTOCOL:
            raise ArtifactError(
                f"{address} speaks protocol {self.description.get('protocol')}, this gnnctl {PROTOCOL}",
                fix="use the same gnnctl on both sides",
            )

    def act(self, name: str) -> dict[str, Any]:
        """What an action of the server answers."""
        import pyarrow.flight as flight

        with self._told():
            body = json.dumps({"protocol": PROTOCOL}).encode()
            found = list(self._client.do_action(flight.Action(name, body), self._options))
            answer: dict[str, Any] = json.loads(found[0].body.to_pybytes())
            return answer

    def parts(self, request: Request) -> Iterator[tuple[str, np.ndarray]]:
        """Part and bytes of each row of the answer, as they arrive."""
        with self._told():
            yield from answer_parts(chunk.data for chunk in self._get(request))

    def ask(self, request: Request) -> dict[str, np.ndarray]:
        """The whole answer, the bytes of each part."""
        found: dict[str, list[np.ndarray]] = {}
        for part, data in self.parts(request):
            found.setdefault(part, []).append(data)
        return {part: np.concatenate(pieces) for part, pieces in found.items()}

    def open_view(self, edge_types: list[str]) -> tuple[str, Callable[[], None]]:
        """A view that the server keeps until it is left, and what leaves it; still without any edges of these types.

        It is an answer that does not end: when this process does, however it may, the server sees that it has gone.
        """
        import pyarrow.flight as flight

        with self._told():
            ticket = flight.Ticket(Request(VIEW, {"edge_types": edge_types}).ticket())
            reader = self._client.do_get(ticket, flight.FlightCallOptions(headers=self._headers))
            late = threading.Timer(self._seconds, reader.cancel)
            late.start()
            try:
                [(_, name)] = answer_parts([reader.read_chunk().data])
            except flight.FlightCancelledError:
                raise flight.FlightTimedOutError("") from None
            except StopIteration:
                raise ValueError("an answer that is none") from None
            finally:
                late.cancel()
            return name.tobytes().decode("ascii"), reader.cancel

    def table(self, name: str, rows: np.ndarray | None = None) -> "pa.Table":
        """A table of the graph, or some of its rows."""
        columns = {} if rows is None else {"rows": rows}
        with self._told():
            return self._get(Request("table", {"name": name}, columns)).read_all()

    def read_rows(self, name: str, rows: np.ndarray, out: np.ndarray) -> None:
        """Rows (n,) of an array, into ``out`` (n, ...)."""
        for start in range(0, len(rows), REQUEST_ROWS):
            part = rows[start : start + REQUEST_ROWS]
            self._fill(out[start : start + len(part)], Request("array", {"name": name}, {"rows": part}))

    def read_range(self, name: str, start: int, stop: int, out: np.ndarray) -> None:
        """Rows ``start`` to ``stop - 1`` of an array, into ``out``."""
        if out.size:
            self._fill(out, Request("array", {"name": name, "start": start, "stop": stop}))

    def _get(self, request: Request) -> Any:
        import pyarrow.flight as flight

        return self._client.do_get(flight.Ticket(request.ticket()), self._options)

    def _fill(self, out: np.ndarray, request: Request) -> None:
        room, at = out.reshape(-1).view(np.uint8), 0
        for _, data in self.parts(request):
            if at + len(data) > len(room):
                break
            room[at : at + len(data)] = data
            at += len(data)
        if at != len(room):
            raise ResourceError(f"{self.address}: an answer has another length than asked for", fix=_AGAIN)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What Arrow raises, as an error of ours: one line."""
        import pyarrow as pa
        import pyarrow.flight as flight

        try:
            yield
        except GnnctlError:
            raise
        except (flight.FlightUnauthenticatedError, flight.FlightUnauthorizedError):
            fix = "set GNNCTL_TOKEN, or pass --token-file"
            raise ResourceError(f"{self.address} does not accept the token", fix=fix) from None
        except flight.FlightTimedOutError:
            raise ResourceError(f"{self.address} did not answer in {self._seconds:g} s", fix=_AGAIN) from None
        except flight.FlightUnavailableError as error:
            text = _brief(error)
            fix = "name who signed it with --tls-ca" if "certificate verify failed" in text else _AGAIN
            raise ResourceError(f"{self.address} is not reached: {text}", fix=fix) from None
        except pa.ArrowInvalid as error:
            if NO_VIEW in str(error):
                raise ResourceError(f"{self.address} has lost what it was shown of the graph", fix=_AGAIN) from None
            raise UsageError(f"{self.address} refuses: {_brief(error)}") from None
        except (pa.ArrowException, OSError, ValueError, KeyError, IndexError) as error:
            raise ResourceError(f"{self.address}: {_brief(error)}", fix=_AGAIN) from None


def _brief(error: Exception) -> str:
    """What the server said, without gRPC's and Python's own words around it."""
    text = " ".join(str(error).split())
    for mark in (". Detail:", ". gRPC client debug context", " Detail: ", ". Client context:"):
        text = text.partition(mark)[0]
    for prefix in ("Flight returned ", "gRPC returned "):
        if text.startswith(prefix):
            text = text.partition(", with message: ")[2] or text
    return text.rstrip(". ")


def read_certificate(chain: Path | None, key: Path | None) -> Certificate | None:
    """What ``--tls-cert`` and ``--tls-key`` name, or None.

    Raises:
        UsageError: one of them alone.
    """
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        raise UsageError("--tls-cert and --tls-key go together", fix="pass both, or neither")
    return chain.read_bytes(), key.read_bytes()
