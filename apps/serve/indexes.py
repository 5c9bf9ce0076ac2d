"""The open indexes of a server: found by name, read at one generation, and refreshed when a writer commits."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeVar

from hdc.apps.json import JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, ShardedIndex
from hdc.apps.retrieval.vectors.texts import Encoder
from hdc.apps.serve.answers import not_found, said
from hdc.apps.serve.kinds.codes import Codes
from hdc.apps.serve.kinds.documents import Documents
from hdc.apps.serve.kinds.embeddings import Embeddings
from hdc.apps.serve.kinds.kind import Kind, Name
from hdc.apps.serve.limits import Limits
from hdc.apps.serve.running import Running
from hdc.errors import HDCError, ParameterError
from hdc.search.index import Index

T = TypeVar("T")

LOG = logging.getLogger("hdc.serve")

RESERVED = ("indexes", "capacity")
"""Names with another meaning in addresses."""

WARM_SECONDS = 2.0
"""Seconds that a starting server waits for its indexes to be warm; after that they warm up beside requests."""

TRIES = 3
"""Reads that are repeated because a change was shown meanwhile, before changes have to wait."""


class Opened:
    """An open index with a name.

    Parameters
    ----------
    name : str
        Name in addresses.
    index : JSONIndex, EmbeddingIndex, ShardedIndex or BinaryIndex
    encoder : function, optional
        For an index of embeddings: returns a vector for each of a list of texts.
    writable : bool
        Whether clients may change the index, if it is open for writing.

    Attributes
    ----------
    ways : Kind
        Turns requests into calls of the index.
    stale : str or None
        Why the last refresh failed; the index is served as it was before.
    broken : str or None
        Why the search at the start failed.
    warm : bool
        Whether the search at the start succeeded, so that the next one has nothing left to prepare.

    Raises
    ------
    ParameterError
        If the name is invalid, or the index is of another type.
    """

    def __init__(self, name: str, index: Index, encoder: Encoder | None = None, *, writable: bool = True) -> None:
        if not name or name in RESERVED or name.startswith(".") or not name.isprintable() or set(name) & set("/?#%\\"):
            raise ParameterError(
                f"an index cannot be called {name!r} in an address; name it NAME=PATH, with letters, digits, - and _"
            )
        self.name, self.index, self.ways = name, index, _ways(index, encoder)
        self.writable = writable and index.writable
        self.stale: str | None = None
        self.broken: str | None = None
        self.warm = False
        self.changing = threading.Lock()
        """Held while the index, or the state that it shows, changes."""

    @property
    def kind(self) -> Name:
        """Return the kind of the index: ``"json"``, ``"embeddings"`` or ``"codes"``."""
        return self.ways.NAME

    @property
    def failure(self) -> str | None:
        """Why the index fails: its search at the start, or else its last refresh; None if it does not."""
        return self.broken or self.stale

    @property
    def state(self) -> Literal["ok", "warming", "failing"]:
        """What an operator wants to know of the index."""
        return "failing" if self.failure else "ok" if self.warm else "warming"

    @property
    def generation(self) -> int:
        """Number of the last change that the index shows."""
        return self.index.store.generation[1]

    def read(self, call: Callable[[Any], T]) -> tuple[T, int]:
        """Call a function with the index; return its result, all of one generation, and that generation.

        The function is called again if a change is shown meanwhile, so it must not change anything.
        """
        for _ in range(TRIES):
            before = self.index.store.generation
            try:
                found = call(self.index)
            except (HDCError, OSError):
                if self.index.store.generation == before:
                    raise
                continue
            if self.index.store.generation == before:
                return found, before[1]
        with self.changing:
            return call(self.index), self.generation

    def start(self) -> None:
        """Search once; raises what the search raises, and keeps the reason."""
        try:
            self.read(lambda _: self.ways.warm())
        except Exception as error:
            self.broken = self._reason(error, self.broken)
            raise
        self.broken, self.warm = None, True

    def refresh(self) -> bool:
        """Show a writer's changes, and prepare the index for searches; return whether there were any.

        It does not wait: while another thread refreshes or changes the index, it does nothing.
        """
        if not self.changing.acquire(blocking=False):
            return False
        try:
            changed = self.index.refresh()
            if changed and self.broken:
                with contextlib.suppress(Exception):  # whose reason is kept
                    self.start()  # the change may have mended it
            elif changed:
                self.ways.prepare()
            self.stale = None
            return changed
        except Exception as error:  # the earlier state stays
            self.stale = self._reason(error, self.stale)
            return False
        finally:
            self.changing.release()

    def _reason(self, error: Exception, known: str | None) -> str:
        """Return what a client may know of an error; what is new is logged, with a trace if nobody raised it."""
        kind, message = said(error)
        if (found := f"{kind}: {message}") != known:
            trace = None if isinstance(error, HDCError | OSError) else error
            LOG.error("%s fails: %s: %s", self.name, type(error).__name__, error, exc_info=trace)
        return found

    def info(self) -> dict[str, Any]:
        """Return the description of the index as JSON."""
        failure = {} if self.failure is None else {"failure": self.failure}
        return {
            "name": self.name,
            "kind": self.kind,
            "rows": len(self.index),
            "row": self.index.ROW,
            "generation": self.generation,
            "writable": self.writable,
            **self.ways.info(),
            **failure,
        }


def _ways(index: Index, encoder: Encoder | None) -> Kind:
    if isinstance(index, EmbeddingIndex | ShardedIndex):
        return Embeddings(index, encoder)
    if encoder is not None:
        raise ParameterError(f"an encoder of texts needs an index of embeddings, not {index!r}")
    if isinstance(index, JSONIndex):
        return Documents(index)
    if isinstance(index, BinaryIndex):
        return Codes(index)
    raise ParameterError(f"an index to serve has documents, codes or embeddings, one vector per row, not {index!r}")


class Served:
    """The indexes of a server, and the threads that search them.

    Parameters
    ----------
    indexes : mapping of name to index
        :meth:`close` closes them.
    limits : Limits, optional
    refresh_seconds : float
        Interval between checks for a writer's changes; 0 for never.
    encoders : mapping of name to function, optional
        For indexes of embeddings: returns a vector for each of a list of texts.
    writable : bool
        Whether clients may change indexes that are open for writing.

    Raises
    ------
    ParameterError
        As in :class:`Opened`, or if an encoder has no index.

    Examples
    --------
    >>> from hdc.apps.json import JSONEncoder, JSONIndex
    >>> from hdc.apps.serve import Served
    >>> with Served({"people": JSONIndex(JSONEncoder(64)).add([{"name": "Ada"}])}) as served:
    ...     served["people"].read(lambda index: index.search({"name": "Ada"})[0].score)
    (1.0, 1)
    """

    def __init__(
        self,
        indexes: Mapping[str, Index],
        limits: Limits | None = None,
        *,
        refresh_seconds: float = 1.0,
        encoders: Mapping[str, Encoder] | None = None,
        writable: bool = True,
    ) -> None:
        given = dict(encoders or {})
        if unknown := given.keys() - indexes.keys():
            raise ParameterError(f"there is an encoder for {', '.join(sorted(unknown))}, but no index with that name")
        self.limits = Limits() if limits is None else limits
        self._opened = {
            name: Opened(name, index, given.get(name), writable=writable) for name, index in indexes.items()
        }
        self.running = Running(self.limits)
        self._refresh_seconds, self._ended = refresh_seconds, threading.Event()
        self._refresher: threading.Thread | None = None
        self._warmer: threading.Thread | None = None
        self._started = False

    def __iter__(self) -> Iterator[Opened]:
        return iter(self._opened.values())

    def __getitem__(self, name: str) -> Opened:
        """Return the index with a name.

        Raises
        ------
        RefusedError
            404 if there is none.
        """
        try:
            return self._opened[name]
        except KeyError:
            raise not_found(f"there is no index {name!r:.100}; the indexes are: {', '.join(self._opened)}") from None

    async def run(self, call: Callable[[], T], seconds: float | None = None) -> T:
        """Call a function in one of the server's threads and return its result; see :meth:`Running.run`."""
        return await self.running.run(call, seconds)

    async def read(self, name: str, call: Callable[[Any], T], seconds: float | None = None) -> tuple[T, int]:
        """Call a function with an index; return its result, all of one generation, and that generation.

        It is called in one of the server's threads, and again if a change is shown meanwhile.

        Raises
        ------
        RefusedError
            404 if the index does not exist; see also :meth:`Running.run`.
        HDCError, OSError
            Errors of the function.
        """
        opened = self[name]
        return await self.run(lambda: opened.read(call), seconds)

    # ------------------------------------------------------------------ beginning and end

    def start(self) -> None:
        """Search each index once, then check for changes, in threads: searches wait for neither.

        Raises
        ------
        Exception
            What the searches raise, such as FileFormatError of a damaged index; after two seconds, the log says so.
        """
        if self._started:
            return
        self._started = True
        raised, searched = list[Exception](), threading.Event()
        self._warmer = threading.Thread(target=self._warm, args=(raised, searched), name="serve-warm", daemon=True)
        self._warmer.start()
        searched.wait(WARM_SECONDS)
        if raised:
            raise raised[0]
        if self._refresh_seconds:
            self._refresher = threading.Thread(target=self._refresh, name="serve-refresh", daemon=True)
            self._refresher.start()

    def _warm(self, raised: list[Exception], searched: threading.Event) -> None:
        """Search each index, then count what the page asks for first."""
        for opened in self:
            if self._ended.is_set():
                return
            try:
                opened.start()
            except Exception as error:  # /health says so
                raised.append(error)
        searched.set()
        for opened in self:
            if opened.warm:
                self._count(opened)

    def _count(self, opened: Opened) -> None:
        try:
            for _ in opened.ways.counted():
                if self._ended.is_set():
                    return
        except Exception as error:  # a request for the same is answered with it
            LOG.error("the fields of %s cannot be counted: %s: %s", opened.name, type(error).__name__, error)

    def _refresh(self) -> None:
        while not self._ended.wait(self._refresh_seconds):
            for opened in self:
                opened.refresh()

    def close(self) -> None:
        """Wait for running calls, then close the indexes."""
        self._ended.set()
        for thread in (self._warmer, self._refresher):
            if thread is not None:
                thread.join()
        self.running.close()
        with contextlib.ExitStack() as stack:
            for opened in self:
                stack.callback(opened.index.close)

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
