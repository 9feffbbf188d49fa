"""What a reader of records must know beforehand: the document ``subgraphs.json``, and the head of a stream."""

from dataclasses import asdict, dataclass
from typing import Any

from gnnctl.errors import ArtifactError
from gnnctl.sampling.columns import Layout
from gnnctl.sampling.methods import Spec, read_spec
from gnnctl.sampling.packed import Packing
from gnnctl.sampling.plan import Segment, Unit
from gnnctl.sampling.produce import Producer
from gnnctl.sampling.records import label_kind


@dataclass(frozen=True)
class Description:
    """What all records of a run have in common, whichever files or shards they are in.

    Attributes:
        layout: types in order, hops, seeds' type.
        spec: how they were sampled.
        unit: a record for each batch, or for each seed.
        batch_size: seeds of a record: 1 where the unit is a seed.
        epochs: of training.
        labels: see :func:`gnnctl.sampling.records.label_kind`.
        segments: all records, by part and epoch.
        features: what lies beside the records; None: they refer to the graph's.
    """

    layout: Layout
    spec: Spec
    unit: Unit
    batch_size: int
    epochs: int
    labels: str | None
    segments: tuple[Segment, ...]
    features: Packing | None = None

    @classmethod
    def of(cls, producer: Producer, features: Packing | None = None) -> "Description":
        """What a producer will make."""
        plan = producer.plan
        return cls(
            producer.layout,
            producer.spec,
            plan.unit,
            plan.seeds_per_record,
            plan.epochs,
            label_kind(producer.labels["train"]),
            tuple(plan.segments()),
            features,
        )

    @property
    def records(self) -> int:
        """How many there are in all."""
        return sum(segment.records for segment in self.segments)

    def segment(self, part: str, epoch: int, where: str) -> Segment:
        """The records of a part and epoch.

        Raises:
            ArtifactError: there are none.
        """
        for segment in self.segments:
            if (segment.part, segment.epoch) == (part, epoch):
                return segment
        known = ", ".join(f"{s.part} {s.epoch}" for s in self.segments)
        raise ArtifactError(f"{where} has no records of {part} for epoch {epoch}", fix=f"it has {known}")

    def to_json(self) -> dict[str, Any]:
        """JSON document that :meth:`from_json` reads."""
        return {
            "layout": self.layout.to_json(),
            "spec": self.spec.to_json(),
            "unit": self.unit,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "labels": self.labels,
            "segments": [asdict(segment) for segment in self.segments],
            **({} if self.features is None else {"features": self.features.to_json()}),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Description":
        """Rebuild a description from its JSON document.

        Raises:
            ArtifactError: it is not one.
        """
        try:
            return cls(
                Layout.from_json(document["layout"]),
                read_spec(document["spec"]),
                document["unit"],
                document["batch_size"],
                document["epochs"],
                document["labels"],
                tuple(Segment(**segment) for segment in document["segments"]),
                Packing.from_json(document["features"]) if "features" in document else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"no description of sampled subgraphs: {error}", fix="make the records again") from None
