"""Training on links as events in time: a model with a memory goes through them in their order."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gnnctl.console import Progress, no_progress
from gnnctl.errors import DataError, UsageError
from gnnctl.nn.models import ModelOptions
from gnnctl.nn.models.event_model import EventBatch, EventModel
from gnnctl.page import Card
from gnnctl.sampling.methods import Spec
from gnnctl.sampling.share import Share
from gnnctl.splits.link import LinkSplit
from gnnctl.training.distributed import ALONE, Processes
from gnnctl.training.evaluation import Evaluation
from gnnctl.training.job import PARTS
from gnnctl.training.link_metrics import JUDGED, among_negatives, judged
from gnnctl.training.link_options import LinkOptions
from gnnctl.training.loop import seed_torch
from gnnctl.training.objective import Forward
from gnnctl.training.options import TrainOptions
from gnnctl.training.report.slices import over_time
from gnnctl.training.tasks import check_seeds

DEFAULT_EVENTS = 200  # a batch
METRICS = (*JUDGED, "sampled_mrr")


class Timeline:
    """The links of a split in the order of time, ready to be dealt out in batches.

    Nodes of both types are numbered one after the other. Links of one time stand in the graph's order.

    Args:
        split: links of one type with times, whose parts follow each other.

    Raises:
        UsageError: links of several types, without times, or parts that overlap in time.
    """

    def __init__(self, split: LinkSplit) -> None:
        if len(split.target.edge_types) != 1:
            raise UsageError("--model tgn: events are of one edge type", fix="split again with one --edge-type")
        (self.edge_type,) = split.target.edge_types
        self.split, graph = split, split.graph
        self.shift = 0 if self.edge_type.src == self.edge_type.dst else graph.num_nodes(self.edge_type.src)
        self.types = list(dict.fromkeys((self.edge_type.src, self.edge_type.dst)))
        self.num_nodes = sum(graph.num_nodes(t) for t in self.types)
        self.order: dict[str, np.ndarray] = {}
        latest = None
        for name in PARTS:
            links = split.part(name)
            if links.time is None:
                raise UsageError("--model tgn: the links have no times", fix="ingest the edges with time")
            if len(links.time) and latest is not None and int(links.time.min()) < latest:
                fix = "split again with --by time"
                raise UsageError(f"--model tgn: links of {name} are earlier than those before them", fix=fix)
            latest = int(links.time.max()) if len(links.time) else latest
            self.order[name] = np.lexsort((links.pos, links.time))
        edge_attr = graph.edges[self.edge_type].edge_attr
        self.message_channels = 0 if edge_attr is None else edge_attr.shape[1]

    @property
    def unit(self) -> float:
        """The mean time between two training events of a node."""
        time = self.split.part("train").time
        if time is None or not len(time):
            return 1.0
        return max(1.0, (float(time.max()) - float(time.min())) * self.num_nodes / (2 * len(time)))

    def features(self) -> Tensor | None:
        """(num_nodes, D) float32; types have columns of their own. None where no type has any."""
        stores = [self.split.graph.nodes[t] for t in self.types]
        widths = [0 if (x := store.features()) is None else x.shape[1] for store in stores]
        if not sum(widths):
            return None
        found = torch.zeros(self.num_nodes, sum(widths))
        row = column = 0
        for store, width in zip(stores, widths, strict=True):
            if width:
                x = store.features()
                assert x is not None
                found[row : row + store.num_nodes, column : column + width] = torch.from_numpy(x)
            row, column = row + store.num_nodes, column + width
        return found

    def batches(
        self, name: str, size: int, negatives: tuple[np.ndarray, np.ndarray], *, first: bool
    ) -> Iterator[EventBatch]:
        """The events of a part.

        Args:
            negatives: sources and destinations (n, K) in the order of :attr:`order`, rows of their types.
            first: a run through time begins here.
        """
        links, order = self.split.part(name), self.order[name]
        assert links.time is not None
        attr = self.split.graph.edges[self.edge_type].edge_attr
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            message = np.zeros((len(rows), 0), np.float32) if attr is None else np.asarray(attr[links.pos[rows]])
            part = slice(start, start + size)
            yield EventBatch(
                source=torch.from_numpy(links.src[rows]),
                destination=torch.from_numpy(links.dst[rows] + self.shift),
                time=torch.from_numpy(links.time[rows]),
                message=torch.from_numpy(np.ascontiguousarray(message, dtype=np.float32)),
                negative=torch.from_numpy(np.stack([negatives[0][part], negatives[1][part] + self.shift])),
                first=first and start == 0,
            )

    def drawn(self, name: str, count: int, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """For each event ``count`` destinations, uniform over the nodes of the type; a function of (seed, epoch)."""
        links, order = self.split.part(name), self.order[name]
        rng = np.random.default_rng([seed, epoch, PARTS.index(name)])
        dst = rng.integers(0, self.split.graph.num_nodes(self.edge_type.dst), (len(order), count))
        return np.broadcast_to(links.src[order][:, None], dst.shape), dst

    def fixed(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The split's evaluation negatives of each event, (n, K) sources and destinations; K may be 0."""
        order, fixed = self.order[name], self.split.negatives.get(name)
        if fixed is None or not len(fixed.relation):
            none = np.zeros((len(order), 0), np.int64)
            return none, none
        each = len(fixed.relation) // len(order)
        return fixed.src.reshape(-1, each)[order], fixed.dst.reshape(-1, each)[order]


