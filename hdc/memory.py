"""Memories: ItemMemory, names and hypervectors with clean-up of noisy ones; Hopfield, sets in a matrix."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from hdc import decoding, files
from hdc.atoms import Name, check_names, encode_name
from hdc.checks import instance
from hdc.errors import DimensionError, FileFormatError, ParameterError, UnknownNameError
from hdc.hopfield import Hopfield
from hdc.kernels import Array
from hdc.registry import from_spec
from hdc.vsa import VSA

__all__ = ["Hopfield", "ItemMemory", "Match", "Member"]

KIND = "item-memory"


class Match(NamedTuple):
    """One answer of a clean-up."""

    name: Name
    similarity: float


class Member(NamedTuple):
    """One member of a decoded bundle, and how often it was added (its similarity, for ``method="top"``)."""

    name: Name
    weight: float


class ItemMemory:
    """A growing table of names and hypervectors that finds the nearest to a noisy one.

    Parameters
    ----------
    vsa : VSA
        The model the vectors belong to.
    names : iterable of names, optional
        Added with the model's own symbols.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 1000)
    >>> fruit = hdc.ItemMemory(vsa, ["apple", "pear", "plum"])
    >>> fruit.cleanup(vsa.symbol("pear"))[0].name
    'pear'
    """

    def __init__(self, vsa: VSA, names: Iterable[Name] = ()) -> None:
        self.vsa: VSA = instance(vsa, "vsa", VSA)
        self._names: list[Name] = []
        self._index: dict[bytes, int] = {}
        self._rows: Array = vsa.symbols(())
        self.add(list(check_names(names)))

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Name]:
        return iter(self._names)

    def __contains__(self, name: Name) -> bool:
        return encode_name(name) in self._index

    def __getitem__(self, name: Name) -> Array:
        """Return the vector of a name, ``(storage,)``: a read-only view, or a copy.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        try:
            return self.vsa.kernels.arrays.read_only(self._rows[self._index[encode_name(name)]])
        except KeyError:
            raise UnknownNameError(f"no item named {name!r} among the {len(self)} of this memory") from None

    def __repr__(self) -> str:
        return f"ItemMemory({self.vsa!r}, {len(self)} items)"

    @property
    def names(self) -> tuple[Name, ...]:
        """The names, in the order they were added."""
        return tuple(self._names)

    @property
    def vectors(self) -> Array:
        """The vectors, ``(len, storage)``, in the same order: a read-only view, or a copy if a view is not possible."""
        return self.vsa.kernels.arrays.read_only(self._rows[: len(self)])

    def add(self, names: Sequence[Name], vectors: Array | None = None) -> None:
        """Add names with vectors, or with the model's symbols; all of them, or none if anything is wrong.

        Space doubles when it runs out, so adding n items one by one copies O(n) rows altogether.

        Parameters
        ----------
        names : sequence of n names
            New to this memory and different from each other.
        vectors : (n, storage) array, optional
            Of any dtype the model takes; the memory keeps the widest dtype that it was given.

        Raises
        ------
        ParameterError
            If a name is already there.
        DimensionError
            If there is not one vector for each name.
        """
        names = list(check_names(names)) if not isinstance(names, str | bytes) else names
        rows = self.vsa.symbols(names) if vectors is None else self.vsa.check(vectors, "vectors")
        if rows.ndim != 2 or len(rows) != len(names):
            raise DimensionError(
                f"{len(names)} names need vectors of shape ({len(names)}, {self.vsa.storage}), not {tuple(rows.shape)}"
            )
        encoded = [encode_name(name) for name in names]
        seen = set(self._index)
        for name, key in zip(names, encoded, strict=True):
            if key in seen:
                raise ParameterError(f"an item named {name!r} is already in this memory; names are given once")
            seen.add(key)
        self._reserve(len(self) + len(names), rows.dtype)
        self._rows[len(self) : len(self) + len(names)] = rows
        self._index.update(zip(encoded, range(len(self), len(self) + len(names)), strict=True))
        self._names.extend(names)

    def _reserve(self, count: int, dtype: Any) -> None:
        xp = self.vsa.xp
        widest = xp.result_type(self._rows.dtype, dtype)
        if count <= len(self._rows) and widest == self._rows.dtype:
            return
        room = len(self._rows) if count <= len(self._rows) else max(count, 2 * len(self._rows), 16)
        rows = xp.zeros((room, self.vsa.storage), dtype=widest, device=self._rows.device)
        rows[: len(self)] = self._rows[: len(self)]
        self._rows = rows

    def search(self, queries: Array, k: int = 1) -> tuple[Array, Array]:
        """Find the k most similar items of each query.

        Parameters
        ----------
        queries : (*p, storage) array
        k : int

        Returns
        -------
        similarities : (*p, min(k, len)) float32 array, descending
        indices : (*p, min(k, len)) int64 array
            Into :attr:`names`; of equal similarities the item added first comes first.
        """
        return self.vsa.nearest(queries, self._rows[: len(self)], k)

    def cleanup(self, query: Array, k: int = 1) -> list[Match]:
        """Return the k items most similar to one query ``(storage,)``, best first.

        Raises
        ------
        ParameterError
            If the memory is empty.
        DimensionError
            If ``query`` is not one vector; :meth:`cleanup_many` takes batches.
        """
        checked = self.vsa.check(query, "query")
        if checked.ndim != 1:
            raise DimensionError(f"cleanup takes one vector, not shape {tuple(checked.shape)}; use cleanup_many")
        return self.cleanup_many(checked[None], k)[0]

    def cleanup_many(self, queries: Array, k: int = 1) -> list[list[Match]]:
        """Return for each of ``(n, storage)`` queries what :meth:`cleanup` returns for one."""
        if not self._names:
            raise ParameterError("this memory is empty, so there is nothing to clean up to; add items first")
        similarities, indices = self.search(queries, k)
        return [
            [Match(self._names[i], s) for i, s in zip(row, scores, strict=True)]
            for row, scores in zip(indices.tolist(), similarities.tolist(), strict=True)
        ]

    def decode(self, bundle: Array, size: int, method: str = "pursuit") -> list[Member]:
        """Find the ``size`` items that one bundle ``(storage,)`` was summed from.

        Pursuit decodes about twice as many members as the most similar items do, for models whose bundles are sums:
        MAP-I, FHRR, HRR, MBAT and CountingBloom. Least squares is exact for fewer items than components.

        Parameters
        ----------
        bundle : (storage,) array
        size : int
            From 1 to ``len(self)``.
        method : {"pursuit", "least-squares", "top"}
            See :func:`hdc.decoding.members`.

        Returns
        -------
        list of Member

        Raises
        ------
        UnsupportedError, ParameterError
            As :func:`hdc.decoding.members`.
        DimensionError
            If ``bundle`` is not one vector; :meth:`decode_many` takes batches.

        Examples
        --------
        >>> import hdc
        >>> vsa = hdc.create("MAP-I", 256)
        >>> memory = hdc.ItemMemory(vsa, range(1000))
        >>> bundle = vsa.bundle(vsa.symbols(range(30)))
        >>> sorted(member.name for member in memory.decode(bundle, 30)) == list(range(30))
        True
        """
        checked = self.vsa.check(bundle, "bundle")
        if checked.ndim != 1:
            raise DimensionError(f"decode takes one vector, not shape {tuple(checked.shape)}; use decode_many")
        return self.decode_many(checked[None], size, method)[0]

    def decode_many(self, bundles: Array, size: int, method: str = "pursuit") -> list[list[Member]]:
        """Return for each of ``(n, storage)`` bundles what :meth:`decode` returns for one."""
        weights, indices = decoding.members(self.vsa, bundles, self._rows[: len(self)], size, method)
        return [
            [Member(self._names[i], w) for i, w in zip(row, amounts, strict=True)]
            for row, amounts in zip(indices.tolist(), weights.tolist(), strict=True)
        ]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the memory to one file (see :mod:`hdc.files`), replacing it as a whole or not at all."""
        meta = {"spec": self.vsa.algebra(), "names": [_to_json(name) for name in self._names]}
        files.save(path, KIND, meta, {"vectors": self.vsa.to_numpy(self._rows[: len(self)])})

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, backend: str = "auto", device: str = "cpu") -> Self:
        """Read a memory that :meth:`save` wrote, on whichever backend.

        Raises
        ------
        FileFormatError
            If the file is damaged or is something else.
        """
        meta, arrays = files.load(path, KIND)
        try:
            memory = cls(from_spec(meta["spec"], backend=backend, device=device))
            memory.add([_from_json(name) for name in meta["names"]], memory.vsa.from_numpy(arrays["vectors"]))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise FileFormatError(f"{path} does not hold a usable item memory: {error}") from error
        return memory


def _to_json(name: Any) -> Any:
    """Write a name as JSON that keeps its type: tagged unless it is a plain string or null."""
    if name is None or isinstance(name, str):
        return name
    if isinstance(name, tuple):
        return {"tuple": [_to_json(part) for part in name]}
    if isinstance(name, bytes):
        return {"bytes": name.hex()}
    if isinstance(name, bool | np.bool_):
        return {"bool": bool(name)}
    if isinstance(name, float | np.floating):
        return {"float": float(name).hex()}
    return {"int": hex(int(name))}


def _from_json(value: Any) -> Name:
    """Undo :func:`_to_json`."""
    if value is None or isinstance(value, str):
        return value
    ((tag, content),) = value.items()
    readers: dict[str, Any] = {
        "tuple": lambda parts: tuple(map(_from_json, parts)),
        "bytes": bytes.fromhex,
        "bool": bool,
        "float": float.fromhex,
        "int": lambda text: int(text, 16),
    }
    name: Name = readers[tag](content)
    return name
