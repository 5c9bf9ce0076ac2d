"""The benchmarks of JSON search: how queries are made, what ties count, what is refused of a download."""

import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks import BENCHMARKS, module

collections, corpus, queries, ranking = (
    module(f"json_{name}") for name in ("collections", "corpus", "queries", "ranking")
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=8),
    lambda items: st.lists(items, max_size=4) | st.dictionaries(st.text(max_size=3), items, max_size=4),
    max_leaves=12,
)


@given(JSON, st.integers(0, 99))
def test_queries_are_leaves_of_the_document(value, seed):
    every = dict(queries.leaves(value))
    for draw in (queries.walked, queries.drawn):
        found = draw(value, 3, Random(seed))
        assert len(found) <= 3
        assert found.items() <= every.items()
    assert len(queries.drawn(value, 3, Random(seed))) == min(3, len(every))


def test_the_document_of_all_leaves_lacks_what_is_empty():
    value = {"a": [{"b": 1, "c": None}, {}, {"b": "x"}], "at": [9.5, 47], "d": {}, "e": False}
    left = queries.document_of(dict(queries.leaves(value)))
    assert left == {"a": [{"b": 1}, {"b": "x"}], "at": [9.5, 47], "e": False}


@given(st.text("abcXYZ", min_size=4, max_size=9), st.integers(0, 999))
def test_a_typing_error_is_one_edit(word, seed):
    wrong = queries.misspelled(word, Random(seed))
    letters = {*word, *wrong}
    swaps = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    shorter = {word[:i] + word[i + 1 :] for i in range(len(word))}
    longer = {word[:i] + c + word[i:] for i in range(len(word) + 1) for c in letters}
    replaced = {word[:i] + c + word[i + 1 :] for i in range(len(word)) for c in letters}
    assert wrong.lower() != word.lower()
    assert wrong in swaps | shorter | longer | replaced


@given(st.integers(0, 999))
def test_one_text_and_one_number_change(seed):
    left = {("a",): "see the Rhine", ("b",): "an ox", ("c", 0): 1000, ("d",): [9.5, 47.25], ("e",): True}
    wrong = queries.with_noise(queries.with_typing_error(left, Random(seed)), Random(seed))
    assert wrong.keys() == left.keys()
    assert sum(wrong[path] != left[path] for path in (("a",), ("b",))) == 1
    assert wrong[("b",)] == "an ox"
    before = [left[("c", 0)], *left[("d",)]]
    after = [wrong[("c", 0)], *wrong[("d",)]]
    assert sum(x != y for x, y in zip(before, after, strict=True)) <= 1
    assert np.allclose(before, after, rtol=0.06)
    assert [type(x) for x in before[:1]] == [type(x) for x in after[:1]]
    assert wrong[("e",)] is True


@given(st.lists(st.sampled_from([3.0, 2.0, 1.0]), min_size=1, max_size=6), st.integers(0, 6))
def test_ties_are_the_mean_over_all_orders(scores, target):
    scores.sort(reverse=True)
    values = np.array(scores)
    reciprocal = found = orders = 0
    for order in itertools.permutations(range(len(scores))):
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order)):
            orders += 1
            rank = order.index(target) + 1 if target in order else 0
            reciprocal += 1 / rank if 0 < rank <= ranking.CUTOFF else 0
            found += 0 < rank <= ranking.CUTOFF
    assert np.allclose(ranking.expected(np.arange(len(scores)), values, target), (reciprocal / orders, found / orders))


def test_ties_beyond_the_cutoff_share_it():
    ids, scores = np.arange(40), np.ones(40)
    assert ranking.cut_in_ties(scores)
    assert np.allclose(ranking.expected(ids, scores, 39), (sum(1 / r for r in range(1, 11)) / 40, 0.25))


def test_differences_of_chance_are_level_and_others_are_not():
    random = np.random.default_rng(0)
    noise, groups = random.standard_normal(500), np.arange(500)
    assert ranking.compare(noise, groups).verdict == "level"
    assert ranking.compare(noise + 0.3, groups).verdict == "above"
    assert ranking.compare(noise - 0.3, groups).verdict == "BELOW"
    one = ranking.compare(np.ones(500), np.zeros(500, np.int64))
    assert one.p > 0.9, "queries of one document are one draw"


def test_a_download_that_is_another_file_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("HDC_BENCH_CACHE", str(tmp_path / "cache"))
    write = "import pathlib, sys; pathlib.Path(sys.argv[1], 'x.tgz').write_bytes(b'other')"
    monkeypatch.setattr(collections.Package, "command", lambda self, folder: [sys.executable, "-c", write, str(folder)])
    package = replace(collections.MDN, file="x.tgz")
    assert "not kept" in collections.fetch(package)
    assert list((tmp_path / "cache").iterdir()) == []
    good = replace(package, sha256="d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa")
    assert collections.fetch(good) == "downloaded"
    assert collections.fetch(good) == "there"
    assert "delete" in collections.fetch(package)


def test_a_missing_collection_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HDC_BENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("HDC_BENCH_DATA", str(tmp_path))
    names = [name for name, _ in collections.present(list(collections.COLLECTIONS))]
    assert names == ["earthquakes", "operations"]
    said = capsys.readouterr().out
    assert "--fetch" in said
    assert "HDC_BENCH_DATA" in said


def test_features_are_taken_apart():
    data = {"api": {"A": {"__compat": {"x": 1}, "b": {"__compat": {"y": 2}}}, "C": {}}}
    assert list(collections._features(data, ())) == [{"id": "api.A", "x": 1}, {"id": "api.A.b", "y": 2}]


def test_equal_documents_count_once(monkeypatch):
    monkeypatch.setitem(collections.COLLECTIONS, "cars", lambda: [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1}])
    assert [json.dumps(document) for document in collections.load("cars")] == ['{"b": 2, "a": 1}', '{"a": 1}']


def test_grown_collections_begin_with_the_real_documents_and_repeat_on_every_run():
    real = [{"id": f"r{i}", "a": {"b": i}, "tags": [f"t{i}", None]} for i in range(9)]
    grown = list(corpus.recombined(real, 30))
    assert grown[:9] == real
    assert [document["id"] for document in grown[9:12]] == ["r0.1", "r1.1", "r2.1"]
    assert {json.dumps(document["a"]) for document in grown} <= {json.dumps(document["a"]) for document in real}
    assert grown[9:18] != [{**document, "id": f"{document['id']}.1"} for document in real]
    assert list(corpus.recombined(real, 30)) == grown


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_benchmark_of_latency_runs():
    command = [sys.executable, str(BENCHMARKS / "bench_json_latency.py"), "--collections", "earthquakes", "--sizes", ""]
    options = ["--queries", "2", "--compared", "1", "--engines", "hdc,TF-IDF"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert "earthquakes: 1,707 documents" in done.stdout
    assert "recall@10 of ours" in done.stdout
