"""Indexes that are chosen by measurement: what is found, kept and refused."""

import json

import numpy as np
import pytest

from hdc.apps.cli import main
from hdc.apps.retrieval import (
    EmbeddingIndex,
    FlatOptions,
    GraphOptions,
    HNSWOptions,
    IVFOptions,
    RaBitQBinarizer,
    tune,
)
from hdc.apps.retrieval.evaluation.report import Measured
from hdc.apps.retrieval.files.vectors import Block, Rows
from hdc.apps.retrieval.tuning import heldout, recipes, trials, tuned
from hdc.apps.retrieval.tuning.heldout import Setting, least, without
from hdc.apps.retrieval.tuning.trials import Growth, Trial, chosen, measured_growth, rivals
from hdc.errors import DimensionError, DTypeError, FileFormatError, ParameterError, UnsupportedError


@pytest.fixture(autouse=True)
def one_timed_search(monkeypatch):
    monkeypatch.setattr(heldout, "TIMED", 1e-9)


def clustered(n, dim=32, seed=0):
    centers = np.random.default_rng(9).standard_normal((40, dim))
    rng = np.random.default_rng(seed)
    return (centers[rng.integers(0, 40, n)] + rng.standard_normal((n, dim))).astype(np.float32)


def exact_neighbors(x, queries, k):
    cosines = queries @ x.T / np.linalg.norm(x, axis=1)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :k]


def recall_of(index, x, queries, k=10):
    found = index.search(queries, k)[1]
    truth = exact_neighbors(x, queries, k)
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(found.tolist(), truth.tolist(), strict=True)])


def test_finds_what_was_asked_of_queries_nobody_saw():
    x, queries = clustered(3000), clustered(1000, seed=1)
    found = tune(x, recall=0.9, metric="cosine")
    index, measured = found.index(keys=[f"row {i}" for i in range(len(x))])
    assert found.chosen in found.trials
    # 1,000 queries of their own: a mean recall of .9 has a standard error below .01, and 4 of them are allowed
    assert recall_of(index, x, queries) > 0.9 - 0.04
    assert measured.recall > 0.9 - 0.06  # of 150 queries
    assert index.find("row 7") == 7
    assert len(index) == len(x)


def euclidean(x, queries, k):
    return np.argsort(((queries[:, None] - x) ** 2).sum(axis=2), axis=1, kind="stable")[:, :k]


def test_the_metric_is_that_of_the_lengths_unless_it_is_named():
    x = clustered(1200) * np.random.default_rng(0).lognormal(0, 0.5, (1200, 1)).astype(np.float32)
    x, queries = x[:1000], x[1000:]
    found = tune(x, recall=0.9)
    assert found.wish.metric == "l2"
    assert "lengths vary by" in found.why
    index, _ = found.index()
    found_ids, truth = index.search(queries)[1], euclidean(x, queries, 10)
    got = np.mean([np.isin(own, true).mean() for own, true in zip(found_ids, truth, strict=True)])
    assert got > 0.9 - 0.04
    alike = tune(x / np.linalg.norm(x, axis=1, keepdims=True), recall=0.5)
    assert alike.wish.metric == "cosine"
    assert "one length" in alike.why
    asked = tune(x, recall=0.5, metric="ip")
    assert (asked.wish.metric, asked.why) == ("ip", "as asked")
    assert asked.index()[0].model.metric == "ip"


def trial(rate, size, least, kind="flat"):
    setting = Setting(FlatOptions(), least, least, rate)
    return Trial(None, None, Measured("", least, size, rate), setting, kind)


def test_of_what_is_about_as_fast_the_smallest_is_taken():
    found = [trial(100, 50, 0.9), trial(81, 30, 0.9), trial(79, 10, 0.9), trial(200, 5, 0.7)]
    assert chosen(found, 0.8) is found[1]
    assert chosen(found, 0.95) is None


def test_rivals_are_the_best_in_lists_and_the_best_graph():
    lists, graph = [trial(100, 50, 0.9, "ivf"), trial(70, 5, 0.9, "ivf")], trial(90, 700, 0.9, "graph")
    assert rivals([trial(500, 5, 0.9), *lists, graph], 0.8) == [lists[0], graph]
    assert rivals([trial(500, 5, 0.9), *lists], 0.8) == []
    assert rivals([*lists, trial(90, 700, 0.7, "graph")], 0.8) == []


