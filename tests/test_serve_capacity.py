"""Capacity and trade-offs of a server: its numbers are those of hdc.bounds, its points those of the experiments."""

import threading

import numpy as np
import pytest

from hdc import bounds
from hdc.apps.capacity import Experiment, theory
from hdc.apps.capacity.intervals import wilson
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, RaBitQBinarizer, SignBinarizer
from hdc.errors import ConflictError, HDCError, ParameterError, UnsupportedError
from tests import naive
from tests.serving import serving, wait

from hdc.apps.serve import capacity, tradeoff, trials  # isort: skip  # behind the skip where there are no libraries

RNG = np.random.default_rng(5)
VECTORS = RNG.standard_normal((400, 16)).astype(np.float32)
SMALL = {"items": "10", "universe": "100", "error": "0.01"}


SHARED = ("bindings", "MAP-B", "rigorous")
"""A bound that holds only for bindings with keys of their own."""


def setting(task="membership", model="MAP-B", **given):
    return capacity.Setting.of({"task": task, "model": model, **SMALL, **given})


def asked(one):
    """Return what hdc.bounds is asked for a setting."""
    universe = None if one.task == "intersection" else one.universe
    return {"items": one.items, "universe": universe, "error": one.error, **dict(one.options)}


# ---------------------------------------------------------------------- bounds


@pytest.mark.parametrize("task", bounds.TASKS)
@pytest.mark.parametrize("model", ["MAP-B", "MAP-I", "Bloom", "Hopfield±"])
def test_numbers_are_those_of_the_bounds(task, model):
    one, known = setting(task, model), {(b.task, b.model, b.kind) for b in bounds.table()}
    found = capacity.answered(one)
    for answer in found["answers"]:
        if (task, model, answer["kind"]) not in known or (task, model, answer["kind"]) == SHARED:
            assert answer["dimension"] is None
            with pytest.raises(UnsupportedError) as caught:
                bounds.dimension(task, model, bound=answer["kind"], **asked(one))
            assert answer["reason"] == str(caught.value)
            continue
        bound = bounds.find(task, model, answer["kind"])
        assert answer["dimension"] == bounds.dimension(task, model, bound=answer["kind"], **asked(one))
        assert answer["statement"] == bound.statement
        assert (answer["source"], answer["standing"]) == (bound.source, bound.standing)
    kinds = [answer["kind"] for answer in found["answers"] if answer["dimension"] is not None]
    assert [series["kind"] for series in found["curves"]["series"]] == kinds
    assert [curve["kind"] for curve in found["failures"]] == kinds


@pytest.mark.parametrize("axis", capacity.AXES)
def test_curves_are_those_of_the_bounds(axis):
    one = setting()
    found = capacity.answered(one, axis)["curves"]
    assert float(getattr(one, axis)) in found["x"]
    assert found["x"] == sorted(found["x"])
    for series in found["series"]:
        for place, dimension in list(zip(found["x"], series["y"], strict=True))[::5]:
            numbers = {**asked(one), axis: place}
            try:
                expected = bounds.dimension("membership", "MAP-B", bound=series["kind"], **numbers)
            except HDCError:  # more items than there are symbols
                expected = None
            assert dimension == expected
    assert any(dimension is not None for dimension in found["series"][0]["y"])


def test_errors_over_the_dimension_are_those_of_the_bounds():
    one = setting()
    for curve in capacity.answered(one)["failures"]:
        assert curve["x"] == sorted(curve["x"])
        for dimension, error in list(zip(curve["x"], curve["y"], strict=True))[::6]:
            numbers = {**asked(one), "error": error}
            assert bounds.dimension("membership", "MAP-B", bound=curve["kind"], **numbers) == dimension
            rate = bounds.error_rate(
                "membership", "MAP-B", dim=dimension, items=one.items, universe=one.universe, bound=curve["kind"]
            )
            assert rate <= error * (1 + 1e-9)


def test_storage_is_that_of_the_theory():
    one = setting(items="200", universe="1000000", error="0.001")
    rows = capacity.answered(one)["storage"]
    best = theory.best("membership", items=200, universe=1_000_000, error=1e-3)
    assert [(row["model"], row["dimension"], row["bits"]) for row in rows] == [(c.model, c.dim, c.bits) for c in best]
    assert [row["standing"] for row in rows] == ["derived"] * 7
    sequence = capacity.answered(setting("sequence"))["storage"]
    assert {row["model"]: row["kind"] for row in sequence} == {
        "MAP-I": "rigorous",
        "MBAT": "rigorous",
        "MAP-B": "gaussian",
    }


