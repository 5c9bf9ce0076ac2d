"""The schema of a table to learn from: its columns and their kinds, its target, and rows as features and targets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.tables import cells
from hdc.apps.learn.tables.blocks import Block, TableError
from hdc.apps.learn.tables.columns import FEW, KINDS, MOST_DISTINCT, ColumnCounts, Kind
from hdc.apps.learn.tables.source import Source
from hdc.apps.progress import counted
from hdc.errors import FileFormatError, ParameterError

Task: TypeAlias = Literal["classify", "regress"]

TASKS = ("auto", "classify", "regress")
"""``"auto"``: regression if the target has real numbers of more than 10 values, or integers of more than 50, or of more
than 10 that differ in most rows."""

PROFILE_ROWS = 200_000
"""Rows whose features are examined; of further rows only the target is."""

MOST_CLASSES = 1000


@dataclass(frozen=True)
class Schema:
    """The columns of a table by what they are for.

    Attributes
    ----------
    target : str
        The column to predict; in documents a path such as ``diagnosis.term``.
    task : {"classify", "regress"}
    columns : dict of name to kind
        What is learned from; empty for documents.
    documents : bool
        Whether rows are nested documents, which are encoded as a whole.
    classes : list of str or int
        Of the target, sorted; empty for a regression.
    left_out : dict of name to str
        The other columns, and why.
    rows : int
        Rows whose target is known.
    notes : list of str
        What a user should know of how the table was read.
    """

    target: str
    task: Task
    columns: dict[str, Kind]
    documents: bool = False
    classes: list[Any] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` takes: all that predictions need."""
        return {
            "target": self.target,
            "task": self.task,
            "columns": [[name, kind] for name, kind in self.columns.items()],
            "documents": self.documents,
            "left_out": sorted(self.left_out),
        }

    @classmethod
    def from_json(cls, given: Any) -> Self:
        """Return a schema from :meth:`to_json`'s dict; raises FileFormatError for something else."""
        try:
            columns = {str(name): kind for name, kind in given["columns"]}
            if not {*columns.values()} <= {*KINDS} or given["task"] not in TASKS[1:]:
                raise ValueError
            left_out = dict.fromkeys(map(str, given["left_out"]), "")
            return cls(str(given["target"]), given["task"], columns, bool(given["documents"]), left_out=left_out)
        except (KeyError, TypeError, ValueError):
            raise FileFormatError("the model says nothing of a table; expected one of hdc learn train") from None

    def features(self, block: Block) -> Any:
        """Return the rows of a block: columns by name, or a list of documents.

        Numbers and dates (as days since 1970) are float64, NaN where they are missing or none; categories and texts
        are strings, None or "" where they are missing.

        Raises
        ------
        TableError
            If the block lacks a column.
        """
        if self.documents:
            if block.documents is None:
                raise TableError(f"{block.places[0]}: a row of a table, and the model learned from nested documents")
            return [without(document, (self.target, *self.left_out)) for document in block.documents]
        if lacking := [name for name in self.columns if name not in block.columns and block.documents is None]:
            raise TableError(f"{block.places[0]}: no column {lacking[0]!r}, from which the model predicts")
        nothing = [None] * len(block)
        return {name: _CONVERT[kind](block.columns.get(name, nothing)) for name, kind in self.columns.items()}

    def targets(self, block: Block) -> npt.NDArray[Any]:
        """Return the target of each row: float64 with NaN, or objects with None, where it is missing."""
        values = column_of(block, self.target)
        if values is None:
            raise TableError(f"{block.places[0]}: no column {self.target!r}")
        if self.task == "regress":
            return cells.numbers(values)
        known = cells.words(values)
        if self.classes and isinstance(self.classes[0], int):
            known[:] = [int(value) if value is not None and _is_whole(value) else value for value in known]
        return known


_CONVERT: Mapping[str, Any] = {
    "numeric": cells.numbers,
    "date": cells.days,
    "category": cells.words,
    "text": lambda values: np.array([value or "" for value in cells.words(values)], dtype=object),
}


def column_of(block: Block, name: str) -> Sequence[Any] | None:
    """Return the values of a column, or of a path in documents; None if no row has it."""
    if name in block.columns:
        values: Sequence[Any] = block.columns[name]
        return values
    if block.documents is None or "." not in name:
        return None
    found = [_inside(document, name.split(".")) for document in block.documents]
    return found if any(value is not None for value in found) else None


