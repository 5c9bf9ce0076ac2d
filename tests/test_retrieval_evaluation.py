"""Recall, nDCG and MRR against slow definitions; exact search against a full sort; what nothing else beats."""

import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.retrieval.evaluation import exact, judgments, metrics, plots, report
from hdc.apps.retrieval.evaluation.report import Measured
from hdc.apps.retrieval.files.vectors import Block, open_vectors
from hdc.apps.retrieval.vectors.rows import unit
from hdc.errors import DimensionError, FileFormatError, ParameterError
from tests import naive

RNG = np.random.default_rng(1)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 70), st.integers(1, 20), st.integers(0, 2**32))
def test_exact_is_a_full_sort_with_low_rows_first(n, q, k, step, seed):
    rng = np.random.default_rng(seed)
    items = rng.integers(-2, 3, (n, 2)).astype(np.float32)  # few directions, so that many scores are equal
    queries = rng.integers(-2, 3, (q, 2)).astype(np.float32)
    blocks = [Block(i, items[i : i + step], None) for i in range(0, n, step)]
    scores, rows = exact.exact(blocks, queries, k)
    for query, got, found in zip(queries, scores, rows, strict=True):
        true = [float(np.float32(cosine(query, item))) for item in items]
        np.testing.assert_allclose(got, sorted(true, reverse=True)[:k], atol=1e-6)
        np.testing.assert_allclose([true[row] for row in found], got, atol=1e-6)
        assert len(set(found)) == min(k, n)
        for a, b in zip(range(len(found) - 1), range(1, len(found)), strict=True):
            assert got[a] > got[b] or (got[a] == got[b] and found[a] < found[b])


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("center", [0, 1000])
def test_exact_by_every_metric(metric, center):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((90, 5)) * rng.lognormal(size=(90, 1)) + center).astype(np.float32)
    queries = (rng.standard_normal((7, 5)) + center).astype(np.float32)
    blocks = [Block(0, x[:40], None), Block(40, x[40:], None)]
    scores, rows = exact.exact(blocks, queries, 6, metric)
    truth = naive.similarities(queries, x, metric)
    best = -np.sort(-truth, axis=1)[:, :6]
    tolerance = {"rtol": 1e-5, "atol": 2e-3 if metric == "l2" else 1e-6}
    np.testing.assert_allclose(scores, best, **tolerance)
    np.testing.assert_allclose(np.take_along_axis(truth, rows, axis=1), best, **tolerance)
    with pytest.raises(ParameterError, match="metric must be one of"):
        exact.exact(blocks, queries, 6, "euclid")


def cosine(a, b):
    norms = math.hypot(*a) * math.hypot(*b)
    return float(np.dot(a, b)) / norms if norms else 0.0


def test_exact_over_many_queries_and_items_in_parts(monkeypatch):
    monkeypatch.setattr(exact, "QUERIES_TOGETHER", 3)
    monkeypatch.setattr(exact, "ITEMS_TOGETHER", 4)
    items, queries = RNG.standard_normal((30, 5)).astype(np.float32), RNG.standard_normal((8, 5)).astype(np.float32)
    _, rows = exact.exact([Block(0, items[:11], None), Block(11, items[11:], None)], queries, 6)
    products = unit(queries) @ unit(items).T
    np.testing.assert_array_equal(rows, np.argsort(-products, axis=1, kind="stable")[:, :6])


@pytest.fixture
def vectors(tmp_path):
    np.save(tmp_path / "v.npy", RNG.standard_normal((40, 5)).astype(np.float32))
    return open_vectors(tmp_path / "v.npy")


def test_exact_rows_are_cached_for_the_same_question(vectors, tmp_path, monkeypatch):
    cache, queries = tmp_path / "truth.npz", vectors.sample(4)
    rows = exact.exact_rows(vectors, queries, 3, cache)
    np.testing.assert_array_equal(rows, exact.exact_rows(vectors, queries, 3))
    with monkeypatch.context() as patched:
        patched.setattr(exact, "exact", None)
        np.testing.assert_array_equal(exact.exact_rows(vectors, queries, 3, cache), rows)
    assert exact.exact_rows(vectors, queries, 4, cache).shape == (4, 4)
    assert exact.exact_rows(vectors, queries[:2], 4, cache).shape == (2, 4)
    os.utime(vectors.path, ns=(0, 0))
    monkeypatch.setattr(exact, "exact", None)
    with pytest.raises(TypeError):
        exact.exact_rows(vectors, queries[:2], 4, cache)