class EventSource:
    """The batches of a :class:`Timeline`; see :class:`gnnctl.training.loop.BatchSource`.

    Args:
        timeline: of the events. batch_size: of them. negatives: of each in training. seed: of those.
        device: where batches go.
    """

    def __init__(self, timeline: Timeline, batch_size: int, negatives: int, seed: int, device: torch.device) -> None:
        self._timeline, self._size, self._negatives, self._seed = timeline, batch_size, negatives, seed
        self._device = device
        self.steps = -(-len(timeline.order["train"]) // batch_size)
        self.has_validation = len(timeline.order["val"]) > 0

    def train(self, epoch: int) -> Iterable[EventBatch]:
        """The training events from the beginning."""
        drawn = self._timeline.drawn("train", self._negatives, self._seed, epoch)
        return self._moved(self._timeline.batches("train", self._size, drawn, first=True))

    def validation(self) -> Iterable[EventBatch]:
        """The events that follow, with their fixed negatives."""
        return self._moved(self._timeline.batches("val", self._size, self._timeline.fixed("val"), first=False))

    def _moved(self, batches: Iterator[EventBatch]) -> Iterator[EventBatch]:
        return (batch.to(self._device) for batch in batches)


class EventObjective:
    """Binary cross-entropy of events and what did not happen.

    Args:
        judged: whether the split has evaluation negatives.
    """

    def __init__(self, judged: bool) -> None:
        self._judged = judged

    def monitor(self, asked: str | None) -> str:
        """The metric ``asked`` for, or ``average_precision``; UsageError where there is none such."""
        choices = ("loss", *METRICS)
        if asked is not None and asked not in choices:
            raise UsageError(f"--monitor {asked} is no metric of events", fix=f"pass {', '.join(choices)}")
        if not self._judged:
            raise UsageError("--model tgn: the split has no evaluation negatives", fix="split with --eval-negatives 5")
        return asked or "average_precision"

    def to(self, device: torch.device) -> "EventObjective":
        """Has nothing to move."""
        return self

    def weight(self, batch: Any) -> float:
        """Events of the batch."""
        return float(batch.num_seeds)

    def loss(self, forward: Forward, batch: Any) -> Tensor:
        """The mean over events and negatives, which weigh alike."""
        return event_loss(*forward(batch))

    def validate(
        self, model: nn.Module, batches: Iterable[Any], processes: Processes = ALONE
    ) -> dict[str, float | None]:
        """Metrics of the events that follow, from the memory that training left."""
        assert isinstance(model, EventModel)
        model.absorb()
        return event_metrics(*joined(model.replay(batches)))


class EventJob:
    """Links in time, found by a model with a memory; see :class:`gnnctl.training.job.Job`.

    Args:
        split: of links with times, by time.
        links: of which the number of training negatives counts.
        batch_size: events that are scored from the same memories.

    Raises:
        UsageError: as :class:`Timeline`, and options that events have no use for.
    """

    def __init__(self, split: LinkSplit, links: LinkOptions | None, batch_size: int = DEFAULT_EVENTS) -> None:
        self.split, self.links, self.batch_size = split, links or LinkOptions(), batch_size
        usual = LinkOptions(negatives=self.links.negatives).to_json()
        unlike = (name for name, value in self.links.to_json().items() if value != usual[name])
        if name := next(unlike, None):
            raise UsageError(f"--{name.replace('_', '-')} does not go with --model tgn", fix="leave it out")
        self.timeline = Timeline(split)

    @property
    def recorded(self) -> dict[str, Any]:
        """See :class:`gnnctl.training.job.Job`."""
        return {"links": self.links.to_json()}

    def initial_model(self, options: ModelOptions, seed: int) -> EventModel:
        """See :class:`gnnctl.training.job.Job`."""
        seed_torch(seed, 0)
        return event_model(self.timeline, options)

    def objective(self, options: TrainOptions) -> EventObjective:
        """See :class:`gnnctl.training.job.Job`."""
        check_seeds("train", self.split.part("train").relation)
        for flag, used in (
            ("--class-weights", options.class_weights != "none"),
            ("--label-smoothing", options.label_smoothing != 0),
            ("--focal", options.focal != 0),
            ("--compile", options.compile),
        ):
            if used:
                raise UsageError(f"{flag} does not go with --model tgn", fix="leave it out")
        return EventObjective(self.timeline.fixed("val")[0].shape[1] > 0 or not len(self.timeline.order["val"]))

    def evaluate(
        self,
        model: nn.Module,
        device: torch.device,
        spec: Spec | None = None,
        progress: Progress = no_progress,
        processes: Processes = ALONE,
    ) -> Evaluation:
        """See :class:`gnnctl.training.job.Job`; the events are gone through once more, with the final weights.

        The baseline says of a pair whether it has been seen before.
        """
        assert isinstance(model, EventModel)
        found: dict[str, Any] = {}
        cards: list[Card] = []
        for name, positive, negative in replayed(self.timeline, model, self.batch_size, device, progress):
            plain = seen_before(self.timeline, name)
            found[name] = {
                "seeds": len(positive),
                **event_metrics(positive, negative),
                "baseline": {k: v for k, v in event_metrics(*plain).items() if k != "loss"} if len(positive) else {},
            }
            times = self.split.part(name).time
            if len(positive) and negative.shape[1] and times is not None:  # of the last part that has any
                ordered = times[self.timeline.order[name]]

                def value(chosen: np.ndarray, p: Tensor = positive, n: Tensor = negative) -> float | None:
                    return event_metrics(p[chosen], n[chosen])["average_precision"]

                chart = over_time("average_precision", ordered, value)
                cards = [] if chart is None else [chart]
        return Evaluation(found, cards)


def event_batches(
    split: LinkSplit, links: LinkOptions | None, batch_size: int | None, seed: int, device: torch.device, share: Share
) -> EventSource:
    """The batches of a split's events; UsageError where several processes would share them."""
    if share.among > 1:
        raise UsageError("events are gone through by one process", fix="leave torchrun out")
    negatives = (links or LinkOptions()).negatives
    return EventSource(Timeline(split), batch_size or DEFAULT_EVENTS, negatives, seed, device)


def event_model(timeline: Timeline, options: ModelOptions) -> EventModel:
    """The model of a timeline, its weights drawn from torch's generator; UsageError: options that do not fit."""
    if options.hidden % options.heads:
        problem = f"hidden {options.hidden} cannot be shared by {options.heads} heads"
        raise UsageError(problem, fix=f"make it a multiple of {options.heads}, or change heads")
    recent = int(options.parameters.get("recent", 10))
    if recent < 1:
        raise UsageError(f"--model tgn:recent={recent} looks at nothing", fix="pass 1 or more")
    return EventModel(
        timeline.num_nodes,
        timeline.message_channels,
        options.hidden,
        features=timeline.features(),
        heads=options.heads,
        recent=recent,
        dropout=options.dropout,
        unit=timeline.unit,
        pairs=bool(options.parameters.get("pairs", True)),
    )


def replayed(
    timeline: Timeline, model: EventModel, batch_size: int, device: torch.device, progress: Progress = no_progress
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """By part, in the order of time, scores (n,) of its events and (n, K) of their fixed negatives, on the CPU.

    Raises:
        DataError: scores that are no numbers.
    """
    model.eval()
    model.reset_state()
    total = sum(len(order) for order in timeline.order.values())
    with progress(total=total, desc="replay", unit="event") as bar:
        for name in PARTS:
            batches = timeline.batches(name, batch_size, timeline.fixed(name), first=name == PARTS[0])
            scores = []
            for pair in model.replay(batch.to(device) for batch in batches):
                scores.append(pair)
                bar.update(len(pair[0]))
            positive, negative = joined(scores)
            if not bool(torch.isfinite(positive).all()):
                raise DataError("the trained model gives scores that are no numbers", fix="lower --lr")
            yield name, positive, negative


def joined(scores: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Scores of batches, one after the other, on the CPU."""
    found = [(positive.cpu(), negative.cpu()) for positive, negative in scores]
    if not found:
        return torch.zeros(0), torch.zeros(0, 0)
    return torch.cat([positive for positive, _ in found]), torch.cat([negative for _, negative in found])


def event_loss(positive: Tensor, negative: Tensor) -> Tensor:
    """Mean binary cross-entropy of (n,) events, and of (n, K) negatives, each half of it."""
    happened = functional.binary_cross_entropy_with_logits(positive.float(), torch.ones_like(positive.float()))
    if not negative.numel():
        return happened
    not_so = functional.binary_cross_entropy_with_logits(negative.float(), torch.zeros_like(negative.float()))
    return (happened + not_so) / 2


def event_metrics(positive: Tensor, negative: Tensor) -> dict[str, float | None]:
    """``loss``, AUROC and average precision over all, and ``sampled_mrr``: of each event among its own negatives."""
    if not len(positive) or not negative.shape[1]:
        return {"loss": None, **dict.fromkeys(METRICS)}
    return {
        "loss": float(event_loss(positive, negative)),
        **judged(positive, negative.flatten()),
        "sampled_mrr": among_negatives(positive, negative)["sampled_mrr"],
    }


def seen_before(timeline: Timeline, name: str) -> tuple[Tensor, Tensor]:
    """1 for pairs that were events before, else 0: (n,) of a part's events, (n, K) of their negatives.

    "Towards Better Evaluation for Dynamic Link Prediction" (Poursafaei et al., 2022) calls it EdgeBank.
    """
    undirected = timeline.split.graph.edges[timeline.edge_type].undirected

    def pairs(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
        one, other = (np.minimum(src, dst), np.maximum(src, dst)) if undirected else (src, dst)
        found: np.ndarray = one * timeline.num_nodes + other
        return found

    keys, times = [], []
    for part in PARTS[: PARTS.index(name) + 1]:  # which follow each other
        links, order = timeline.split.part(part), timeline.order[part]
        assert links.time is not None
        keys.append(pairs(links.src, links.dst)[order])
        times.append(links.time[order])
    known, first = np.unique(np.concatenate(keys), return_index=True)
    when_first = np.concatenate(times)[first]

    def before(asked: np.ndarray, when: np.ndarray) -> Tensor:
        at = np.searchsorted(known, asked).clip(max=max(0, len(known) - 1))
        seen = (known[at] == asked) & (when_first[at] < when) if len(known) else np.zeros(asked.shape, bool)
        return torch.from_numpy(seen.astype(np.float32))

    return before(keys[-1], times[-1]), before(pairs(*timeline.fixed(name)), times[-1][:, None])