def test_speeds_of_all_vectors_follow_the_growth_of_each_kind():
    growth = Growth(1000, 100_000, {"flat": 1.0, "ivf": 0.5, "graph": 0.25}, 4000)
    lists, graph = trial(1000, 50, 0.9, "ivf"), trial(400, 300, 0.9, "graph")
    assert growth.rate(trial(1000, 50, 0.9)) == pytest.approx(10)
    assert growth.rate(lists) == pytest.approx(100)
    assert graph.expected(growth).measured.queries_per_second == pytest.approx(400 / 10**0.5)
    assert chosen([lists, graph], 0.8) is lists
    assert chosen([one.expected(growth) for one in (lists, graph)], 0.8).kind == "graph"
    assert "scan 10.0 times, lists 3.2 times, graph 1.8 times" in str(growth)
    assert "measured on 4,000" in str(growth)
    assert "(assumed)" in str(Growth(1000, 100_000))
    assert str(Growth(1000, 1900)) == ""


def walked(monkeypatch, rows=3000):
    """Let few vectors be enough for lists and graphs; return vectors, and queries that are none of them."""
    monkeypatch.setattr(recipes, "FEW_ROWS", 1000)
    monkeypatch.setattr(recipes, "ROWS_PER_LIST", 128)
    return clustered(rows), clustered(500, seed=1)


def only(monkeypatch, *names):
    """Let only recipes be tried whose names begin so."""
    every = recipes.recipes

    def some(*arguments, **options):
        return [recipe for recipe in every(*arguments, **options) if recipe.name.startswith(names)]

    monkeypatch.setattr(trials, "recipes", some)


def test_a_graph_is_tried_and_made_if_it_is_the_best(monkeypatch, tmp_path):
    x, queries = walked(monkeypatch, 2000)
    only(monkeypatch, "graph", "RaBitQ, 1 bit")
    found = tune(x, recall=0.95, metric="cosine", queries=queries)
    tried = {one.recipe.name: one for one in found.trials}
    graph, lists = tried["graph, 1 bit, int8"], tried["RaBitQ, 1 bit, int8"]
    assert (graph.kind, lists.kind) == ("graph", "ivf")
    assert graph.measured.bytes_per_vector > lists.measured.bytes_per_vector + 32  # records and links
    assert "graph, 1 bit, int8, effort" in "\n".join(found.table())
    only(monkeypatch, "graph")
    index, measured = tune(x, recall=0.95, metric="cosine", queries=queries).index(tmp_path / "index")
    with index:
        assert index.kind == "graph"
        assert index.bytes_per_vector == measured.bytes_per_vector
        assert recall_of(index, x, queries) > 0.95 - 0.04
    with EmbeddingIndex.open(tmp_path / "index") as index:
        assert isinstance(index.defaults, GraphOptions)
        assert measured.name == f"graph, 1 bit, int8, effort {index.defaults.effort}, candidates " + str(
            index.defaults.candidates
        )
        assert recall_of(index, x, queries) > 0.95 - 0.04


def test_a_graph_is_measured_without_the_vectors_that_are_its_queries(monkeypatch, tmp_path):
    x, queries = walked(monkeypatch, 2000)
    only(monkeypatch, "graph")
    asked, search = [], EmbeddingIndex.search

    def noted(self, vectors, *arguments, **options):
        asked.append((len(self), vectors))
        return search(self, vectors, *arguments, **options)

    found = tune(x, recall=0.95, metric="cosine")
    monkeypatch.setattr(EmbeddingIndex, "search", noted)
    for path in (None, tmp_path / "index"):
        asked.clear()
        index, measured = found.index(path)
        assert {size for size, _ in asked} == {1800}  # 200 are held out
        own = np.concatenate([vectors for _, vectors in asked])
        with index:
            assert (index.kind, len(index)) == ("graph", 2000)
            assert np.array_equal(search(index, own[:50], 1, effort=200)[1], exact_neighbors(x, own[:50], 1))
            assert recall_of(index, x, queries) > 0.95 - 0.04
        assert measured.recall > 0.95 - 0.06
        assert measured.bytes_per_vector > 2 * 8 + 32 + 32  # signs twice, bytes, records and links
    assert [place.name for place in tmp_path.iterdir()] == ["index"]


