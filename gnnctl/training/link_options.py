"""What learning from links asks for beyond any training."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from gnnctl.errors import UsageError
from gnnctl.nn.decoders.registry import DecoderOptions
from gnnctl.sampling.link_negatives import LinkCorrupt
from gnnctl.splits.link_target import LinkTarget

if TYPE_CHECKING:
    from gnnctl.splits import NodeSplit
    from gnnctl.splits.link import LinkSplit

Loss = Literal["bce", "margin", "softmax", "all"]
NegativeMethod = Literal["uniform", "degree", "in-batch", "hard"]
DEFAULT_NEGATIVES = 8
HARD_POOL = 4  # uniform negatives that a hard one is chosen from


@dataclass(frozen=True)
class LinkOptions:
    """How links are scored and learnt. All of it is part of the model's recipe.

    Attributes:
        decoder: scores a pair.
        loss: ``bce``, binary cross-entropy of positives and negatives; ``margin``, max(0, margin - positive +
            negative); ``softmax``, cross-entropy of a positive among its negatives; ``all``, of the true end among all
            candidates, at either end.
        negatives: of each link; for ``all`` so many candidates that a batch's links share, 0: all there are.
        negative_method: how they are drawn. ``hard`` keeps the quarter that the model scores highest of uniform ones.
        corrupt: the end that is drawn anew.
        keep_known: a negative may be a known link.
        margin: of the loss ``margin``.
        adversarial: temperature by which negatives are weighted by their own scores ("RotatE", Sun et al., 2019); 0
            weighs them alike.
        n3: weight of the cubes of the numbers that a link is scored with ("Canonical Tensor Decomposition for Knowledge
            Base Completion", Lacroix et al., 2018).
        eval_links: validation links that an epoch's metrics are of; 0: all.
    """

    decoder: DecoderOptions = field(default_factory=DecoderOptions)
    loss: Loss = "bce"
    negatives: int = DEFAULT_NEGATIVES
    negative_method: NegativeMethod = "uniform"
    corrupt: LinkCorrupt = "either"
    keep_known: bool = False
    margin: float = 1.0
    adversarial: float = 0.0
    n3: float = 0.0
    eval_links: int = 2000

    def __post_init__(self) -> None:
        for name, choices in (("loss", Loss), ("negative_method", NegativeMethod), ("corrupt", LinkCorrupt)):
            if getattr(self, name) not in get_args(choices):
                text = f"{_flag(name)} cannot be {getattr(self, name)!r}"
                raise UsageError(text, fix=f"choose one of {', '.join(get_args(choices))}")
        for name in ("margin", "adversarial", "n3"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(
                    f"{_flag(name)} {getattr(self, name)} is no finite number from 0 on", fix="pass 0 or more"
                )
        least = 0 if self.loss == "all" else 1
        if self.negatives < least:
            raise UsageError(f"--negatives {self.negatives}: --loss {self.loss} needs some", fix="pass 1 or more")
        if self.eval_links < 0:
            raise UsageError(f"--eval-links {self.eval_links} is negative", fix="pass 0 for all")
        if self.loss == "all":
            self._refuse({"negative_method": "uniform", "corrupt": "either", "adversarial": 0.0}, "--loss all")
        if self.loss != "margin":
            self._refuse({"margin": 1.0}, f"--loss {self.loss}")
        if self.negative_method == "in-batch" and self.corrupt == "both":
            raise UsageError("--corrupt both: in-batch negatives keep one end", fix="pass --corrupt either, dst or src")
        if self.loss == "softmax":
            self._refuse({"adversarial": 0.0}, "--loss softmax, which weighs negatives by their scores already")
        if self.decoder.reciprocal and self.loss != "all":
            raise UsageError(f"--reciprocal does not go with --loss {self.loss}", fix="pass --loss all")

    def _refuse(self, unused: dict[str, Any], why: str) -> None:
        for name, default in unused.items():
            if getattr(self, name) != default:
                raise UsageError(f"{_flag(name)} does not go with {why}", fix="leave it out")

    def to_json(self) -> dict[str, Any]:
        """The options as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "LinkOptions":
        """The options of a model.json."""
        return cls(**{**document, "decoder": DecoderOptions(**document["decoder"])})


def _flag(name: str) -> str:
    return {"loss": "--loss"}.get(name, f"--{name.replace('_', '-')}")


def read_link_options(
    split: "NodeSplit | LinkSplit",
    asked: Mapping[str, Any],
    source: str = "the split",
    sampled: Mapping[str, Any] | None = None,
) -> LinkOptions | None:
    """The options of a split of links; None where it is of something else.

    Args:
        split: what is trained on.
        asked: by name a field of :class:`LinkOptions`, ``decoder`` as text and ``reciprocal``; None and False were not
            asked for.
        source: name of the split, for errors.
        sampled: of subgraphs, the options that they were sampled with, their negatives' among them.

    Raises:
        UsageError: options that do not fit, or that the split has no use for.
    """
    given = {name: value for name, value in asked.items() if value is not None and value is not False}
    target = split.target
    if not isinstance(target, LinkTarget) or target.task != "link":
        if given:
            text = f"{_flag(next(iter(given)))} is for links to be found; {source} is a split of {target.task}s"
            raise UsageError(text, fix="leave it out")
        return None
    if sampled is not None:
        if sampled.get("features") == "packed" and "eval_links" in given:
            raise UsageError(
                f"--eval-links: {source} has features packed, all its links are judged", fix="leave it out"
            )
        for name in ("negatives", "negative_method", "corrupt", "keep_known"):
            if name in given:
                raise UsageError(f"{_flag(name)}: the subgraphs have their negatives already", fix="leave it out")
            given[name] = sampled[name]
        if given.get("loss") == "all":
            raise UsageError(f"--loss all: {source} does not hold all candidates", fix="train on the split itself")
    text = str(given.pop("decoder", "dot" if len(target.edge_types) == 1 else "distmult"))
    decoder = DecoderOptions.parse(text, reciprocal=bool(given.pop("reciprocal", False)))
    if given.get("loss") == "all":
        given.setdefault("negatives", 0)
    return LinkOptions(decoder=decoder, **given)


def check_sampled(links: LinkOptions) -> None:
    """UsageError: a loss that needs what sampled batches do not hold."""
    if links.loss == "all":
        text = "--loss all: a sampled batch does not hold all candidates"
        raise UsageError(text, fix="pass --loss softmax, or leave --num-neighbors out")
