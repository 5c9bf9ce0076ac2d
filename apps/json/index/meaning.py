"""The encoder that made the rows of an index, and the path of their keys, from the store's meta."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from hdc.apps.json.document.paths import parse_path
from hdc.apps.json.document.rules import Layout, Weights
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.index.documents import parsed
from hdc.apps.json.index.rows import STORED, Stored, columns
from hdc.apps.json.index.taking import Taker
from hdc.apps.json.index.texts import Texts
from hdc.apps.json.values.embedding import StringEncoder
from hdc.apps.json.values.values import Values
from hdc.checks import mapping
from hdc.errors import FileFormatError, ParameterError
from hdc.search.postings.segment import Segment
from hdc.store import Snapshot

TAKEN = 1 << 9
"""Documents to read and take apart per block."""


@dataclass(frozen=True, eq=False)
class Meaning:
    """The meaning of the rows of snapshots with the same meta.

    Attributes
    ----------
    meta : str
    encoder : JSONEncoder
    key : str or None
    vectors : {"packed", "float16", None}
        The form of stored vectors.
    texts : Texts
        What documents are packed by.
    values : Values
        The encoder's values, with caches of searches.
    layout : Layout
        The encoder's.
    """

    meta: str
    encoder: JSONEncoder
    key: str | None
    vectors: Stored
    texts: Texts
    values: Values
    layout: Layout

    @classmethod
    def of(cls, snapshot: Snapshot, string_encoder: StringEncoder | None, backend: str, device: str) -> Self:
        """Read the meta of a snapshot; the other parameters are settings that it does not store.

        Raises
        ------
        FileFormatError
            If it is of another version.
        ParameterError
            If the encoder needs a string encoder, but none is given.
        """
        meta = snapshot.meta
        try:
            encoder = JSONEncoder.from_json(meta["encoder"], string_encoder, backend=backend, device=device)
            encoder.check()
            key = meta["key"]
            if key is not None:
                parse_path(key)
            stored: Stored = meta.get("vectors", "float16")  # earlier releases stored it so
            if stored not in (*STORED, None):
                raise ValueError(f"it stores vectors as {stored!r}")
            if (held := dict(snapshot.state.columns)) != (made := columns(encoder.dim, stored)):
                raise ValueError(f"its columns are {held}, and its encoder makes {made}")
            return cls(snapshot.state.meta, encoder, key, stored, Texts.of(meta), encoder.values, encoder.layout)
        except ParameterError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"the index is of another version ({error!r}); build it again") from error

    def weighed(self, weights: Weights) -> Layout:
        """Return the layout with other weights for the paths that are named.

        Raises
        ------
        ParameterError
            If a path or weight is invalid.
        """
        if weights is None:
            return self.layout
        return Layout.of(self.encoder.arrays, {**(self.encoder.weights or {}), **mapping(weights, "weights")})

    def taker(self) -> Taker:
        """Return what takes documents apart: a new one, for one thread."""
        return Taker(self.encoder.values, self.layout)

    def is_of(self, snapshot: Snapshot) -> bool:
        """Say whether the rows of a snapshot mean this."""
        return self.meta is snapshot.state.meta or self.meta == snapshot.state.meta


class Meanings:
    """The meaning of the rows of the newest snapshot; a reader may see it change after a rebuild.

    An index and what prepares its postings share one; it knows neither, so that an index that nobody uses any more
    is freed at once, with everything in it.
    """

    def __init__(self, known: Meaning, *unsaved: Any) -> None:
        self.known, self._unsaved = known, unsaved

    def of(self, snapshot: Snapshot) -> Meaning:
        """Return the meaning of the rows of a snapshot; raises as :meth:`Meaning.of` does."""
        known = self.known
        if not known.is_of(snapshot):
            known = self.known = Meaning.of(snapshot, *self._unsaved)
        return known

    def repack(self, snapshot: Snapshot, texts: Texts) -> None:
        """Take up a snapshot whose meta says other texts than the one before, and else the same."""
        self.known = replace(self.known, meta=snapshot.state.meta, texts=texts)

    def segment(self, snapshot: Snapshot, start: int, stop: int) -> Segment:
        """Take the documents of some rows apart."""
        meaning = self.of(snapshot)
        taker = meaning.taker()
        parts = []
        for first in range(start, stop, TAKEN):
            rows = np.arange(first, min(first + TAKEN, stop))
            documents = [parsed(text, meaning.texts) for text in snapshot.documents(rows)]
            parts.append(Segment.of(first, taker.take(documents)))
        return Segment.merged(parts)
