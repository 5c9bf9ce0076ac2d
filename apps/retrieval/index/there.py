"""Let the workers of a cluster read blocks of a file of vectors: check them, sample from them, encode them."""

import secrets
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc import files
from hdc.apps.cluster import Cluster
from hdc.apps.retrieval.files.vectors import Block, Floats, VectorFile, open_vectors
from hdc.apps.storage import Folder
from hdc.errors import ParameterError

KIND = "embed-encoded"

Span: TypeAlias = tuple[int, int]
"""Number of the first row, and of the row after the last."""

Columns: TypeAlias = dict[str, npt.NDArray[Any]]


class There:
    """Runs work on the blocks of a file on a cluster.

    Parameters
    ----------
    cluster : Cluster
    vectors : VectorFile
        It must have the same name on all workers.
    shared : path, URL or None
        Where workers store large results.

    Raises
    ------
    ParameterError
        If the vectors are not in a file.
    """

    def __init__(self, cluster: Cluster, vectors: VectorFile, shared: str | None) -> None:
        if vectors.given is None:
            raise ParameterError(
                f"{vectors.path} is in memory; a cluster needs vectors in a file that all workers can read"
            )
        self._cluster, self._vectors, self._given, self._shared = cluster, vectors, vectors.given, shared

    def check(self, block: int) -> None:
        """Check all rows; raises as :meth:`VectorFile.check` does."""
        for _ in self._cluster.in_order(_Check(self._given), self._spans(0, block)):
            pass

    def sample(self, most: int, seed: int, block: int) -> Floats:
        """Return the same sample as :meth:`VectorFile.sample`."""
        drawn = self._vectors.drawn(most, seed)
        spans = list(self._spans(0, block))
        bounds = np.searchsorted(drawn, [start for start, _ in spans] + [self._vectors.rows])
        items = [(span, drawn[a:b]) for span, a, b in zip(spans, bounds[:-1], bounds[1:], strict=True) if a < b]
        return np.concatenate(list(self._cluster.in_order(_Draw(self._given), items)))

    def encoded(
        self,
        encode: Callable[[Block], tuple[Columns, list[str] | None]],
        done: int,
        block: int,
        folder: str | PathLike[str],
    ) -> Generator[tuple[Columns, list[str] | None]]:
        """Yield the columns and keys of the blocks from row ``done`` on; ``folder`` is used if ``shared`` is None."""
        shared = Folder(self._shared or folder).inner(f"encoded-{secrets.token_hex(4)}")
        shared.create()
        try:
            for parts in self._cluster.through(shared, _Encode(self._given, encode), self._spans(done, block)):
                for data in parts:
                    meta, columns = files.unpack(data, KIND, name="the encoded vectors")
                    yield columns, meta.get("keys")
        finally:
            shared.remove()

    def _spans(self, start: int, block: int) -> Iterator[Span]:
        rows = self._vectors.rows
        return ((first, min(first + block, rows)) for first in range(start, rows, block))


@dataclass(frozen=True)
class _Reading:
    """Work that reads spans of a file and opens it once."""

    given: dict[str, Any]

    @cached_property
    def _file(self) -> VectorFile:
        return open_vectors(**self.given)


class _Check(_Reading):
    def __call__(self, span: Span) -> None:
        self._file.span(*span)


class _Draw(_Reading):
    def __call__(self, item: tuple[Span, npt.NDArray[np.int64]]) -> Floats:
        span, rows = item
        return self._file.span(*span).vectors[rows - span[0]]


@dataclass(frozen=True)
class _Encode(_Reading):
    encode: Callable[[Block], tuple[Columns, list[str] | None]]

    def __call__(self, span: Span) -> list[bytes]:
        columns, keys = self.encode(self._file.span(*span))
        return [files.pack(KIND, {"keys": keys}, columns, quick=True)]
