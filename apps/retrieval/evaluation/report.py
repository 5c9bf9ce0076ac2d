"""Measurements of indexes, and tables of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from hdc.apps.retrieval.evaluation.judgments import NDCG_DEPTH


@dataclass(frozen=True)
class Measured:
    """Measurements of one way to search.

    Attributes
    ----------
    name : str
    recall : float
        Mean share of the k exact neighbors found.
    bytes_per_vector : float
        Bytes per vector that a search reads: its code, what the exact step compares, a graph's records and links.
    queries_per_second : float
    build_seconds : float or None
        None if unknown.
    ndcg, mrr : float or None
        None without judgments.
    """

    name: str
    recall: float
    bytes_per_vector: float
    queries_per_second: float
    build_seconds: float | None = None
    ndcg: float | None = None
    mrr: float | None = None


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the positions of the Pareto-optimal (recall, cost) points, by ascending cost.

    A point beats another if it is at least as good in both and better in one.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][1], -points[i][0]))
    kept: list[int] = []
    for i in order:
        if not kept or points[i][0] > points[kept[-1]][0]:
            kept.append(i)
    return kept


def table(rows: Sequence[Measured], k: int) -> list[str]:
    """Return the lines of a text table."""
    heads = ["index", f"recall@{k}", "bytes/vector", "queries/s", "build s"]
    judged = any(row.ndcg is not None for row in rows)
    heads += [f"nDCG@{NDCG_DEPTH}", "MRR"] if judged else []
    cells = [_cells(row, judged) for row in rows]
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    return ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in [heads, *cells]]


def _cells(row: Measured, judged: bool) -> list[str]:
    built = "-" if row.build_seconds is None else f"{row.build_seconds:.1f}"
    cells = [row.name, f"{row.recall:.4f}", f"{row.bytes_per_vector:g}", f"{row.queries_per_second:,.0f}", built]
    return cells + [("-" if value is None else f"{value:.4f}") for value in (row.ndcg, row.mrr) if judged]
