"""Links as the request to sample around them names them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.remote.protocol import LINKS, Request
from gnnctl.sampling.link_batch import LinkBatch
from gnnctl.splits.link import Links


def links_request(
    links: LinkBatch, opposite: Mapping[EdgeType, Sequence[EdgeType]], words: Mapping[str, Any]
) -> Request:
    """The request for the subgraph around links.

    Args:
        opposite: by edge type of the links, those that hold the same links the other way round.
        words: that say how and where it is sampled.
    """
    about = {
        "edge_types": [str(t) for t in links.edge_types],
        "opposite": [[str(back) for back in opposite.get(t, ())] for t in links.edge_types],
    }
    columns = {"src": links.src, "dst": links.dst, "group": links.group, "relation": links.relation[links.group]}
    if links.times is not None:
        columns["time"] = links.times[links.group]
    return Request(LINKS, {**words, **about}, columns)


def read_links(request: Request, graph: Graph, disjoint: bool) -> tuple[LinkBatch, dict[EdgeType, list[EdgeType]]]:
    """The links of a request, and what holds them the other way round.

    Raises:
        ValueError: they are none of the graph's.
    """
    names, opposite = request.word("edge_types", list), request.word("opposite", list)
    known = {str(t): t for t in graph.edges}
    try:
        types = tuple(known[name] for name in names)
        back = {t: [known[name] for name in others] for t, others in zip(types, opposite, strict=True)}
    except (KeyError, TypeError, ValueError):
        raise ValueError("'links' wants 'edge_types' of the graph, and for each a list of 'opposite' ones") from None
    columns = request.columns
    if missing := [name for name in ("src", "dst", "group", "relation") if name not in columns]:
        raise ValueError(f"'links' wants the column '{missing[0]}'")
    src, dst, group, relation = (columns[name] for name in ("src", "dst", "group", "relation"))
    step = np.diff(group, prepend=-1)
    if not types or (len(group) and (group[0] != 0 or step.min() < 0 or step.max() > 1)):
        raise ValueError("links: they are not sorted by group, from 0 without gaps")
    if len(relation) and not (relation.min() >= 0 and relation.max() < len(types)):
        raise ValueError(f"links: a relation outside 0..{len(types) - 1}")
    for number, t in enumerate(types):
        for rows, end in ((src, t.src), (dst, t.dst)):
            own = rows[relation == number]
            if len(own) and not (own.min() >= 0 and own.max() < graph.num_nodes(end)):
                raise ValueError(f"links: a row outside 0..{graph.num_nodes(end) - 1} of '{end}'")
    first = np.flatnonzero(step)
    time = columns["time"][first] if "time" in columns else None
    links = LinkBatch(
        types, src.copy(), dst.copy(), group.astype(np.int32), relation[first].astype(np.int32), time, disjoint
    )
    return links, back


def no_links(like: LinkBatch) -> Links:
    """A part without links, that has times where these have: for who samples around links that are drawn already."""
    none = np.zeros(0, np.int64)
    return Links(none, none, none, none, None if like.times is None else none)