@pytest.mark.parametrize(
    "given",
    [
        {"task": "nothing"},
        {"model": "nothing"},
        {"items": "0"},
        {"items": "1.5"},
        {"items": "many"},
        {"items": "1e300"},
        {"items": "nan"},
        {"error": "0"},
        {"error": "1"},
        {"error": "inf"},
        {"depth": "2"},
        {"color": "red"},
        {"task": "nested", "shape": "ring"},
        {"task": "bindings", "own": "maybe"},
        {"task": "nested", "depth": "1.5"},
        {"items": "200", "universe": "100"},
    ],
)
def test_what_cannot_be_asked(given):
    with pytest.raises(HDCError) as caught:
        capacity.answered(capacity.Setting.of({**SMALL, **given}))
    assert str(caught.value)


def test_choices_are_what_there_is():
    found = capacity.choices()
    assert found["tasks"] == {task: list(options) for task, options in bounds.TASKS.items()}
    assert found["known"]["membership"]["MAP-B"] == ["rigorous", "gaussian", "paper"]
    assert sum(len(kinds) for models in found["known"].values() for kinds in models.values()) == len(bounds.table())


# ---------------------------------------------------------------------- experiments


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("membership", "MAP-B"),
        ("membership", "Hopfield"),
        ("intersection", "MAP-I"),
        ("key-value", "MAP-I"),
        ("bindings", "MAP-B"),
        ("sequence", "MAP-I"),
        ("nested", "Bloom"),
    ],
)
def test_points_are_those_of_the_experiment(task, model):
    one = setting(task, model, items="3", universe="60", **({"tolerance": "1"} if task == "intersection" else {}))
    runs = trials.Trials()
    run = runs.start(one, 40)
    run.wait()
    found = run.to_json()
    assert (found["state"], found["late"], found["part"]) == ("ready", False, 1.0)
    for point in found["points"][:: len(found["points"]) - 1]:
        measured = trials.experiment_of(trials.tried_setting(one), point["dim"]).measure(40)
        assert (point["trials"], point["failures"]) == (40, 40 - measured.perfect)
        assert point["failure"] == pytest.approx(measured.failure)
        assert (point["low"], point["high"]) == pytest.approx(wilson(measured.failure, 40))
    assert found["points"][0]["failure"] > found["points"][-1]["failure"]


def test_an_experiment_is_that_of_the_parameters():
    experiment = trials.experiment_of(setting(items="5", universe="50"), 700)
    assert experiment == Experiment("membership", {"model": "MAP-B", "dim": 700, "items": 5, "universe": 50})


def test_one_experiment_at_a_time_and_canceled_cleanly(monkeypatch):
    begun, go = threading.Event(), threading.Event()
    answers = Experiment.answers

    def slow(self, start, stop):
        begun.set()
        assert go.wait(60)
        yield from answers(self, start, stop)

    monkeypatch.setattr(Experiment, "answers", slow)
    runs = trials.Trials()
    run = runs.start(setting(), 64)
    assert begun.wait(60)
    with pytest.raises(ConflictError, match="an experiment is running"):
        runs.start(setting(), 64)
    threading.Timer(0.05, go.set).start()
    runs.cancel()
    assert run.to_json()["state"] == "canceled"
    assert 0 < run.to_json()["part"] < 1
    second = runs.start(setting(), 8)
    second.wait()
    assert (second.number, second.state) == (2, "ready")


def test_an_experiment_ends_when_its_time_is_over(monkeypatch):
    monkeypatch.setattr(trials, "SECONDS", 0.0)
    run = trials.Trials().start(setting(), 64)
    run.wait()
    found = run.to_json()
    assert (found["state"], found["late"], found["part"]) == ("ready", True, 0.0)
    assert all("failure" not in point for point in found["points"])


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"universe": "1000000"}, "at most 20,000 symbols"),
        ({"items": "3000", "universe": "20000"}, "items of an experiment"),
        ({"items": "2000", "universe": "20000"}, "components"),
    ],
)
def test_experiments_are_bounded(given, match):
    with pytest.raises(ParameterError, match=match):
        trials.Trials().start(setting(**given), 8)
    with pytest.raises(ParameterError, match="trials"):
        trials.Trials().start(setting(), trials.MOST_TRIALS + 1)


def test_what_nothing_is_known_of_is_not_tried():
    with pytest.raises(UnsupportedError):
        trials.Trials().start(setting("key-value", "Bloom"), 8)


# ---------------------------------------------------------------------- trade-offs


def index_of(kind="flat", keep=None, model=None):
    index = EmbeddingIndex.create(
        None, (model or SignBinarizer(64, backend="numpy")).fit(VECTORS), kind=kind, keep=keep
    )
    if not index.trained:
        index.train(VECTORS, 16)
    index.add(VECTORS)
    return index


