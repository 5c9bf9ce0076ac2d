"""Cache of planned searches, because a server runs the same k with the same options over and over."""

from collections.abc import Callable
from functools import lru_cache, partial

from hdc.apps.retrieval.index.kept_options import KeptOptions
from hdc.apps.retrieval.index.pipeline import Find, Pipeline
from hdc.checks import integer
from hdc.search.engine import begun
from hdc.search.options import Options
from hdc.search.searcher import Prepared

MOST = 256
"""Planned searches to cache."""


class RecentSearches:
    """Checks and plans each search of all rows once, until the rows or the index's stored options change.

    Any number of threads may search, because one assignment replaces the cache.

    Parameters
    ----------
    pipeline : Pipeline
    options : KeptOptions
    """

    def __init__(self, pipeline: Pipeline, options: KeptOptions) -> None:
        self._pipeline, self._options = pipeline, options
        self._kept: tuple[Prepared, Options, Callable[..., Find]] | None = None

    def finder(
        self, k: int, options: Options | None, candidates: int | None, probes: int | None, effort: int | None
    ) -> Find | None:
        """Return the function that searches the newest snapshot; None if the snapshot is not prepared yet.

        Raises
        ------
        ParameterError
            If the store is closed, or k or an option is invalid.
        """
        prepared, kept = self._pipeline.engine.current, self._kept
        if prepared is None:
            self._kept = None  # frees the rows of an older snapshot
            return None
        if kept is None or kept[0] is not prepared or kept[1] is not self._options.defaults:
            planned = partial(_planned, self._pipeline, self._options, prepared)
            kept = self._kept = prepared, self._options.defaults, lru_cache(maxsize=MOST, typed=True)(planned)
        try:
            return kept[2](k, options, candidates, probes, effort)
        except TypeError:  # an unhashable value, such as a list, which is rejected
            return _planned(self._pipeline, self._options, prepared, k, options, candidates, probes, effort)


def _planned(
    pipeline: Pipeline,
    remembered: KeptOptions,
    prepared: Prepared,
    k: int,
    options: Options | None,
    candidates: int | None,
    probes: int | None,
    effort: int | None,
) -> Find:
    k = integer(k, "k", 1)
    chosen = remembered.chosen(k, options, candidates=candidates, probes=probes, effort=effort)
    return pipeline.finder(begun(prepared, k, chosen))
