"""What every decoder offers: scores of given pairs, and of each query against all candidates."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Decoder(nn.Module, ABC):
    """Scores links; a larger score is a likelier link.

    Attributes:
        scratch: numbers of memory that :meth:`against_all` takes for a score, the score itself among them.

    Args:
        channels: width of an embedding.
        relations: number of edge types; a decoder that does not tell them apart has none.

    Raises:
        ValueError: ``channels`` or ``relations`` is out of range.
    """

    scratch = 1

    def __init__(self, channels: int, relations: int = 0) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"channels must be at least 1, got {channels}")
        if relations < 0:
            raise ValueError(f"relations must be at least 0, got {relations}")
        self.channels = channels
        self.relations = relations

    @abstractmethod
    def forward(self, src: Tensor, dst: Tensor, relation: Tensor | None = None) -> Tensor:
        """Scores (n,) of n links: src and dst (n, channels), relation (n,) int64 edge types."""

    @abstractmethod
    def against_all(
        self, ends: Tensor, candidates: Tensor, relation: Tensor | None = None, *, candidate_is_src: bool = False
    ) -> Tensor:
        """Scores (n, m) of every link between ends (n, channels) and candidates (m, channels).

        ``ends`` are the sources, or with ``candidate_is_src`` the destinations; relation (n,) belongs to them.
        """

    def moduli(self, ends: Tensor) -> Tensor:
        """Absolute values (n, w) of the numbers that embeddings (n, channels) are made of; what N3 weighs."""
        return ends.abs()

    def relation_moduli(self, relation: Tensor) -> Tensor | None:
        """Absolute values (n, w) of the numbers that edge types (n,) are made of; None where none can grow."""
        return None

    def reset_ends(self, weight: Tensor) -> None:
        """First values of embeddings (n, channels) that are learnt with the decoder, in place: normal, of variance
        1 / channels."""
        nn.init.normal_(weight, std=self.channels**-0.5)


class RelationDecoder(Decoder):
    """A decoder with a row of parameters, ``relation.weight`` (relations, width), for each edge type."""

    def __init__(self, channels: int, relations: int, width: int) -> None:
        super().__init__(channels, relations)
        if relations < 1:
            raise ValueError(f"relations must be at least 1, got {relations}")
        self.relation = nn.Embedding(relations, width)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier uniform."""
        nn.init.xavier_uniform_(self.relation.weight)

    def rows(self, relation: Tensor | None) -> Tensor:
        """Parameters (n, width) of the edge types asked for; ValueError where none are given."""
        if relation is None:
            raise ValueError(f"relation is needed: {type(self).__name__} scores each edge type in its own way")
        found: Tensor = self.relation(relation)
        return found

    def relation_moduli(self, relation: Tensor) -> Tensor | None:
        """Of the rows."""
        return self.moduli(self.rows(relation))