def test_blocks_without_some_vectors(monkeypatch):
    x = clustered(1000)
    own = np.array([3, 4, 700, 999])
    source = Rows(x)
    monkeypatch.setattr(Rows, "blocks", lambda self: [Block(at, x[at : at + 300], None) for at in range(0, 1000, 300)])
    blocks = list(tuned._blocks_without(source, own))
    assert [block.start for block in blocks] == [0, 298, 598, 897]
    assert np.array_equal(np.concatenate([block.vectors for block in blocks]), np.delete(x, own, axis=0))


def test_a_graph_is_not_tried_of_few_vectors_or_bytes_or_where_it_is_not_wanted(monkeypatch):
    names = {recipe.name for recipe in recipes.recipes(32, 9999, None, "l2", 0, "numba")}
    assert not any(name.startswith("graph") for name in names)
    for backend, graph, there in (("numba", True, 1), ("auto", True, 1), ("numba", False, 0), ("numpy", True, 0)):
        found = recipes.recipes(32, 10_000, None, "l2", 0, backend, graph=graph)
        assert sum(recipe.kind == "graph" for recipe in found) == there
    x, queries = walked(monkeypatch)
    only(monkeypatch, "graph", "RaBitQ, 1 bit, int8")
    size = max(one.measured.bytes_per_vector for one in tune(x, recall=0.5, metric="cosine", queries=queries).trials)
    for most, kinds in ((size, ["ivf"]), (1.2 * size, ["ivf", "graph"])):  # what all vectors may need is left to spare
        found = tune(x, recall=0.5, metric="cosine", queries=queries, bytes_per_vector=int(most))
        assert [one.kind for one in found.trials] == kinds
    assert [one.kind for one in tune(x, recall=0.5, metric="cosine", queries=queries, graph=False).trials] == ["ivf"]


def test_lists_and_graph_are_measured_on_a_larger_part(monkeypatch):
    x, queries = walked(monkeypatch)
    monkeypatch.setattr(tuned, "SAMPLE", 600)
    only(monkeypatch, "graph", "RaBitQ, 1 bit, int8")
    rates, seen = {600: {"ivf": 800.0, "graph": 400.0}, 2400: {"ivf": 200.0, "graph": 800.0 / 2**0.5 / 2}}, []

    def rate(self, index, options):
        seen.append((len(index), index.kind))
        return rates[len(index)][index.kind]

    monkeypatch.setattr(heldout.HeldOut, "rate", rate)
    found = tune(x, recall=0.8, metric="cosine", queries=queries)
    assert {*seen} == {(600, "ivf"), (600, "graph"), (2400, "ivf"), (2400, "graph")}
    assert found.growth.part == 2400
    assert found.growth.powers == {"ivf": pytest.approx(1.0), "graph": pytest.approx(0.25)}
    assert "scan" not in str(found.growth)  # none was tried
    assert found.chosen.kind == "graph"  # slower on the sample
    rates[2400] = {"ivf": 900.0, "graph": 900.0}  # faster than the sample, as when other work has ended
    assert tune(x, recall=0.8, metric="cosine", queries=queries).growth.powers == trials.LEAST_GROWTH
    monkeypatch.setattr(tuned, "SAMPLE", 1500)
    rates[1500] = rates[2700] = {"ivf": 800.0, "graph": 400.0}
    found = tune(x, recall=0.8, metric="cosine", queries=queries)  # there are less than twice as many
    assert (found.growth.part, found.growth.powers, found.chosen.kind) == (None, {"ivf": 0.6, "graph": 0.4}, "ivf")