def measured(index):
    job = tradeoff.Tradeoff(index)
    job.measure()
    return job


def test_recall_is_that_of_exact_neighbors():
    index = index_of("ivf", keep="float32")
    job = measured(index)
    assert (job.asked.option, job.asked.against) == ("probes", "exact scores of the vectors")
    assert [point["value"] for point in job.points] == [1, 2, 4, 8, 16]
    for point in job.points[::4]:
        shares = []
        for own, query in zip(job.asked.ids.tolist(), job.asked.queries, strict=True):
            true = [i for i in naive.most_alike(query.tolist(), VECTORS.tolist(), 11) if i != own][:10]
            found = [i for i in index.search(query[None], 11, probes=point["value"])[1][0].tolist() if i != own][:10]
            shares.append(len({*true} & {*found}) / 10)
        assert point["recall"] == pytest.approx(np.mean(shares), abs=0.01)
        assert point["ms"] > 0
    recalls = [point["recall"] for point in job.points]
    assert recalls == sorted(recalls)


def test_recall_of_codes_counts_ties():
    codes = BinaryIndex(64, kind="ivf", backend="numpy")
    rows = index_of().codes.codes(np.arange(400))
    codes.train(rows, 16)
    codes.add(rows)
    job = measured(codes)
    assert job.points[-1] == {"value": 16, "recall": 1.0, "ms": pytest.approx(0, abs=1e3)}
    assert job.points[0]["recall"] < 0.9


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_candidates_are_traded_where_vectors_are_kept(metric):
    job = measured(index_of(keep="float32", model=SignBinarizer(64, metric=metric, backend="numpy")))
    assert job.asked.option == "candidates"
    assert job.points[-1]["value"] == 400
    assert job.points[-1]["recall"] > 0.999


def test_lists_of_estimates_are_traded():
    job = measured(index_of(None, model=RaBitQBinarizer(lists=8, backend="numpy")))
    assert (job.asked.option, job.points[-1]["value"], job.points[-1]["recall"]) == ("probes", 8, 1.0)


def test_what_cannot_be_traded():
    flat = BinaryIndex(64, backend="numpy")
    flat.add(index_of().codes.codes(np.arange(400)))
    for index in (index_of(), flat):
        with pytest.raises(UnsupportedError, match="no trade-off to measure"):
            tradeoff.Tradeoff(index)
    few = BinaryIndex(64, backend="numpy")
    with pytest.raises(ParameterError, match="more than 10 rows"):
        tradeoff.Tradeoff(few)


# ---------------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def client():
    with serving({"lists": index_of("ivf", keep="int8"), "flat": index_of()}) as found:
        yield found


def test_bounds_over_http(client):
    assert client.get("/api/capacity") == capacity.choices()
    found = client.get("/api/capacity/bounds?task=membership&model=MAP-B&items=200&universe=1000000&error=0.001")
    assert [answer["dimension"] for answer in found["answers"]] == [52214, 45320, 239864]
    assert client.get("/api/capacity/bounds?axis=error")["curves"]["axis"] == "error"
    for query in ("task=nothing", "items=x", "axis=color", "error=2", "hue=1"):
        assert client.get(f"/api/capacity/bounds?{query}", 400)["error"]["message"]


def test_an_experiment_over_http(client):
    body = {"setting": {"task": "membership", "model": "MAP-B", "items": 5, "universe": 50}, "trials": 16}
    assert client.post("/api/capacity/experiment", body, 202)["trials"] == 16
    wait(lambda: client.get("/api/capacity/experiment")["state"] == "ready")
    found = client.get("/api/capacity/experiment")
    assert all(point["trials"] == 16 for point in found["points"])
    assert client.json("DELETE", "/api/capacity/experiment")["state"] == "ready"
    for wrong, status in (({**body, "trials": 0}, 422), ({"setting": {"task": "x"}}, 400), ({}, 422)):
        assert client.post("/api/capacity/experiment", wrong, status)["error"]["message"]


def test_a_trade_off_over_http(client):
    assert client.get("/api/lists/tradeoff") is None
    assert client.post("/api/lists/tradeoff", {}, 202)["option"] == "probes"
    wait(lambda: client.get("/api/lists/tradeoff")["state"] == "ready")
    found = client.get("/api/lists/tradeoff")
    assert [point["value"] for point in found["points"]] == [1, 2, 4, 8, 16]
    assert client.post("/api/lists/tradeoff", {}, 202)["points"] == found["points"]
    assert "no trade-off to measure" in client.post("/api/flat/tradeoff", {}, 400)["error"]["message"]
