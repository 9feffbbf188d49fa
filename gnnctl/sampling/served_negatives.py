"""Negatives of a view on a server, which knows its edges."""

import numpy as np

from gnnctl.errors import ArtifactError, UsageError
from gnnctl.remote import ServedView
from gnnctl.remote.protocol import NEGATIVES, Request
from gnnctl.sampling.negatives import Negatives, NegativeSampler

_AT_ONCE = 1 << 20  # numbers of an answer
_MOST = 1 << 19  # positives of a request


class ServedNegatives(NegativeSampler):
    """A :class:`NegativeSampler` of a view on a server, which draws what this one would with the edges here."""

    graph: ServedView

    def sample(
        self, positives: np.ndarray | int, per_positive: int = 1, *, epoch: int = 0, num_threads: int = 1
    ) -> Negatives:
        """See :class:`NegativeSampler`; the server has threads of its own.

        Raises:
            UsageError: so many ``in-batch`` positives that they are more than a request.
        """
        src, dst = self._ends(positives)
        step = max(1, min(_MOST, _AT_ONCE // max(1, per_positive)))
        if self.method == "in-batch":
            if len(src) > _MOST:
                problem = f"in-batch negatives of {len(src):,} links at once are not drawn on a server"
                raise UsageError(problem, fix="pass a smaller --batch-size")
            step = _MOST
        found = [
            self._asked(src[start : start + step], dst[start : start + step], per_positive, epoch)
            for start in range(0, len(src), step)
        ]
        none = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool)
        drawn_src, drawn_dst, is_pair = (np.concatenate(part) for part in zip(none, *found, strict=True))
        each = np.repeat(np.arange(len(src)), per_positive)
        return Negatives(np.stack([drawn_src, drawn_dst]), is_pair, each)

    def _asked(
        self, src: np.ndarray, dst: np.ndarray, per_positive: int, epoch: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        view = self.graph
        words = {
            "view": view.on_server(),
            "edge_type": self.edge_type.key,
            "method": self.method,
            "corrupt": self.corrupt,
            "exclude": self.exclude,
            "loops": self.loops,
            "power": float(self.power),
            "seed": self.seed,
            "epoch": epoch,
            "per_positive": per_positive,
        }
        answer = view.connection.ask(Request(NEGATIVES, words, {"src": src, "dst": dst}))
        count, none = len(src) * per_positive, np.zeros(0, np.uint8)
        parts = [answer.get(name, none) for name in ("src", "dst", "found")]
        if [len(part) for part in parts] != [8 * count, 8 * count, count]:
            where = view.connection.address
            raise ArtifactError(f"{where}: negatives that are not those asked for", fix="use the same gnnctl there")
        return parts[0].view(np.int64), parts[1].view(np.int64), parts[2].view(bool)
