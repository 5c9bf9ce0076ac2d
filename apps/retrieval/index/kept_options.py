"""The options that an index stores as defaults of its searches."""

from dataclasses import asdict, replace
from typing import Any

from hdc.errors import FileFormatError, ParameterError
from hdc.search.options import Options, options_of
from hdc.store import Store

ENTRY = "options"
"""Entry of an index's meta with its stored options."""


class KeptOptions:
    """The stored options of an index.

    Parameters
    ----------
    store : Store
    kind : str
        Of :data:`hdc.search.options.OPTIONS`.
    per_hit : int, optional
        Candidates per hit of a search that is given none, where other than of all indexes.

    Attributes
    ----------
    defaults : Options
        Options of a search that passes none.

    Raises
    ------
    FileFormatError
        If the index stores options that its kind does not have.
    """

    def __init__(self, store: Store, kind: str, per_hit: int | None = None) -> None:
        self._store, self._kind, self._per_hit = store, kind, per_hit
        kept: Any = store.meta.get(ENTRY, {})
        try:
            self.defaults = options_of(kind, None, **kept)
        except (ParameterError, TypeError) as error:
            raise FileFormatError(f"the index stores options that its kind does not have: {kept!r}") from error
        self._remembers = ENTRY in store.meta

    def keep(self, options: Options) -> None:
        """Store options as defaults; raises as :meth:`EmbeddingIndex.set_defaults` does."""
        checked = options_of(self._kind, options)
        self._store.set_meta({**self._store.meta, ENTRY: asdict(checked)})
        self._remembers, self.defaults = True, checked  # in this order: a thread that sees these takes them

    def chosen(self, k: int, options: Options | None, **given: int | None) -> Options:
        """Return the options of a search for k rows: those passed, and the stored ones for the rest."""
        chosen = self._chosen(options, **given)
        if self._per_hit is not None and chosen.candidates is None:
            return replace(chosen, candidates=self._per_hit * k)
        return chosen

    def _chosen(self, options: Options | None, **given: int | None) -> Options:
        if options is not None or not self._remembers:
            return options_of(self._kind, options, **given)
        named = {name: value for name, value in given.items() if value is not None}
        if not named:
            return self.defaults
        return replace(self.defaults, **{name: getattr(options_of(self._kind, None, **named), name) for name in named})
