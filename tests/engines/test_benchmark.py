"""The benchmark runs, and sees answers that differ."""

import numpy as np
import pytest

from tests.benchmarks import module
from tests.engines.conftest import CASES


def test_the_table_tells_what_is_equal(capsys):
    pytest.importorskip("duckdb", reason="DuckDB is not installed")
    bench = module("bench_engines")
    with CASES.ENGINES["duckdb"]() as engine:
        for task in (bench.codes_task(300), bench.vectors_task(300)):
            bench.compare(task, {"duckdb": engine})
            line = capsys.readouterr().out.splitlines()[-1]
            assert line.startswith(f"| duckdb | {engine.version} | {engine.started} | 1.000 | 1.000 |")


@pytest.mark.parametrize(("name", "library"), [("faiss", "faiss"), ("usearch, graph", "usearch")])
def test_libraries_in_the_process_answer_as_we_do(name, library, capsys):
    pytest.importorskip(library, reason=f"{library} is not installed")
    bench = module("bench_engines")
    with CASES.OF_CODES[name]() as engine:
        bench.compare(bench.codes_task(300), {name: engine})
    assert "| 1.000 | 1.000 |" in capsys.readouterr().out.splitlines()[-1]


def test_answers_that_differ_are_not_told_as_equal():
    agreement = module("bench_engines").agreement
    expected = np.int32([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8]])
    assert agreement(expected, expected) == (1, 1)
    assert agreement((expected[0] + 1, expected[1]), expected) == (0, 1)
    assert agreement((expected[0][:, :1], expected[1][:, :1]), expected) == (0.5, 0.5)
