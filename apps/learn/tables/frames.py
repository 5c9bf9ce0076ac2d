"""Rows for learners: a data frame of columns, or a list of documents, and parts of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.tables.blocks import ROWS, Block, TableError
from hdc.apps.learn.tables.schema import Schema, column_of
from hdc.apps.learn.tables.source import Source
from hdc.errors import BackendUnavailableError

MOST_CELLS = 1 << 28
"""Most cells to hold at once: 2 GiB of numbers."""


@dataclass(frozen=True)
class Rows:
    """Rows whose target is known.

    Attributes
    ----------
    features : data frame or list of documents
    targets : (n,) array
    groups : (n,) object array, optional
    """

    features: Any
    targets: npt.NDArray[Any]
    groups: npt.NDArray[np.object_] | None = None

    def __len__(self) -> int:
        return len(self.targets)


def frame(columns: dict[str, npt.NDArray[Any]]) -> Any:
    """Return columns as a pandas data frame: numbers as float64, strings as objects.

    Raises
    ------
    BackendUnavailableError
        If pandas is missing.
    """
    try:
        import pandas
    except ImportError as error:
        raise BackendUnavailableError("tables need pandas; pip install 'hdc-toolkit[learn]'") from error
    return pandas.DataFrame({name: pandas.Series(values, dtype=values.dtype) for name, values in columns.items()})


def features_of(schema: Schema, block: Block) -> Any:
    """Return the features of a block as learners take them."""
    found = schema.features(block)
    return found if schema.documents else frame(found)


def taken(features: Any, rows: npt.NDArray[np.int64]) -> Any:
    """Return some rows of a data frame or a list."""
    return features.iloc[rows] if hasattr(features, "iloc") else [features[row] for row in rows.tolist()]


def blocks_of(source: Source, schema: Schema, group: str | None = None, size: int = ROWS) -> Iterator[Rows]:
    """Yield the rows whose target is known, in blocks; raises TableError while iterating."""
    for block in source.blocks(size):
        targets = schema.targets(block)
        known = np.flatnonzero([value is not None and value == value for value in targets])
        if not len(known):
            continue
        groups = None if group is None else _groups(block, group)[known]
        chosen = targets[known]
        labels = chosen if schema.task == "regress" else np.array(chosen.tolist())
        yield Rows(taken(features_of(schema, block), known), labels, groups)


def _groups(block: Block, name: str) -> npt.NDArray[np.object_]:
    values = column_of(block, name)
    if values is None:
        raise TableError(f"{block.places[0]}: no column {name!r}, in which groups were to be")
    found = np.empty(len(block), dtype=object)
    found[:] = ["" if value is None else str(value) for value in values]
    return found


def all_rows(source: Source, schema: Schema, group: str | None = None) -> Rows:
    """Return all rows whose target is known.

    Raises
    ------
    TableError
        If they are no table, or more than ``MOST_CELLS`` cells.
    """
    parts = []
    cells = 0
    for part in blocks_of(source, schema, group):
        cells += len(part) * max(len(schema.columns), 1)
        if cells > MOST_CELLS:
            raise TableError(f"{source.name}: more than {MOST_CELLS:,} cells, which memory may not hold; use --stream")
        parts.append(part)
    return Rows(
        _joined([part.features for part in parts]),
        np.concatenate([part.targets for part in parts]),
        None if group is None else np.concatenate([part.groups for part in parts if part.groups is not None]),
    )


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], list):
        return [document for part in parts for document in part]
    import pandas

    return pandas.concat(parts, ignore_index=True)
