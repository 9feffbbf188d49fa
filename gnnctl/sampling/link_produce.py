"""The records of a split of links."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from gnnctl.errors import UsageError
from gnnctl.graph.graph import Graph
from gnnctl.graph.types import EdgeType
from gnnctl.sampling.columns import Layout, RecordColumns
from gnnctl.sampling.link_columns import LinkLayout
from gnnctl.sampling.link_negatives import LinkNegatives
from gnnctl.sampling.link_sampler import LinkSampler, check_links, opposites_of
from gnnctl.sampling.method import Method
from gnnctl.sampling.methods import MethodSpec, Spec, open_method
from gnnctl.sampling.plan import RecordPlan
from gnnctl.sampling.produce import Producer
from gnnctl.sampling.spec import SampleSpec
from gnnctl.splits.link import LinkSplit


@dataclass(frozen=True)
class LinkProducer(Producer):
    """Makes the records of a plan over the links of a split, which it names by their numbers in their part.

    Attributes:
        split: each part is sampled from its own view.
        negatives: of training links; those of val and test are the split's.
        opposite: by type of the links, those that hold the same links the other way round.
    """

    split: LinkSplit = field(kw_only=True)
    negatives: LinkNegatives | None = field(default=None, kw_only=True)
    opposite: Mapping[EdgeType, Sequence[EdgeType]] = field(default_factory=dict, kw_only=True)

    @classmethod
    def of(
        cls, split: LinkSplit, spec: Spec, plan: RecordPlan, negatives: LinkNegatives | None, balanced: bool = False
    ) -> "LinkProducer":
        """A producer for a split; its plan's parts count the links of each part.

        Raises:
            UsageError, DataError: a way of sampling that does not go with links, or with records of single ones.
        """
        timed = all(links.time is not None for links in split.parts.values())
        check_links(spec if isinstance(spec, SampleSpec) else None, split.target.edge_types, timed=timed)
        if plan.unit == "seed":
            check_single_links(spec, negatives)
        types = split.target.edge_types
        return cls(
            split.graph,
            spec,
            plan,
            types[0].src,
            {name: links.label for name, links in split.parts.items()},
            balanced,
            split=split,
            negatives=negatives,
            opposite=opposites_of(split),
        )

    @property
    def layout(self) -> Layout:
        """What the records have in common."""
        return self._layout(link_layout(self.split, self.spec))

    def methods(self, parts: list[str], num_threads: int) -> dict[str, Method]:
        """By part what samples its view."""
        return {name: self._sampler(name, num_threads) for name in parts}

    def sampler(self, part: str) -> LinkSampler:
        """What samples one part, opened once."""
        if part not in self._methods:
            self._methods[part] = self._sampler(part, 1)
        found = self._methods[part]
        assert isinstance(found, LinkSampler)
        return found

    def _sampler(self, part: str, num_threads: int) -> LinkSampler:
        return LinkSampler(
            open_method(self.split.view(part), self.spec, num_threads=num_threads),
            self.split.part(part),
            self.split.target.edge_types,
            self.negatives if part == "train" else self.split.negatives.get(part),
            opposite=self.opposite,
        )

    def view(self, part: str) -> Graph:
        """The part's own view: positions of edges are its own."""
        return self.split.view(part)

    def times(self, columns: RecordColumns) -> np.ndarray | None:
        """None: the columns have those of links, if there are any."""
        return None


def link_layout(split: LinkSplit, spec: Spec) -> LinkLayout:
    """What records around the links of a split have in common."""
    return LinkLayout(tuple(split.target.edge_types), not isinstance(spec, MethodSpec) and spec.disjoint)


def numbers_of(split: LinkSplit) -> dict[str, np.ndarray]:
    """By part the numbers of its links: what a plan's seeds are."""
    return {name: np.arange(len(links.src)) for name, links in split.parts.items()}


def check_single_links(spec: Spec, negatives: LinkNegatives | None) -> None:
    """Refuse records of single links that would not make up batches.

    Raises:
        UsageError: why, and what to do.
    """
    if isinstance(spec, MethodSpec):
        raise UsageError("--unit seed: links are single with fan-outs only", fix="use --unit batch")
    if negatives is not None and negatives.method == "in-batch":
        raise UsageError("--unit seed: in-batch negatives depend on the batch", fix="use --unit batch")


def resolved_negatives(split: LinkSplit, given: Mapping[str, Any]) -> dict[str, Any]:
    """By name of an option how the negatives of training are drawn; empty for labelled edges.

    Args:
        given: see :func:`link_producer`.

    Raises:
        UsageError: what does not go together, or with labelled edges.
    """
    if split.target.task == "edge":
        if given:
            raise UsageError(f"--{next(iter(given))}: edges that are there have no negatives", fix="leave it out")
        return {}
    resolved = {"negatives": 8, "negative-method": "uniform", "corrupt": "either", "keep-known": False, **given}
    if resolved["negative-method"] == "in-batch" and resolved["corrupt"] == "both":
        raise UsageError("--corrupt both: in-batch negatives keep one end", fix="pass --corrupt either, dst or src")
    return {name.replace("-", "_"): value for name, value in resolved.items()}


def given_negatives(options: Mapping[str, Any]) -> dict[str, Any]:
    """What :func:`link_producer` is given, from the resolved options of records that it made."""
    names = ("negatives", "negative_method", "corrupt", "keep_known")
    return {name.replace("_", "-"): options[name] for name in names if name in options}


def link_producer(
    split: LinkSplit,
    spec: Spec,
    unit: Literal["batch", "seed"],
    batch_size: int,
    epochs: int,
    seed: int,
    balanced: bool,
    given: dict[str, Any],
) -> tuple[LinkProducer, dict[str, Any]]:
    """What makes the records of a split of links, and the options that say which negatives they have.

    Args:
        given: negatives, negative-method, corrupt and keep-known, those that were asked for.

    Raises:
        UsageError: what does not go together, or with labelled edges.
    """

    plan, resolved = RecordPlan(numbers_of(split), unit, batch_size, epochs, seed), resolved_negatives(split, given)
    if not resolved:
        return LinkProducer.of(split, spec, plan, None, balanced), {}
    negatives = LinkNegatives.of(
        split,
        resolved["negatives"],
        method=resolved["negative_method"],
        corrupt=resolved["corrupt"],
        keep_known=resolved["keep_known"],
        seed=seed,
    )
    return LinkProducer.of(split, spec, plan, negatives), resolved
