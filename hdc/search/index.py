"""Index, the base of every index: rows in a store, with ids, keys and documents; add, search, remove, compact."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.errors import ParameterError
from hdc.search.live import live
from hdc.search.measures import Ids
from hdc.store import Snapshot, Store


class Index(ABC):
    """Rows that are searched; the base of every index.

    A subclass turns its input (codes, vectors, documents) into rows and searches them. Ids, keys, documents, removal,
    compaction, snapshots and files work the same in all. Once a method that changes an index in a folder returns, the
    change survives a crash. After an error, nothing was changed.

    Attributes
    ----------
    KIND : str
        Kind of the store's contents.
    ROW : str
        Name of a row in messages: a code, a vector, a document.
    """

    KIND: ClassVar[str]
    ROW: ClassVar[str]

    @property
    @abstractmethod
    def store(self) -> Store:
        """The rows."""

    # ------------------------------------------------------------------ reading

    def __len__(self) -> int:
        return len(self.store)

    def _content(self) -> str:
        """Return the number of rows as text, or "closed" for a closed index."""
        return f"{len(self)} {self.ROW}s" if self.store.is_open else "closed"

    def _repr_html_(self) -> str:
        """Return an HTML table of facts about the index, for notebooks."""
        from hdc.markup import facts

        title = type(self).__name__
        if not self.store.is_open:
            return facts(title, {"state": "closed"})
        known = {f"{self.ROW}s": len(self), "folder": self.store.folder or "in memory", "writable": self.writable}
        return facts(title, {**known, "generation": self.store.generation[1], "described as": repr(self)})

    @property
    def writable(self) -> bool:
        """Whether this object may change the index."""
        return self.store.writable

    def ids(self) -> Ids:
        """Return the ids of all rows, ascending: ``(len(index),)`` int64."""
        snapshot = self.store.snapshot
        return np.sort(snapshot.ids[live(snapshot)])

    def find(self, key: str) -> int | None:
        """Return the id of the row with a key, or None."""
        return self.store.find(key)

    def keys(self, ids: npt.ArrayLike) -> list[str | None]:
        """Return the keys of ids, read in C order; None for id -1 and for rows without a key.

        Raises
        ------
        ParameterError
            If an id does not exist.
        """
        asked, snapshot = checks.ids(ids).ravel(), self.store.snapshot
        there = asked != -1
        try:
            found = snapshot.keys(snapshot.positions(asked[there]))
        except ParameterError:
            self._check_ids(asked[there])
            raise
        if there.all():
            return found
        keys: list[str | None] = [None] * len(asked)
        for place, key in zip(np.flatnonzero(there).tolist(), found, strict=True):
            keys[place] = key
        return keys

    def document(self, number: int) -> Any:
        """Return the document of a row, or None if the row has none.

        Raises
        ------
        ParameterError
            If the id does not exist.
        """
        return self.documents([checks.integer(number, "an id")])[0]

    def documents(self, ids: npt.ArrayLike) -> list[Any]:
        """Return the documents of rows; see :meth:`document`."""
        try:
            return [self._document(text) for text in self.store.documents(ids)]
        except ParameterError:
            self._check_ids(ids)
            raise

    def _document(self, text: bytes | None) -> Any:
        """Decode a stored document."""
        return text

    def filter(self, condition: Callable[[Any], bool]) -> Ids:
        """Return the ids, ascending, of rows whose document passes a condition, for ``among=`` of a search.

        Parameters
        ----------
        condition : function of a document
            Must not change the document.
        """
        checks.function(condition, "condition")
        snapshot = self.store.snapshot
        rows, passed = live(snapshot), []
        for start in range(0, len(rows), FILTERED):
            part = rows[start : start + FILTERED]
            documents = map(self._document, snapshot.documents(part))
            passed.append(part[[bool(condition(document)) for document in documents]])
        return np.sort(snapshot.ids[np.concatenate([np.empty(0, np.int64), *passed])])

    # ------------------------------------------------------------------ changes

    def remove(self, ids: npt.ArrayLike | None = None, keys: Sequence[str] | None = None) -> int:
        """Remove rows by id, by key, or both; return how many. Other rows keep their ids.

        Raises
        ------
        ParameterError
            If an id or key does not exist; then nothing is removed.
        UnsupportedError
            If the index is open for reading.
        OSError
            If the disk is full or fails.
        """
        if ids is not None:
            self._check_ids(ids)
        return self.store.remove(ids, keys)

    def compact(self) -> None:
        """Reclaim the space of removed and replaced rows; ids stay.

        Readers see no change until they refresh. For a while, both versions need disk space.

        Raises
        ------
        FileFormatError
            If the index is damaged; a copy would hide it.
        UnsupportedError, OSError
            As :meth:`remove`.
        """
        self.store.compact()

    # ------------------------------------------------------------------ files

    def refresh(self) -> bool:
        """Read what a writer has changed since; return whether anything changed.

        Raises
        ------
        ConflictError
            If the index was rebuilt with other settings; the reader then sees no change.
        FileFormatError, OSError
            If the index is damaged or cannot be read.
        """
        return self.store.refresh(self._check_settings)

    def _check_settings(self, snapshot: Snapshot) -> None:  # noqa: B027 - an index may have none
        """Raise ConflictError if this object cannot read a later snapshot."""

    def verify(self) -> None:
        """Check every byte.

        Raises
        ------
        FileFormatError
            If a byte differs from what was written; the message says what differs.
        """
        self.store.verify()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Copy the index to a folder that does not exist or is empty.

        Raises
        ------
        ParameterError
            If the folder is not empty.
        FileFormatError
            If the index is damaged.
        OSError
            If the copy cannot be written.
        """
        self.store.save_copy(path).close()

    def close(self) -> None:
        """Close the files, and let another process write."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ checks

    def _check_ids(self, ids: npt.ArrayLike) -> None:
        """Raise ParameterError if an id does not exist."""
        ids = checks.ids(ids)
        try:
            self.store.positions(ids)
        except ParameterError as error:
            there = self.ids()
            held = f"the index has ids {there[0]} to {there[-1]}" if len(there) else "the index is empty"
            missing = np.setdiff1d(np.ravel(ids), there)
            if not len(missing):
                raise
            raise ParameterError(f"there is no {self.ROW} {missing[0]}; {held}") from error


FILTERED = 1 << 12
"""Documents per block that a filter reads."""
