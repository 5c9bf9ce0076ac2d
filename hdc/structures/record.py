"""Record: fields with values, one by one and in batches."""

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain, pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np

from hdc.atoms import Name, check_names
from hdc.checks import listed, mapping
from hdc.dtypes import is_array
from hdc.errors import DimensionError, EmptyBundleError
from hdc.kernels import Array
from hdc.memory import ItemMemory, Match
from hdc.structures.base import Structure
from hdc.structures.numbering import MISSING, numbered, numbered_names
from hdc.structures.rows import Numbers, Rows, bundle_sets
from hdc.vsa import VSA

ROLES = 1024
"""Roles to cache while a batch is encoded."""


@dataclass(frozen=True)
class Record(Structure):
    """Fields with values: the bundle of role-value pairs. A field whose value is None is left out.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MBAT", 1024)
    >>> record = hdc.Record(vsa)
    >>> red_ball = record.encode({"shape": "ball", "color": "red"})
    >>> memory = hdc.ItemMemory(vsa, ["red", "green", "ball"])
    >>> record.get(red_ball, "color", memory).name
    'red'
    >>> toys = record.encode({"shape": ["ball", "cube"], "color": ["green", None]})
    >>> toys.shape, record.get(toys[0], "color", memory).name
    ((2, 1024), 'green')
    >>> green_ball = record.replace(red_ball, "color", "red", "green")
    >>> round(float(vsa.similarity(green_ball, toys[0])), 5)
    1.0
    """

    gives: ClassVar[tuple[str, ...]] = ("get", "get_many", "decode")

    def encode(self, fields: Mapping[Name, Any]) -> Array:
        """Return ``sum of bind(role(field), value)``.

        Parameters
        ----------
        fields : mapping of names to values
            A value is a name, or a hypervector ``(..., storage)``; None means no value. If one is a list, all are
            columns of n records: a list of n values, ``(n, storage)`` hypervectors, or one value for all records.

        Returns
        -------
        (..., storage) array, or (n, storage) of columns
            Row i equals the i-th record encoded alone (floats up to rounding). Memory beyond the result is bounded.

        Raises
        ------
        EmptyBundleError
            If there is no field, or a record has no value.
        DimensionError
            If columns have different lengths.
        ParameterError
            If ``fields`` is not a mapping.
        """
        given = mapping(fields, "fields")
        if any(isinstance(value, list) for value in given.values()):
            return _encode_pairs(self, *_pairs_of_columns(self.vsa, given))
        present = {name: value for name, value in given.items() if value is not None}
        if not present:
            raise EmptyBundleError("a Record needs at least one field, and none was given")
        return self.vsa.bundle(self._pairs(list(present), list(present.values())))

    def encode_many(self, records: Iterable[Mapping[Name, Any]]) -> Array:
        """Return :meth:`encode` of each of n records, ``(n, storage)``: much faster than one by one.

        Fields may differ from record to record. Each distinct name is hashed once, and each distinct pair bound once,
        where the vectors of all of them fit in 256 MiB.

        Parameters
        ----------
        records : iterable of n mappings of names to names, hypervectors ``(storage,)`` or None

        Returns
        -------
        (n, storage) array

        Raises
        ------
        EmptyBundleError
            If there is no record, or one has no value: the message says which.
        """
        return _encode_pairs(self, _pairs_of_records(listed(records, "records")), [])

    def _pairs(self, names: Seq[Name], values: Seq[Any]) -> Array:
        """Return bound pairs, ``(..., n, storage)``."""
        vectors = self.vectors(values)
        roles = [self.vsa.role(name) for name in check_names(names)]
        if self.vsa.binds_vectors:
            return self.vsa.bind(self.vsa.xp.stack(roles), vectors)
        bound = [self.vsa.bind(role, vectors[..., i, :]) for i, role in enumerate(roles)]
        return self.vsa.xp.stack(bound, axis=-2)

    # ------------------------------------------------------------------ changes

    def add(self, record: Array, field: Name, value: Any) -> Array:
        """Return records with one more field.

        Parameters
        ----------
        record : (..., storage) array
        field : name
        value : name or (..., storage) array

        Returns
        -------
        (..., storage) array
            What :meth:`encode` returns of all fields, where a bundle of bundles is a bundle.

        Raises
        ------
        UnsupportedError
            If the model's bundles lose what is needed; the message names models that keep it.
        """
        return self._added(record, self._pairs([field], [value]))

    def remove(self, record: Array, field: Name, value: Any) -> Array:
        """Return records without a field, whose value must be given; shapes and errors as :meth:`add`."""
        return self._removed(record, self._pairs([field], [value]))

    def replace(self, record: Array, field: Name, old: Any, new: Any) -> Array:
        """Return records with a field's old value replaced by a new one; shapes and errors as :meth:`add`."""
        return self._changed(record, self._pairs([field, field], [old, new]), -1, 1)

    # ------------------------------------------------------------------ reading

    def get(self, record: Array, field: Name, memory: ItemMemory) -> Match:
        """Return the item of ``memory`` most like the value of a field of one record ``(storage,)``."""
        return self._cleanup(self.vsa.unbind(self.vsa.role(field), record), memory)

    def get_many(self, records: Array, field: Name, memory: ItemMemory) -> list[Match]:
        """Return :meth:`get` for each of ``(n, storage)`` records."""
        checked = self.vsa.check(records, "records")
        if checked.ndim != 2:
            raise DimensionError(f"records have shape (n, {self.vsa.storage}), not {tuple(checked.shape)}")
        return self._cleanups(self.vsa.unbind(self.vsa.role(field), checked), memory)

    def decode(self, record: Array, fields: Seq[Name], memory: ItemMemory) -> dict[Name, Match]:
        """Return :meth:`get` for each field."""
        names, one = list(check_names(fields)), self._single(record)
        found = self._cleanups((self.vsa.unbind(self.vsa.role(name), one) for name in names), memory)
        return dict(zip(names, found, strict=True))


