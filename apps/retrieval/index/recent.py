"""Searches that were begun lately: a server asks for the same number of rows with the same options all day."""

from collections.abc import Callable
from functools import lru_cache, partial

from hdc.apps.retrieval.index.kept_options import KeptOptions
from hdc.apps.retrieval.index.pipeline import Find, Pipeline
from hdc.checks import integer
from hdc.search.engine import begun
from hdc.search.options import Options
from hdc.search.searcher import Prepared

MOST = 256
"""Searches that are kept."""


class RecentSearches:
    """Checks and plans each search of all rows once, until the rows change, or the options that the index remembers.

    Any number of threads may search: what is kept is replaced by one assignment.

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
        """Return what searches the newest snapshot; None if that is not prepared yet.

        Raises
        ------
        ParameterError
            If the store is closed, or k or an option is invalid.
        """
        prepared, kept = self._pipeline.engine.current, self._kept
        if prepared is None:
            self._kept = None  # or the rows of an older snapshot would stay in memory
            return None
        if kept is None or kept[0] is not prepared or kept[1] is not self._options.defaults:
            planned = partial(_planned, self._pipeline, self._options, prepared)
            kept = self._kept = prepared, self._options.defaults, lru_cache(maxsize=MOST, typed=True)(planned)
        try:
            return kept[2](k, options, candidates, probes, effort)
        except TypeError:  # a value that cannot be hashed, such as a list: no integer
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
