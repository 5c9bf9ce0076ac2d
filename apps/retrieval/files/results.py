"""Results of searches: lines for people, JSON for programs, ``.npz`` and Parquet files."""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.errors import BackendUnavailableError, ParameterError
from hdc.files import replacing

Scores = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Keys = Sequence[str | None]
"""One key per id, in C order."""


def text_lines(scores: Scores, ids: Ids, keys: Keys, measure: str = "score") -> list[str]:
    """Return the lines of a table, with a key column if there are keys; integer scores have no decimals."""
    hits = list(_hits(scores, ids, keys))
    keyed = any(key is not None for *_, key in hits)
    width = max([len(str(number)) for _, _, _, number, _ in hits] + [2])
    column = max(6, len(measure))
    form = f"{column}.3f" if scores.dtype.kind == "f" else f"{column}.0f"
    lines = [f"query  rank  {measure:>{column}}  {'id'.rjust(width)}" + ("  key" if keyed else "")]
    for query, rank, score, number, key in hits:
        name = f"  {'' if key is None else key}" if keyed else ""
        lines.append(f"{query:5}  {rank:4}  {score:{form}}  {number:{width}}{name}".rstrip())
    return lines


def json_lines(scores: Scores, ids: Ids, keys: Keys, measure: str = "score") -> list[str]:
    """Return one JSON object per query: its number, and its hits with id, score (or another measure) and key."""
    hits: list[list[dict[str, Any]]] = [[] for _ in ids]
    for query, _, score, number, key in _hits(scores, ids, keys):
        hits[query].append({"id": number, measure: score} | ({} if key is None else {"key": key}))
    return [json.dumps({"query": query, "hits": found}, ensure_ascii=False) for query, found in enumerate(hits)]


def _hits(scores: Scores, ids: Ids, keys: Keys) -> Any:
    """Yield query, rank, score, id and key of each hit."""
    k, whole = ids.shape[1], scores.dtype.kind in "iu"
    for query, row in enumerate(ids.tolist()):
        for place, number in enumerate(row):
            if number >= 0:
                score = scores[query, place].item()
                yield query, place + 1, score if whole else round(score, 6), number, keys[query * k + place]


def writer(path: str, measure: str = "score") -> Callable[[Scores, Ids, Keys], None]:
    """Return a function that writes results to a file; check first that the file can be written.

    ``.npz`` contains ``scores`` (or another measure), ``ids``, and ``keys`` as text, empty for rows without a key.
    ``.parquet`` has one row per hit: query, rank, score, id and key.

    Raises
    ------
    ParameterError
        If the name has another suffix, or its folder does not exist.
    BackendUnavailableError
        If the file is Parquet and pyarrow is not installed.
    """
    writers = {".npz": _write_npz, ".parquet": _write_parquet}
    ending = checks.path(path).suffix
    if ending not in writers:
        raise ParameterError(f"{path}: results are written as {' or '.join(writers)}")
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise ParameterError(f"{path}: the folder does not exist; create it first")
    if ending == ".parquet":
        _pyarrow()

    def write(scores: Scores, ids: Ids, keys: Keys) -> None:
        with replacing(path) as file:
            writers[ending](file, scores, ids, keys, measure)

    return write


def _write_npz(file: BinaryIO, scores: Scores, ids: Ids, keys: Keys, measure: str) -> None:
    named = np.array([key or "" for key in keys], dtype=str).reshape(ids.shape)
    arrays: Any = {f"{measure}s": scores, "ids": ids, "keys": named}
    np.savez(file, **arrays)


def _write_parquet(file: BinaryIO, scores: Scores, ids: Ids, keys: Keys, measure: str) -> None:
    arrow = _pyarrow()
    query, rank, score, number, key = zip(*_hits(scores, ids, keys), strict=True) if ids.size else ((),) * 5
    columns = {
        "query": arrow.array(query, arrow.int64()),
        "rank": arrow.array(rank, arrow.int32()),
        measure: arrow.array(score, arrow.float32() if scores.dtype.kind == "f" else arrow.int32()),
        "id": arrow.array(number, arrow.int64()),
        "key": arrow.array(key, arrow.string()),
    }
    arrow.parquet.write_table(arrow.table(columns), file)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BackendUnavailableError("Parquet needs pyarrow; pip install 'hdc-toolkit[parquet]'") from error
    return pyarrow
