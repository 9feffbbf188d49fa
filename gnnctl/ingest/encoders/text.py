"""Encoder of text: hashed TF-IDF."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gnnctl.ingest.encoders.base import Column, Encoder, WrongType

if TYPE_CHECKING:
    import pyarrow as pa
    from scipy.sparse import csr_matrix

# A column is named after this many of its terms, each cut to so many characters.
_NAMED_AFTER = 3
_LONGEST = 32
# Terms counted at once: beyond, the rarer half is forgotten. Part of the content, must never change.
_MOST_TERMS = 1 << 20
_COUNTED_ROWS = 1 << 12


@dataclass(kw_only=True)
class Text(Encoder):
    """Words hashed into ``size`` columns, weighted by rarity, each row of Euclidean length 1; null is empty text.

    As scikit-learn's HashingVectorizer followed by TfidfTransformer: idf = ln((1 + n) / (1 + df)) + 1 over the n rows
    fitted on. A column is named after the terms that most of those rows have among the terms hashed into it, as in
    ``summary: game|engine|puzzle``.

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
        rows_with: Counter[str] = Counter()
        for chunk in column.chunks():
            count += len(chunk)
            frequency += np.bincount(self._counts(chunk).indices, minlength=self.size)
            for start in range(0, len(chunk), _COUNTED_ROWS):
                self._count_terms(chunk.slice(start, _COUNTED_ROWS), rows_with)
        idf = [float(v) for v in np.log((1 + count) / (1 + frequency)) + 1.0]
        self.state = {"idf": idf, "terms": self._named_after(rows_with)}

    def names(self, name: str) -> list[str]:
        # Graphs of before terms were recorded have none.
        terms = self.state.get("terms") or [[]] * self.size
        names = [f"{name}: {'|'.join(found)}" if found else f"{name}[{i}]" for i, found in enumerate(terms)]
        often = Counter(names)
        return [text if often[text] == 1 else f"{text}[{i}]" for i, text in enumerate(names)]

    def encode(self, values: "pa.Array") -> np.ndarray:
        from sklearn.preprocessing import normalize

        counts = self._counts(values).astype(np.float64)
        if self.sublinear:
            counts.data = np.log(counts.data) + 1.0
        counts.data *= np.asarray(self.state["idf"])[counts.indices]
        dense: np.ndarray = normalize(counts, norm="l2", copy=False).toarray().astype(np.float32)
        return dense

    def _count_terms(self, values: "pa.Array", rows_with: Counter[str]) -> None:
        """Add to ``rows_with`` how many of the values have each term.

        Values come in the order of nodes or edges, not of the input, so what is forgotten does not depend on it.
        """
        analyze = self._vectorizer().build_analyzer()
        for text in values.fill_null("").to_pylist():
            rows_with.update(set(analyze(text)))
        if len(rows_with) > _MOST_TERMS:
            kept = _most_frequent(rows_with)[: _MOST_TERMS // 2]
            rows_with.clear()
            rows_with.update(dict(kept))

    def _named_after(self, rows_with: Counter[str]) -> list[list[str]]:
        """Terms that each column is named after, most frequent first, then alphabetically."""
        from sklearn.feature_extraction import FeatureHasher

        found: list[list[str]] = [[] for _ in range(self.size)]
        terms = [term for term, _ in _most_frequent(rows_with)]
        if terms:
            hasher = FeatureHasher(self.size, input_type="string", alternate_sign=False)
            for term, column in zip(terms, hasher.transform([term] for term in terms).indices, strict=True):
                if len(found[column]) < _NAMED_AFTER:
                    found[column].append(term if len(term) <= _LONGEST else f"{term[: _LONGEST - 1]}…")
        return found

    def _vectorizer(self) -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer

        return HashingVectorizer(
            n_features=self.size, ngram_range=(1, self.ngrams), analyzer=self.analyzer, alternate_sign=False, norm=None
        )

    def _counts(self, values: "pa.Array") -> "csr_matrix":
        """Term counts (n, size), each column at most once a row."""
        counts = self._vectorizer().transform(values.fill_null("").to_pylist())
        counts.sum_duplicates()
        return counts


def _most_frequent(rows_with: Counter[str]) -> list[tuple[str, int]]:
    return sorted(rows_with.items(), key=lambda item: (-item[1], item[0]))
