"""Compute maps of a server's indexes in the background, one at a time, and save them beside the index."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hdc.apps.retrieval import EmbeddingIndex, ShardedIndex
from hdc.apps.serve.background import Job
from hdc.apps.serve.projection import neighbor_map
from hdc.apps.serve.projection.axes import MOST_SAMPLED, learn, spread
from hdc.apps.serve.projection.made import (
    METHODS,
    MOST_POINTS,
    Landmarks,
    Map,
    caught_up,
    model_of,
    placed,
    state_of,
)
from hdc.apps.serve.projection.rows import Vectors, vectors_of
from hdc.checks import choice
from hdc.errors import ConflictError, FileFormatError, ParameterError
from hdc.search.live import live
from hdc.search.postings.searcher import folder_of
from hdc.search.shards import is_of_shards
from hdc.store import JoinedSnapshot, Snapshot

MOST_LANDMARKS = 4096

TWO = 2
"""Axes of the map itself."""


class Work(Job):
    """The computation of a map.

    Attributes
    ----------
    method : str
    stage : str
        The current step, for people.
    done, total : int
        Blocks done, and blocks in total.
    """

    def __init__(self, method: str) -> None:
        super().__init__()
        self.method, self.stage, self.done, self.total = method, "reading rows", 0, 1

    def tick(self) -> None:
        """Count a block; raises CalledOffError if the job was canceled."""
        self.check()
        self.done = min(self.done + 1, self.total)


def make(vectors: Vectors, snapshot: Snapshot, method: str, work: Work, seed: int = 0) -> Map:
    """Return a map of the rows of a snapshot.

    Raises
    ------
    CalledOffError
        If the job was canceled.
    ParameterError
        If there are no rows, or too few for the method.
    BackendUnavailableError
        If the method needs a library that is not installed.
    """
    positions = spread(live(snapshot), MOST_POINTS)
    if not len(positions):
        raise ParameterError("an empty index has no map; add rows first")
    if method == "umap":
        neighbor_map.check(len(positions))
    sample = spread(positions, MOST_SAMPLED)
    passes = 5 * -(-len(sample) // vectors.step)
    work.total, work.stage = passes + -(-len(positions) // vectors.step), "finding the axes"

    def blocks() -> Any:
        for start in range(0, len(sample), vectors.step):
            yield vectors.read(snapshot, sample[start : start + vectors.step])

    width = TWO if method == "pca" else neighbor_map.REDUCED
    axes = learn(blocks, vectors.dim, width, seed=seed, tick=work.tick)
    work.stage = "placing the rows"
    reduced = placed(vectors, snapshot, positions, axes.place, width, work.tick)
    made = Map(
        method,
        vectors.source,
        state_of(snapshot),
        model_of(snapshot, vectors),
        positions,
        snapshot.ids[positions],
        reduced[:, :TWO],
        axes,
    )
    if method == "pca":
        return made
    work.stage = "laying out neighbors"
    order = np.arange(len(reduced))
    chosen = spread(order, neighbor_map.MOST_ROWS)
    points = neighbor_map.lay_out(reduced[chosen], work.check, seed)
    some = spread(np.arange(len(chosen)), MOST_LANDMARKS)
    landmarks = Landmarks(reduced[chosen[some]], points[some])
    whole = points if len(chosen) == len(order) else np.empty_like(reduced[:, :TWO])
    if len(chosen) < len(order):
        for start in range(0, len(order), vectors.step):
            whole[start : start + vectors.step] = landmarks.place(reduced[start : start + vectors.step])
            work.check()
        whole[chosen] = points
    return replace(made, points=whole, landmarks=landmarks)


class Maps:
    """The maps of one index.

    Parameters
    ----------
    index : function
        Returns the open index.
    folder : path, optional
        Folder to save maps in; without it, or if it cannot be written, maps stay in memory.
    gate : semaphore, optional
        Acquired while a map is computed; indexes that share it compute one map at a time.
    """

    def __init__(
        self, index: Callable[[], Any], folder: Path | None = None, gate: threading.Semaphore | None = None
    ) -> None:
        self._index, self._folder = index, folder
        self._gate = threading.Semaphore() if gate is None else gate
        self._lock = threading.Lock()
        self._made: dict[str, Map] = {}
        self._looked: set[str] = set()
        self._kept: set[str] = set()
        self._work: Work | None = None

    def vectors(self) -> Vectors:
        """Return the reader of vectors; raises UnsupportedError for an index that cannot have a map."""
        return vectors_of(self._index())

    def start(self, method: str = "pca") -> None:
        """Start to compute a map.

        Raises
        ------
        ConflictError
            If the server is computing another map.
        ParameterError, UnsupportedError, BackendUnavailableError
            If this map is not possible.
        """
        choice(method, "method", METHODS)
        vectors, snapshot = self.vectors(), self._index().store.snapshot
        if not len(snapshot):
            raise ParameterError("an empty index has no map; add rows first")
        if method == "umap":
            neighbor_map.check(len(snapshot))
        if not self._gate.acquire(blocking=False):
            raise ConflictError("a map is being made already; wait for it, or cancel it")
        work = Work(method)
        self._work = work
        work.begin(lambda: self._make(work, vectors, snapshot), self._gate.release)

    def cancel(self) -> None:
        """Cancel the map under way, if any, and wait until its work has stopped."""
        if self._work is not None:
            self._work.cancel()

    def _make(self, work: Work, vectors: Vectors, snapshot: Snapshot) -> None:
        made = make(vectors, snapshot, work.method, work)
        with self._lock:
            self._made[work.method] = made
            self._looked.add(work.method)
        self._keep(made)

    def _keep(self, made: Map) -> None:
        """Save a map beside the index if possible; otherwise it can be computed again."""
        self._kept.discard(made.method)
        if self._folder is None:
            return
        try:
            made.save(self._place(made.method))
            self._kept.add(made.method)
        except OSError:
            pass

    def _place(self, method: str) -> Path:
        assert self._folder is not None
        return self._folder / f"map.{method}"

    def current(self, method: str) -> Map | None:
        """Return the map, updated to the current index, or None if there is none."""
        choice(method, "method", METHODS)
        snapshot, vectors = self._index().store.snapshot, self.vectors()
        with self._lock:
            if method not in self._looked:
                self._looked.add(method)
                self._read(method)
            made = self._made.get(method)
            if made is None:
                return None
            now = caught_up(made, vectors, snapshot)
            if now is None:
                del self._made[method]
            else:
                self._made[method] = now
            return now

    def _read(self, method: str) -> None:
        """Read a saved map; a damaged one is ignored."""
        if self._folder is None:
            return
        try:
            self._made[method] = Map.load(self._place(method))
            self._kept.add(method)
        except (OSError, FileFormatError):
            return

    def status(self, method: str) -> dict[str, Any]:
        """Return the state of a map as JSON."""
        choice(method, "method", METHODS)
        work, made, snapshot = self._work, self.current(method), self._index().store.snapshot
        state = "ready" if made is not None else "none"
        status: dict[str, Any] = {
            "method": method,
            "methods": [name for name in METHODS if name != "umap" or neighbor_map.available()],
            "made": [name for name in METHODS if self.current(name) is not None],
            "rows": len(snapshot),
            "generation": snapshot.generation,
            "state": state,
            "working": None,
            "error": "",
        }
        if made is not None:
            status["points"] = len(made.points)
            status["source"] = made.source
            status["shares"] = made.axes.shares[:TWO].tolist()
            status["kept"] = method in self._kept
        if work is not None:
            if work.state == "working":
                status["working"] = {"method": work.method, "stage": work.stage, "part": work.done / max(work.total, 1)}
                if work.stage == "laying out neighbors":
                    status["working"]["part"] = None
            elif work.method == method:
                status["error"] = work.error
        return status


def folder_of_index(index: Any) -> Path | None:
    """Return the folder in which maps of an index are kept beside it; None for an index in memory.

    Shards that are opened one by one have no folder in common.
    """
    snapshot = index.store.snapshot
    parts = snapshot.parts if isinstance(snapshot, JoinedSnapshot) else (snapshot,)
    editions = [folder_of(part) for part in parts]
    if None in editions:
        return None
    stores = [edition.parent for edition in editions if edition is not None]
    roots = {store.parent if isinstance(index, EmbeddingIndex | ShardedIndex) else store for store in stores}
    if len(roots) == 1 and not isinstance(snapshot, JoinedSnapshot):
        return roots.pop()
    above = {root.parent for root in roots}
    return above.pop() if len(above) == 1 and all(is_of_shards(folder) for folder in above) else None