def test_what_does_not_reach_the_recall_on_a_larger_part_is_as_slow_as_a_scan(monkeypatch):
    x, queries = walked(monkeypatch, 1200)
    wish = trials.Wish(0.5, None, "cosine", 10, 0, "numba")
    asked = tuned._answered(queries, x[:600], wish)
    only(monkeypatch, "RaBitQ, 1 bit, int8", "graph")
    of = trials.trials(x[:600], asked, wish, 1200)
    nothing = heldout.HeldOut(asked.queries, np.full_like(asked.truth, -9), None)
    growth = measured_growth(of, x, nothing, wish, 600, 1200)
    assert growth.powers == {"flat": 1.0, "ivf": 1.0, "graph": 1.0}


def test_queries_that_are_given_are_measured_by():
    x, queries = clustered(1000), clustered(40, seed=1)
    index, measured = tune(x, recall=0.8, queries=queries, metric="cosine").index()
    assert measured.recall == pytest.approx(recall_of(index, x, queries[20:]), abs=1e-6)


def test_stays_within_the_bytes_and_says_so_if_it_cannot():
    x = clustered(1000)
    found = tune(x, recall=0.3, bytes_per_vector=16)
    assert found.trials
    assert all(trial.measured.bytes_per_vector <= 16 for trial in found.trials)
    assert found.index()[0].bytes_per_vector <= 16
    nothing = tune(x, recall=1.0, bytes_per_vector=3)
    with pytest.raises(ParameterError, match="nothing is so small"):
        nothing.index()
    with pytest.raises(ParameterError, match=r"finds 1 of the nearest 10 within 16 bytes .* allow more bytes"):
        tune(x, recall=1.0, bytes_per_vector=16).index()


def test_lists_that_only_all_rows_have_count_as_bytes(monkeypatch):
    monkeypatch.setattr(recipes, "FEW_ROWS", 1000)
    x = clustered(1000)  # of which a part is held out, so that the sample alone would have no lists
    found = tune(x, recall=0.1, bytes_per_vector=16, metric="cosine")
    assert found.trials
    for trial in found.trials:
        assert trial.recipe.make(1000).fit(x).bytes_per_vector <= 16
    assert found.index()[0].bytes_per_vector <= 16


def test_same_data_same_choice_of_codes():
    x = clustered(800)
    first, second = (tune(x, recall=0.5, bytes_per_vector=12, seed=3).index()[0] for _ in range(2))
    assert np.array_equal(first.search(x[:50])[1], second.search(x[:50])[1])


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"vectors": np.zeros((199, 8), np.float32)}, ParameterError, "200 are needed"),
        ({"vectors": np.zeros((500, 8), np.float32), "k": 60}, ParameterError, "600 are needed"),
        ({"vectors": np.zeros((0, 8), np.float32)}, ParameterError, "no vectors"),
        ({"vectors": np.zeros((300, 8), np.int32)}, DTypeError, "floats"),
        ({"recall": 1.5}, ParameterError, "recall"),
        ({"metric": "dot"}, ParameterError, "metric"),
        ({"bytes_per_vector": 0}, ParameterError, "bytes_per_vector"),
        ({"graph": 1}, ParameterError, "graph"),
        ({"queries": np.zeros((19, 8), np.float32)}, ParameterError, "too few"),
        ({"queries": np.zeros((30, 9), np.float32)}, DimensionError, "8"),
        ({"queries": np.full((30, 8), np.nan, np.float32)}, ParameterError, "NaN"),
    ],
)
def test_refuses(given, error, says):
    settings = {"vectors": np.ones((300, 8), np.float32)} | given
    with pytest.raises(error, match=says):
        tune(settings.pop("vectors"), **settings)


def test_own_rows_are_no_answers():
    found = np.array([[5, 1, 2], [3, 4, 6], [7, 8, 9]])
    assert without(found, np.array([5, 4, 0])).tolist() == [[1, 2], [3, 6], [7, 8]]


def test_least_is_a_standard_error_below():
    recalls = np.array([0.0, 1.0, 1.0, 1.0], np.float32)
    assert least(recalls) == pytest.approx(0.75 - 0.5 / 2)
    assert least(np.ones(1, np.float32)) == 1