# ---------------------------------------------------------------------- batches


class _Pairs(NamedTuple):
    """Pairs of all records, one record after another: numbers of fields and values, and the start of each record."""

    starts: Numbers
    fields: Numbers
    values: Numbers
    field_names: list[Any]
    distinct: list[Any]


def _pairs_of_records(records: list[Any]) -> _Pairs:
    maps = [mapping(record, "each of records") for record in records]
    lengths = np.fromiter(map(len, maps), dtype=np.int64, count=len(maps))
    fields, names = numbered_names(chain.from_iterable(maps))
    values, distinct = numbered(list(chain.from_iterable(one.values() for one in maps)))
    return _without_missing(lengths, fields, values, names, distinct)


def _pairs_of_columns(vsa: VSA, columns: Mapping[Name, Any]) -> tuple[_Pairs, list[tuple[Name, Array]]]:
    """Return the pairs of names, and the columns of hypervectors."""
    named = {name: column for name, column in columns.items() if not _is_rows(column)}
    rows = [(name, vsa.check(column, f"column {name!r}")) for name, column in columns.items() if _is_rows(column)]
    lists = [(name, column) for name, column in named.items() if isinstance(column, list)]
    lengths = {name: len(column) for name, column in [*lists, *rows]}
    if len(set(lengths.values())) > 1:
        raise DimensionError(f"columns of one batch have the same length, not {lengths}")
    n = next(iter(lengths.values()))
    full = [column if isinstance(column, list) else [column] * n for column in named.values()]
    numbers, distinct = numbered(list(chain.from_iterable(full)))
    values = numbers.reshape(len(full), n).T.reshape(-1)
    fields = np.tile(np.arange(len(full)), n)
    return _without_missing(np.full(n, len(full)), fields, values, list(named), distinct), rows


def _is_rows(column: Any) -> bool:
    return is_array(column) and column.ndim > 1


def _without_missing(
    lengths: Numbers, fields: Numbers, values: Numbers, names: list[Any], distinct: list[Any]
) -> _Pairs:
    present = values != MISSING
    ends = np.concatenate([[0], np.cumsum(present)])
    starts = ends[np.concatenate([[0], np.cumsum(lengths)])]
    return _Pairs(starts, fields[present], values[present], names, distinct)


def _encode_pairs(record: Record, pairs: _Pairs, columns: list[tuple[Name, Array]]) -> Array:
    vsa, counts = record.vsa, np.diff(pairs.starts)
    if len(counts) == 0:
        raise EmptyBundleError("a batch needs at least one record, and none was given")
    if not columns and counts.min() == 0:
        raise EmptyBundleError(f"a Record needs at least one field, and record {int(counts.argmin())} has none")
    beside = [partial(_bound_column, vsa, name, rows) for name, rows in columns]
    return bundle_sets(vsa, *_bound_rows(record, pairs), pairs.starts, beside)


def _bound_column(vsa: VSA, name: Name, rows: Array, block: slice) -> Array:
    return vsa.bind(vsa.role(name), rows[block])


def _bound_rows(record: Record, pairs: _Pairs) -> tuple[Rows, Numbers]:
    """Return the distinct bound pairs, and the number of each pair."""
    vsa, width = record.vsa, max(1, len(pairs.distinct))
    distinct, numbers = np.unique(pairs.fields * width + pairs.values, return_inverse=True)
    values = Rows(vsa, len(pairs.distinct), lambda wanted: record.vectors([pairs.distinct[i] for i in wanted.tolist()]))
    role = lru_cache(ROLES)(lambda number: vsa.role(pairs.field_names[number]))

    def make(wanted: Numbers) -> Array:
        fields, places = np.divmod(distinct[wanted], width)
        cuts = [0, *(np.flatnonzero(np.diff(fields)) + 1).tolist(), len(fields)]
        runs = [slice(a, b) for a, b in pairwise(cuts)]
        return vsa.xp.concat([vsa.bind(role(int(fields[run.start])), values.take(places[run])) for run in runs], axis=0)

    return Rows(vsa, len(distinct), make), numbers.reshape(-1)
