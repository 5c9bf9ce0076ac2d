"""Quality of searches by human judgments: nDCG and MRR."""

import math
import os
from collections.abc import Mapping, Sequence

from hdc import checks
from hdc.errors import FileFormatError, ParameterError

Judgments = Mapping[str, Mapping[str, int]]
"""Grades of documents by query: ``judgments[query][document]``; missing documents have grade 0."""


NDCG_DEPTH = 10


def read_judgments(path: str | os.PathLike[str], *, binary: bool = False) -> dict[str, dict[str, int]]:
    """Read relevance judgments: lines of query, document and grade, or TREC's query, 0, document and grade.

    Parameters
    ----------
    path : path
    binary : bool
        Treat every grade above 0 as 1, for collections whose grades do not grow with relevance.

    Returns
    -------
    dict of query to dict of document to grade
        Grades above 0 only.

    Raises
    ------
    FileFormatError
        If a line has another format; the message names the line.
    ParameterError
        If no document is relevant.
    """
    binary = checks.flag(binary, "binary")
    judgments: dict[str, dict[str, int]] = {}
    with open(checks.path(path), encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            words = line.split()
            if not words:
                continue
            try:
                query, document, grade = words[0], words[-2], int(words[-1])
            except (IndexError, ValueError):
                words = []
            if len(words) not in (3, 4):
                raise FileFormatError(
                    f"{os.fspath(path)}: line {number} is not 'query document grade' or 'query 0 document grade'"
                )
            if grade > 0:
                judgments.setdefault(query, {})[document] = 1 if binary else grade
    if not judgments:
        raise ParameterError(f"{os.fspath(path)} contains no judgment with a grade above 0")
    return judgments


def ndcg(found: Mapping[str, Sequence[str]], judgments: Judgments, depth: int = NDCG_DEPTH) -> float:
    """Return the mean nDCG of the judged queries.

    Parameters
    ----------
    found : mapping of query to documents, the best first
    judgments : mapping of query to mapping of document to grade
    depth : int
        Number of documents that count, at least 1. A document's gain is its grade, discounted by ``log2(1 + rank)`` as
        in trec_eval.
    """
    depth = checks.integer(depth, "depth", 1)
    values = []
    for query, grades in judgments.items():
        got = [grades.get(document, 0) for document in found.get(query, ())[:depth]]
        best = sorted(grades.values(), reverse=True)[:depth]
        values.append(_discounted(got) / _discounted(best))
    return math.fsum(values) / len(values)


def _discounted(gains: Sequence[int]) -> float:
    return math.fsum(gain / math.log2(1 + rank) for rank, gain in enumerate(gains, 1))


def mrr(found: Mapping[str, Sequence[str]], judgments: Judgments) -> float:
    """Return the mean reciprocal rank of the first relevant document, over the judged queries; 0 if none was found.

    Parameters
    ----------
    found, judgments
        As :func:`ndcg`.
    """
    ranks = [
        next((rank for rank, document in enumerate(found.get(query, ()), 1) if grades.get(document, 0) > 0), math.inf)
        for query, grades in judgments.items()
    ]
    return math.fsum(1 / rank for rank in ranks) / len(ranks)
