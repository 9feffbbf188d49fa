"""Encoder of text: hashed TF-IDF."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gnnctl.ingest.encoders.base import Column, Encoder, WrongType

if TYPE_CHECKING:
    import pyarrow as pa
    from scipy.sparse import csr_matrix


@dataclass(kw_only=True)
class Text(Encoder):
    """Words hashed into ``size`` columns, weighted by rarity, each row of Euclidean length 1; null is empty text.

    As scikit-learn's HashingVectorizer followed by TfidfTransformer: idf = ln((1 + n) / (1 + df)) + 1 over the n rows
    fitted on.

    Args:
        size: width D.
        ngrams: longest run of words (or characters) that counts as one term.
        analyzer: ``word``, or ``char_wb`` for character runs within words.
        sublinear: 1 + ln(count) instead of the count.
    """

    argument: ClassVar[str | None] = "size"

    size: int = 512
    ngrams: int = 1
    analyzer: str = "word"
    sublinear: bool = False

    def __post_init__(self) -> None:
        if self.size < 1 or self.ngrams < 1:
            raise ValueError("size and ngrams must be at least 1")
        if self.analyzer not in ("word", "char_wb"):
            raise ValueError("analyzer takes word, char_wb")

    def project(self, column: str, column_type: str) -> str:
        if column_type == "VARCHAR":
            return column
        if column_type == "VARCHAR[]":
            return f"array_to_string({column}, ' ')"
        raise WrongType("needs text")

    def fit(self, column: Column) -> None:
        count, frequency = 0, np.zeros(self.size, np.int64)
        for chunk in column.chunks():
            count += len(chunk)
            frequency += np.bincount(self._counts(chunk).indices, minlength=self.size)
        self.state = {"idf": [float(v) for v in np.log((1 + count) / (1 + frequency)) + 1.0]}

    def names(self, name: str) -> list[str]:
        return [f"{name}[{i}]" for i in range(self.size)]

    def encode(self, values: "pa.Array") -> np.ndarray:
        from sklearn.preprocessing import normalize

        counts = self._counts(values).astype(np.float64)
        if self.sublinear:
            counts.data = np.log(counts.data) + 1.0
        counts.data *= np.asarray(self.state["idf"])[counts.indices]
        dense: np.ndarray = normalize(counts, norm="l2", copy=False).toarray().astype(np.float32)
        return dense

    def _counts(self, values: "pa.Array") -> "csr_matrix":
        """Term counts (n, size), each column at most once a row."""
        from sklearn.feature_extraction.text import HashingVectorizer

        vectorizer: Any = HashingVectorizer(
            n_features=self.size, ngram_range=(1, self.ngrams), analyzer=self.analyzer, alternate_sign=False, norm=None
        )
        counts = vectorizer.transform(values.fill_null("").to_pylist())
        counts.sum_duplicates()
        return counts
