"""A graph whose arrays lie on a server: read in rows and ranges, sampled there."""

import os
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gnnctl.artifacts import Artifact
from gnnctl.artifacts.manifest import Manifest
from gnnctl.errors import ArtifactError, UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.layout import open_edges, open_nodes
from gnnctl.graph.store_interfaces import Column
from gnnctl.graph.stores import NodeStore
from gnnctl.graph.types import EdgeType
from gnnctl.remote.connection import Connection
from gnnctl.remote.protocol import is_address
from gnnctl.remote.stores import ServedEdges, ServedFeatures

if TYPE_CHECKING:
    import pyarrow as pa


class ServedArtifact(Artifact):
    """The graph artifact of a server; arrays are columns of a store, tables are fetched when asked for."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self._description = connection, connection.description
        self.features = ServedFeatures(connection)
        try:
            super().__init__(Path(connection.address), Manifest(**self._description["manifest"]))
        except (KeyError, TypeError):
            raise ArtifactError(f"{connection.address} serves no graph", fix="run gnnctl serve GRAPH there") from None

    def reference(self, folder: Path) -> str:
        """See :class:`Artifact`; the address."""
        return self.connection.address

    def array(self, name: str) -> np.ndarray:
        """See :class:`Artifact`."""
        column = Column(self.features, self.features.key_of(name))
        # A column is indexed like an array, which is all that is done with arrays that may be large.
        return cast(np.ndarray, np.asarray(column) if name.endswith("/x_scale") else column)

    def table(self, name: str) -> "pa.Table":
        """See :class:`Artifact`."""
        return self.connection.table(name)

    def json(self, name: str) -> Any:
        """See :class:`Artifact`."""
        return self._description["documents"][name]


class ServedNodes(NodeStore):
    """Nodes of a served graph: ids and kept columns are fetched when they are first asked for, each once."""

    _artifact: ServedArtifact
    _base: str
    _has: dict[str, Any]

    @classmethod
    def of(cls, artifact: ServedArtifact, entry: dict[str, Any]) -> "ServedNodes":
        """The nodes that an entry of ``graph.json`` tells of."""
        base = f"nodes/{entry['name']}"
        plain = open_nodes(artifact, base, {**entry, "ids": False, "columns": []})
        made = object.__new__(cls)  # its own ids and columns are computed, not set
        vars(made).update({f.name: getattr(plain, f.name) for f in fields(plain) if f.name not in ("ids", "columns")})
        vars(made).update(_artifact=artifact, _base=base, _has=entry)
        return made

    @cached_property
    def ids(self) -> Any:
        """See :class:`NodeStore`."""
        return self._artifact.table(f"{self._base}/ids")["id"] if self._has["ids"] else None

    @cached_property
    def columns(self) -> "pa.Table | None":
        """See :class:`NodeStore`."""
        return self._artifact.table(f"{self._base}/columns") if self._has["columns"] else None


class ServedGraph(Graph):
    """A graph on a server; what is sampled from it is sampled there.

    Attributes:
        connection: to the server.
        features: all arrays of its nodes and edges, as a FeatureStore.
        structure: its edges, as a GraphStore.
    """

    def __init__(self, artifact: ServedArtifact) -> None:
        layout = artifact.json("graph")
        nodes: dict[str, NodeStore] = {e["name"]: ServedNodes.of(artifact, e) for e in layout["nodes"]}
        kinds = {EdgeType(*entry["type"]): entry for entry in layout["edges"]}
        edges = {t: open_edges(artifact, t, {**entry, "columns": None}) for t, entry in kinds.items()}
        super().__init__(nodes, edges, encoders=artifact.json("encoders"), artifact=artifact)
        self.connection, self.features = artifact.connection, artifact.features
        self.structure = ServedEdges(self.features, {t: n.num_nodes for t, n in nodes.items()}, list(edges))


def open_served(address: str, *, token: str | None = None, tls_ca: Path | None = None) -> ServedGraph:
    """The graph of a server.

    Args:
        token: see :class:`Connection`; None takes the environment's GNNCTL_TOKEN.
    """
    return ServedGraph(ServedArtifact(Connection(address, token or os.environ.get("GNNCTL_TOKEN"), tls_ca)))


def graph_option(text: str | None, token_file: Path | None = None, tls_ca: Path | None = None) -> Path | Graph | None:
    """What ``--graph`` names: a path, or the opened graph of a server.

    Raises:
        UsageError: options of a server that go with a path.
    """
    if text is not None and is_address(text):
        token = None if token_file is None else read_token(token_file)
        return open_served(text, token=token, tls_ca=tls_ca)
    if flag := "--token-file" if token_file is not None else "--tls-ca" if tls_ca is not None else None:
        raise UsageError(f"{flag} is for a graph on a server", fix="pass --graph grpc://HOST:PORT, or leave it out")
    return None if text is None else Path(text)


def read_token(file: Path) -> str:
    """The token in a file, without the line's end.

    Raises:
        UsageError: the file is empty.
    """
    token = file.read_text(encoding="ascii", errors="replace").strip()
    if not token or "\n" in token or not token.isascii():
        raise UsageError(f"--token-file {file}: expected one line of ASCII", fix="write the token into it")
    return token


def graph_parent(artifact: Artifact, given: Graph | Path | str | None) -> Graph:
    """The graph that an artifact was made from, where it was or as ``given``.

    Raises:
        ArtifactError: not there, or not the one.
    """
    if not isinstance(given, Graph):
        return Graph.open(artifact.parent("graph", None if given is None else Path(given)))
    if isinstance(given, ServedGraph):
        made_from = {p["role"]: p["fingerprint"] for p in artifact.manifest.parents}
        if made_from.get("graph") != given.fingerprint:
            raise ArtifactError(
                f"{artifact.path} was made from another graph than the one at {given.connection.address}",
                fix="serve that graph",
            )
    return given