def test_index_remembers_options(tmp_path):
    x = clustered(600)
    with EmbeddingIndex.create(tmp_path / "index", RaBitQBinarizer(8).fit(x / 8), keep="int8") as index:
        index.add(x)
        assert index.defaults == IVFOptions()
        assert index.lists == 8
        index.set_defaults(IVFOptions(probes=3, candidates=20))
        wanted = index.search(x[:9], options=IVFOptions(probes=3, candidates=20))
        assert all(map(np.array_equal, index.search(x[:9]), wanted))
        with pytest.raises(ParameterError, match="IVFOptions"):
            index.set_defaults(FlatOptions())
        with pytest.raises(ParameterError, match="effort"):
            index.search(x[:1], effort=3)
    with EmbeddingIndex.open(tmp_path / "index") as index:
        assert index.defaults == IVFOptions(probes=3, candidates=20)
        assert all(map(np.array_equal, index.search(x[:9]), wanted))
        found = index.search(x[:9], probes=8)
        assert all(map(np.array_equal, found, index.search(x[:9], options=IVFOptions(probes=8, candidates=20))))
        with pytest.raises(UnsupportedError):
            index.set_defaults(IVFOptions())


@pytest.mark.parametrize("kept", [{"effort": 3}, {"probes": "x"}, {"probes": 0}, {"unheard": 1}, [1], 7])
def test_remembered_options_that_cannot_be_are_a_damaged_index(tmp_path, kept):
    x = clustered(300)
    with EmbeddingIndex.create(tmp_path / "index", RaBitQBinarizer(4).fit(x / 8)) as index:
        index.store.set_meta({**index.store.meta, "options": kept})
    with pytest.raises(FileFormatError, match="stores options"):
        EmbeddingIndex.open(tmp_path / "index")


def test_options_are_of_the_kind_of_the_index():
    index = EmbeddingIndex.create(None, RaBitQBinarizer().fit(clustered(200) / 8))
    assert index.lists == 1
    assert index.defaults == FlatOptions()
    with pytest.raises(ParameterError, match="HNSWOptions"):
        index.set_defaults(HNSWOptions())


def test_a_graph_on_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, queries = walked(monkeypatch, 1500)
    np.save("x.npy", x)
    np.save("q.npy", queries)
    only(monkeypatch, "graph", "RaBitQ, 1 bit, int8")
    asked = ["embed", "auto", "x.npy", "--recall", "0.9", "-o", "index", "--metric", "cosine", "--queries", "q.npy"]
    assert main([*asked, "--plot", "figure.svg"]) == 0
    out, err = capsys.readouterr()
    assert "graph, 1 bit, int8, effort" in out
    assert err == ""
    assert "graph, 1 bit, int8, effort" in (tmp_path / "figure.svg").read_text()
    assert main([*asked, "--no-graph"]) == 0
    assert "effort" not in capsys.readouterr().out
    with EmbeddingIndex.open("index") as index:
        assert index.kind == "ivf"
    only(monkeypatch, "graph")
    assert main([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["index"]["kind"] == "graph"
    with EmbeddingIndex.open("index") as index:
        assert (index.kind, len(index)) == ("graph", 1500)
        assert index.defaults.effort < 1000


def test_on_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = clustered(1500)
    np.save("x.npy", x), np.save("q.npy", clustered(50, seed=1))
    (tmp_path / "names.txt").write_text("".join(f"row {i}\n" for i in range(1500)))
    asked = ["embed", "auto", "x.npy", "--recall", "0.8", "-o", "index"]
    assert main([*asked, "--keys", "names.txt"]) == 0
    out = capsys.readouterr().out
    assert "metric l2: lengths vary by" in out
    assert "RaBitQ, 1 bit, int8" in out
    assert "1,500 vectors in index" in out
    assert "asked recall@10 0.8, got 0." in out
    assert main([*asked, "--json", "--queries", "q.npy"]) == 0  # replaces it
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all("trial" in line for line in lines[:-1])
    assert lines[-1]["index"]["recall"] > 0.7
    assert lines[-1]["index"]["kind"] == "flat"
    assert lines[-1]["index"]["growth"]["rows"] == 1500
    with EmbeddingIndex.open("index") as index:
        assert len(index) == 1500
        assert index.defaults.candidates is not None
    assert main(["embed", "auto", "x.npy", "--recall", "1", "--bytes", "8", "-o", "none"]) != 0
    told = capsys.readouterr()
    assert "allow more bytes" in told.err
    assert not (tmp_path / "none").exists()