def test_exact_rows_refuses_other_files_and_dimensions(vectors, tmp_path):
    (tmp_path / "truth.npz").write_text("mine")
    with pytest.raises(FileFormatError, match="not a cache of exact neighbors"):
        exact.exact_rows(vectors, vectors.sample(4), 3, tmp_path / "truth.npz")
    assert (tmp_path / "truth.npz").read_text() == "mine"
    with pytest.raises(DimensionError, match=r"queries have 4 components, but the vectors of .* have 5"):
        exact.exact_rows(vectors, np.ones((1, 4), np.float32), 3)


def test_recall():
    assert metrics.recall([[1, 2, 3], [7, 8, 9]], [[3, 2], [1, 9]]) == pytest.approx(0.75)
    assert math.isnan(metrics.recall(np.empty((3, 0)), np.empty((3, 0))))


def test_ndcg_and_mrr_by_hand():
    graded = {"a": {"x": 3, "y": 1}, "b": {"z": 2}, "c": {"z": 1}}
    found = {"a": ["n", "y", "x"], "b": ["z"]}
    a = (1 / math.log2(3) + 3 / math.log2(4)) / (3 / math.log2(2) + 1 / math.log2(3))
    assert judgments.ndcg(found, graded) == pytest.approx((a + 1 + 0) / 3)
    assert judgments.ndcg(found, graded, depth=2) == pytest.approx((1 / math.log2(3) / (3 + 1 / math.log2(3)) + 1) / 3)
    assert judgments.mrr(found, graded) == pytest.approx((1 / 2 + 1 + 0) / 3)


def test_judgments_are_read_in_both_forms(tmp_path):
    path = tmp_path / "qrels"
    path.write_text("1 a 2 \n1 0 b 0\n\nq2 Q0 c -1\nq2\t0\tc\t4\n")
    assert judgments.read_judgments(path) == {"1": {"a": 2}, "q2": {"c": 4}}
    assert judgments.read_judgments(path, binary=True) == {"1": {"a": 1}, "q2": {"c": 1}}


@pytest.mark.parametrize("line", ["1", "1 a", "1 a high", "1 0 0 a 1"])
def test_a_wrong_judgment_is_told_with_its_line(tmp_path, line):
    (tmp_path / "qrels").write_text(f"1 a 1\n{line}\n")
    with pytest.raises(FileFormatError, match="qrels: line 2 is not"):
        judgments.read_judgments(tmp_path / "qrels")
    (tmp_path / "qrels").write_text("1 a 0\n")
    with pytest.raises(ParameterError, match="no judgment with a grade above 0"):
        judgments.read_judgments(tmp_path / "qrels")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8))
def test_pareto_keeps_what_nothing_beats(points):
    def beaten(p):
        return any(o != p and o[0] >= p[0] and o[1] <= p[1] for o in points)

    kept = [points[i] for i in report.pareto(points)]
    assert sorted(kept) == sorted({p for p in points if not beaten(p)})
    assert [cost for _, cost in kept] == sorted(cost for _, cost in kept)


def test_timed_is_the_median_after_a_warm_up(monkeypatch):
    clock = iter([0, 1, 1, 4, 4, 6])
    monkeypatch.setattr(metrics.time, "perf_counter", lambda: next(clock))
    calls = []
    assert metrics.timed(lambda: calls.append(1), seconds=5) == 2
    assert len(calls) == 4


ROWS = [Measured("float", 1.0, 1536, 900, None, 0.41, 0.5), Measured("sign, 50", 0.93, 48.5, 12345.6, 3.21)]


def test_table():
    assert report.table(ROWS, 10) == [
        "index     recall@10  bytes/vector  queries/s  build s  nDCG@10     MRR",
        "float        1.0000          1536        900        -   0.4100  0.5000",
        "sign, 50     0.9300          48.5     12,346      3.2        -       -",
    ]
    assert "nDCG" not in report.table(ROWS[1:], 10)[0]


def test_figure_shows_every_row_in_both_panels(tmp_path):
    size, speed = plots.figure(ROWS, 10).axes
    for axes, values in ((size, [1536, 48.5]), (speed, [900, 12345.6])):
        front, *points = axes.get_lines()
        assert [(float(p.get_xdata()[0]), float(p.get_ydata()[0])) for p in points] == list(
            zip(values, [1.0, 0.93], strict=True)
        )
        assert len(front.get_xdata()) == 2
    plots.save(ROWS, 10, tmp_path / "p.svg")
    assert (tmp_path / "p.svg").read_text().startswith("<?xml")
    with pytest.raises(ParameterError, match="no rows to plot"):
        plots.figure([], 10)
    with pytest.raises(ParameterError, match="what"):
        plots.save(ROWS, 10, tmp_path / "p.what")
