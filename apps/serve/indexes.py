"""The indexes that a server holds open: by name, each read at one moment, and refreshed when a writer commits."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias, TypeVar, cast

from hdc.apps.json import JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, ShardedIndex
from hdc.apps.serve.answers import not_found
from hdc.apps.serve.limits import Limits
from hdc.apps.serve.running import Running
from hdc.errors import HDCError, ParameterError
from hdc.search.index import Index

T = TypeVar("T")

Kind: TypeAlias = Literal["json", "embeddings", "codes"]

KINDS: dict[type[Index], Kind] = {
    JSONIndex: "json",
    EmbeddingIndex: "embeddings",
    ShardedIndex: "embeddings",
    BinaryIndex: "codes",
}

RESERVED = ("indexes", "capacity")
"""Names that mean something else in addresses."""

TRIES = 3
"""Times that something is read anew because a change was shown meanwhile, before changes wait for it."""


class Opened:
    """An index under a name.

    Parameters
    ----------
    name : str
        As it is in addresses.
    index : JSONIndex, EmbeddingIndex, ShardedIndex or BinaryIndex

    Attributes
    ----------
    kind : {"json", "embeddings", "codes"}

    Raises
    ------
    ParameterError
        If the name cannot be one, or the index is of another kind.
    """

    def __init__(self, name: str, index: Index) -> None:
        kind = next((kind for known, kind in KINDS.items() if isinstance(index, known)), None)
        if kind is None:
            raise ParameterError(f"an index to serve holds documents, embeddings or codes, not {index!r}")
        if not name or name in RESERVED or name.startswith(".") or not name.isprintable() or set(name) & set("/?#%\\"):
            raise ParameterError(
                f"an index cannot be called {name!r} in an address; name it: name=path, of letters, digits, - and _"
            )
        self.name, self.index, self.kind = name, index, kind
        self.looked = time.monotonic()
        self.failure: str | None = None
        self.changing = threading.Lock()
        """Held by whoever changes the index or what it shows."""

    @property
    def generation(self) -> int:
        """Number of the last change that the index shows."""
        return self.index.store.generation[1]

    def read(self, call: Callable[[Any], T]) -> tuple[T, int]:
        """Return what a function of the index returns, all of one moment, and the generation of that.

        The function may be called again, if a change is shown meanwhile; it must change nothing itself.
        """
        for _ in range(TRIES):
            before = self.index.store.generation
            try:
                found = call(self.index)
            except HDCError:
                if self.index.store.generation == before:
                    raise
                continue
            if self.index.store.generation == before:
                return found, before[1]
        with self.changing:
            return call(self.index), self.generation

    def refresh(self) -> bool:
        """Go on to what a writer has changed, and prepare it for searches; return whether something was.

        Nobody waits: where somebody else refreshes or changes the index just now, nothing is done.
        """
        if not self.changing.acquire(blocking=False):
            return False
        try:
            changed = self.index.refresh()
            self.failure = None
            return changed
        except (HDCError, OSError) as error:  # what was shown before is shown on
            self.failure = f"{type(error).__name__}: {error}"
            return False
        finally:
            self.changing.release()

    def info(self) -> dict[str, Any]:
        """Return what there is to say of the index, as JSON."""
        index, snapshot = cast(Any, self.index), self.index.store.snapshot
        known = {
            "name": self.name,
            "kind": self.kind,
            "rows": len(index),
            "row": index.ROW,
            "generation": snapshot.generation,
            "writable": index.writable,
        }
        if self.kind == "json":
            encoder = index.encoder
            known |= {"dim": encoder.dim, "key": index.key, "fitted": bool(encoder.profile_.documents)}
        elif self.kind == "embeddings":
            model = index.model
            known |= {"dim": model.n_features_in_, "bits": model.bits, "binarizer": type(model).__name__}
            known |= {"metric": model.space_.metric, "search": index.kind}
        else:
            known |= {"dim": index.dim, "levels": index.levels, "search": index.kind}
        return known


class Served:
    """The indexes of a server, and the threads that search them.

    Parameters
    ----------
    indexes : mapping of name to index
        Closed by :meth:`close`.
    limits : Limits, optional
    refresh_seconds : float
        How often a writer's changes are looked for, at most; 0 never.

    Raises
    ------
    ParameterError
        As :class:`Opened`.
    """

    def __init__(
        self, indexes: Mapping[str, Index], limits: Limits | None = None, *, refresh_seconds: float = 1.0
    ) -> None:
        self.limits = Limits() if limits is None else limits
        self.refresh_seconds = refresh_seconds
        self._opened = {name: Opened(name, index) for name, index in indexes.items()}
        self.running = Running(self.limits)

    def __iter__(self) -> Iterator[Opened]:
        return iter(self._opened.values())

    def __getitem__(self, name: str) -> Opened:
        """Return the index of a name.

        Raises
        ------
        RefusedError
            404 if there is none.
        """
        try:
            return self._opened[name]
        except KeyError:
            raise not_found(f"there is no index {name!r}; there are: {', '.join(self._opened)}") from None

    async def run(self, call: Callable[[], T], seconds: float | None = None) -> T:
        """Return what a function returns, called in one of the server's threads; see :meth:`Running.run`."""
        return await self.running.run(call, seconds)

    async def read(self, name: str, call: Callable[[Any], T], seconds: float | None = None) -> tuple[T, int]:
        """Return what a function of an index returns, all of one moment, and the generation of that.

        The function is called in one of the server's threads, again if a change is shown meanwhile.

        Raises
        ------
        RefusedError
            404 if there is no such index; see also :meth:`Running.run`.
        HDCError, OSError
            What the function raises.
        """
        opened = self[name]
        return await self.run(lambda: opened.read(call), seconds)

    def close(self) -> None:
        """Close the indexes."""
        self.running.close()
        for opened in self:
            opened.index.close()
