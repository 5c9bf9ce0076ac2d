"""Benchmark ratios over time: what is kept of a report, and that all of it is drawn."""

import json
from datetime import UTC, datetime

import pytest

from tests.benchmarks import module

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROW = {"name": "bind", "title": "bind", "threads": 1, "equal": True, "ours": 0.5, "rivals": {"a": 1.0, "b": 2.0}}
REPORT = {"versions": {"processor": "made up", "hdc": "0"}, "results": [ROW, ROW | {"name": "search", "threads": 2}]}


@pytest.fixture(scope="module")
def history():
    return module("history")


def test_a_line_has_each_ratio_once(history):
    kept = history.line(REPORT, "abc", WHEN)
    assert kept["when"] == "2026-01-02T03:04:05+00:00"
    assert kept["ratios"] == {
        "bind, 1 thr.: a": 2.0,
        "bind, 1 thr.: b": 4.0,
        "search, 2 thr.: a": 2.0,
        "search, 2 thr.: b": 4.0,
    }
    assert history.line({"versions": {}, "rows": [ROW]}, "abc", WHEN)["ratios"] == {
        "bind, 1 thr.: a": 2.0,
        "bind, 1 thr.: b": 4.0,
    }


def test_other_answers_are_refused(history):
    with pytest.raises(ValueError, match="the answers differ"):
        history.line({"versions": {}, "rows": [ROW | {"equal": False}]}, "abc", WHEN)


def test_lines_are_appended_and_drawn(history, tmp_path):
    path = tmp_path / "history.jsonl"
    assert history.read(path) == []
    lines = [history.line(REPORT, commit, WHEN) for commit in ("a", "b")]
    for kept in lines:
        history.append(kept, path)
    assert history.read(path) == json.loads(json.dumps(lines))
    history.draw(history.read(path), tmp_path / "history.svg")
    drawn = (tmp_path / "history.svg").read_text()
    assert "made up" in drawn
    assert "bind, 1 thr." in drawn
    assert "search, 2 thr." in drawn


def test_what_is_kept_in_the_repository_can_be_read(history):
    for kept in history.read():
        assert kept["ratios"]
        assert kept["versions"]["processor"]
        assert kept["commit"]