def _inside(document: Any, path: Sequence[str]) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def without(document: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return a document without some fields, or paths of them; the document stays unchanged."""
    left = dict(document)
    for name in names:
        if name in left:
            del left[name]
        elif "." in name:
            first, _, rest = name.partition(".")
            if isinstance(left.get(first), dict):
                left[first] = without(left[first], [rest])
    return left


def learn_schema(
    source: Source,
    target: str,
    *,
    task: str = "auto",
    kinds: Mapping[str, Kind] | None = None,
    drop: Iterable[str] = (),
) -> Schema:
    """Read a table once and return the kinds of its columns.

    Parameters
    ----------
    source : Source
    target : str
    task : {"auto", "classify", "regress"}
    kinds : mapping of column to kind, optional
        What columns are taken for, whatever they hold.
    drop : iterable of str
        Columns to leave out.

    Raises
    ------
    TableError
        If the file is no table, has no such columns, no known target, one class, or more than ``MOST_CLASSES``.
    ParameterError
        If a column is named that is not there.
    """
    kinds, drop = dict(kinds or {}), list(drop)
    counts: dict[str, ColumnCounts] = {}
    goal, seen, documents = ColumnCounts(as_words=True), 0, False
    for block in counted(source.blocks(), "blocks read"):
        values = column_of(block, target)
        goal.add([None] * len(block) if values is None else values, block.places)
        if seen < PROFILE_ROWS:
            for name, column in block.columns.items():
                counts.setdefault(name, ColumnCounts()).add(column, block.places)
            documents = documents or any(count.nested for name, count in counts.items() if name not in drop)
        seen += len(block)
    if not goal.known:
        known = ", ".join(list(counts)[:20])
        why = f"no value of {target!r} is known" if target in counts else f"no column {target!r}; it has {known}"
        raise TableError(f"{source.name}: {why or 'no rows'}" if seen else f"{source.name}: a header, and no rows")
    if absent := [name for name in (*kinds, *drop) if name not in counts and not documents]:
        raise ParameterError(f"{source.name} has no column {absent[0]!r}; it has {', '.join(list(counts)[:20])}")
    found_task, notes = _task(goal, target, task, source.name)
    classes = _classes(goal, target, source.name) if found_task == "classify" else []
    columns, left_out = ({}, dict.fromkeys(drop, "dropped")) if documents else _columns(counts, target, kinds, drop)
    if not columns and not documents:
        raise TableError(f"{source.name}: no column to learn from beside {target!r}: {_reasons(left_out)}")
    notes += [
        f"{name}: {count.known - count.numbers:,} of {count.known:,} values are no numbers and taken for missing, "
        f"the first is {count.strange[0]!r} ({count.strange[1]})"
        for name, count in counts.items()
        if columns.get(name) == "numeric" and count.strange
    ]
    return Schema(target, found_task, columns, documents, classes, left_out, goal.known, notes)


def _columns(
    counts: Mapping[str, ColumnCounts], target: str, kinds: Mapping[str, Kind], drop: Sequence[str]
) -> tuple[dict[str, Kind], dict[str, str]]:
    columns: dict[str, Kind] = {}
    left_out: dict[str, str] = {}
    for name, count in counts.items():
        if name == target:
            continue
        kind, why = (None, "dropped") if name in drop else (kinds[name], "") if name in kinds else count.kind()
        if kind is None:
            left_out[name] = why
        else:
            columns[name] = kind
    return columns, left_out


def _reasons(left_out: Mapping[str, str]) -> str:
    return "; ".join(f"{name} ({why})" for name, why in list(left_out.items())[:20]) or "it is the only one"


def _task(goal: ColumnCounts, target: str, task: str, name: str) -> tuple[Task, list[str]]:
    numeric = goal.numbers == goal.known
    if task == "regress" and not goal.is_numeric:
        value, place = goal.strange or ("", name)
        raise TableError(f"{place}: {value!r} is no number, and regression was asked for of {target!r}")
    if task == "classify" or not numeric:
        return "classify", []
    if task == "regress":
        return "regress", []
    whole = all(float(value).is_integer() for value in goal.distinct)
    most_differ = len(goal.distinct) > goal.known / 2
    if len(goal.distinct) > (50 if whole and not most_differ else 10):
        many = "more than 2,000" if len(goal.distinct) > MOST_DISTINCT else str(len(goal.distinct))
        return "regress", [f"{target} has {many} different numbers: a regression; --task classify for classes"]
    return "classify", []


def _classes(goal: ColumnCounts, target: str, name: str) -> list[Any]:
    words = sorted(goal.distinct)
    if len(words) < 2:
        raise TableError(f"{name}: every known {target!r} is {words[0]!r}; expected two classes or more")
    if len(words) > MOST_CLASSES:
        raise TableError(f"{name}: {target!r} has more than {MOST_CLASSES:,} different values; expected classes")
    whole = all(_is_whole(word) for word in words)
    return sorted(map(int, words)) if whole else words


def _is_whole(word: str) -> bool:
    return len(word) < FEW and word.removeprefix("-").isdecimal() and str(int(word)) == word
