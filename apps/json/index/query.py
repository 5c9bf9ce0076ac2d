"""What a search asks of documents: estimated by vectors, then compared exactly, the likely ones first."""

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.index.matcher import Matcher, Reason, mass_of
from hdc.apps.json.index.rows import NORM
from hdc.apps.json.values.values import Values
from hdc.checks import choice
from hdc.errors import ParameterError
from hdc.search.measures import Floats

Missing: TypeAlias = Literal["ignore", "count"]

MISSING: tuple[Missing, ...] = ("ignore", "count")
"""Whether what a document has beyond the query lowers its score."""

LEAST, FEWEST = 400, 100
"""Documents, the best by vector, that are compared exactly; fewer, down to ``FEWEST``, with queries of many leaves."""

COMPARISONS = 4000
"""Leaves of the query times documents to compare, about, above which fewer documents are taken."""

MOST = 5
"""At most so many times as many are compared: as long as the next could still be among the best."""

DEVIATIONS = 2.0
"""Standard deviations of an estimate that the next one's score may be above it."""

PERFECT = 1 - 1e-9
"""Score, rounding aside, that none can be better than: ``FEWEST`` documents are enough if k of them have it."""

PATIENCE = 20_000
"""Documents tried against a filter, after which k that pass are enough."""


class Question:
    """A query in the form that estimates and scores need.

    Parameters
    ----------
    query : JSON value
    encoder : JSONEncoder
    missing : {"ignore", "count"}
    values : Values, optional
        The encoder's, with what they remember of other searches.

    Attributes
    ----------
    vector : (dim,) float32 array
    least : int
        Documents to compare exactly.

    Raises
    ------
    ParameterError
        If the query is no JSON or asks for nothing, or ``missing`` is something else.
    """

    def __init__(
        self,
        query: Any,
        encoder: JSONEncoder,
        missing: Missing,
        values: Values | None = None,
    ) -> None:
        if isinstance(query, dict | list) and not query:
            raise ParameterError('the query is empty: name at least one field, such as {"name": "Ada"}')
        choice(missing, "missing", MISSING)
        ((vectors, norms),) = encoder.encode([query])
        self.vector: Floats = vectors[0]
        self._norm, self._dim = float(norms[0]), encoder.dim
        self._missing, self._values, self._layout = missing, values or encoder.values, encoder.layout
        self._matcher = Matcher(query, self._values, self._layout)
        self.least = max(FEWEST, min(LEAST, COMPARISONS // self._matcher.leaves))

    def estimate(self, dots: Floats, scales: Floats) -> Floats:
        """Return the scores of documents that the dot products of vectors make likely: ``(n,)``."""
        shared = dots * scales[:, NORM] * self._norm
        return shared / self._whole(shared, scales)

    def deviation(self, scales: Floats) -> Floats:
        """Return the standard deviation of the estimates of documents: ``(n,)``."""
        noise = scales[:, NORM] * self._norm / np.sqrt(self._dim)
        return np.asarray(noise / self._whole(noise, scales), dtype=np.float32)

    def _whole(self, shared: Floats, scales: Floats) -> npt.NDArray[np.floating[Any]]:
        """Return the weights that shared weights are to be divided by."""
        whole = np.full(len(shared), self._norm**2, dtype=np.float32)
        if self._missing == "count":
            whole += np.maximum(scales[:, NORM] ** 2 - np.maximum(shared, 0), 0)
        return whole

    def prepare(self, documents: list[Any]) -> None:
        """Do at once, before their scores are asked for, what is cheaper so: see :meth:`Matcher.prepare`."""
        self._matcher.prepare(documents)

    def score(self, document: Any) -> float:
        """Return the exact score of a document."""
        return self._matcher.score(document) * self._part(document)

    def reasons(self, document: Any) -> list[Reason]:
        """Return the reasons for the score of a document; their shares sum to it."""
        part = self._part(document)
        return [reason._replace(share=reason.share * part) for _, reason in self._matcher.reasons(document)]

    def _part(self, document: Any) -> float:
        """Return asked / (asked + what the document has beyond the query), by weight."""
        if self._missing == "ignore":
            return 1.0
        held = mass_of(document, self._values, self._layout)
        asked = self._matcher.asked
        return asked / (asked + max(0.0, held - self._matcher.score(document) * asked))


class Best:
    """The best k of the documents compared so far, equal scores by id, and when to stop.

    Parameters
    ----------
    k : int
    least : int
        Documents to compare, if there are so many.
    """

    def __init__(self, k: int, least: int) -> None:
        self._k, self._least = k, max(4 * k, least)
        self._found: list[tuple[float, int]] = []
        self._compared = self._tried = 0

    def __iter__(self) -> Iterator[tuple[float, int]]:
        """Yield score and id."""
        return ((-negative, number) for negative, number in self._found)

    def add(self, scored: list[tuple[float, int]], tried: int) -> None:
        """Take score and id of documents that passed the filter, of those ``tried``."""
        self._compared += len(scored)
        self._tried += tried
        self._found = sorted([*self._found, *((-score, number) for score, number in scored)])[: self._k]

    def enough(self, likely: float) -> bool:
        """Say whether to stop before documents of which the best is likely to score at most so much."""
        if self._compared >= FEWEST and len(self._found) == self._k and -self._found[-1][0] >= PERFECT:
            return True
        if self._compared < self._least:
            return self._tried >= PATIENCE and len(self._found) == self._k
        return self._compared >= MOST * self._least or likely < -self._found[-1][0]
