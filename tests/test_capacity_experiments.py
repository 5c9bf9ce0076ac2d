"""Experiments: the same numbers however they are run, on every backend, after every interruption."""

import io
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hdc
from hdc import errors
from hdc.apps.capacity import draws, experiments
from hdc.apps.capacity.experiments import Experiment, expand, run
from hdc.apps.capacity.intervals import MeanTest, wilson
from hdc.apps.capacity.results import Point, Results
from hdc.apps.capacity.schlegel import table
from hdc.apps.capacity.search import minimum_dimension
from tests.models import TORCH_BACKENDS, place
from tests.test_registry import plugin

__all__ = ["plugin"]

SMALL = {"items": 5, "universe": 40}
CASES = {
    "membership": SMALL,
    "intersection": {"items": 6, "overlap": 2, "tolerance": 2, "universe": 40},
    "key-value": SMALL,
    "sequence": SMALL,
    "nested": {"items": 2, "depth": 2, "universe": 40},
    "bundle": SMALL,
    "pairs": SMALL,
    "unbinding": {"depth": 2, "universe": 40},
}


def every_case():
    for experiment, parameters in CASES.items():
        for model in hdc.list_models()[:5]:
            yield experiment, model, parameters
    yield "bindings", "MAP-I", {**SMALL, "factors": 3}
    yield "bindings", "MAP-B", SMALL
    for model in ("Hopfield", "Hopfield±"):
        yield "membership", model, SMALL
        yield "intersection", model, CASES["intersection"]


@pytest.mark.parametrize(("experiment", "model", "parameters"), list(every_case()))
def test_every_experiment_on_every_model(experiment, model, parameters, monkeypatch):
    """A small and a large dimension; batches of other sizes, and a codebook in parts, give the same answers."""
    low = Experiment(experiment, {**parameters, "model": model, "dim": 16}).measure(140)
    few = Experiment(experiment, {**parameters, "model": model, "dim": 16}).measure(40)
    high = Experiment(experiment, {**parameters, "model": model, "dim": 4000}).measure(30)
    assert high.accuracy >= 0.99
    assert low.accuracy < 1.0 or experiment == "unbinding" or model.startswith("Hopfield")
    monkeypatch.setattr(draws, "MEMORY", 600)
    monkeypatch.setattr(experiments, "MEMORY", 600)
    assert Experiment(experiment, {**parameters, "model": model, "dim": 16}).measure(40) == few


@pytest.mark.parametrize("backend", [name for name in hdc.list_backends() if name != "numpy"])
@pytest.mark.parametrize("model", ["MAP-B", "Bloom"])
def test_backends_agree_exactly(backend, model):
    try:
        hdc.create(model, 8, backend=backend)
    except errors.BackendUnavailableError as error:
        pytest.skip(str(error))
    reference, other = (
        [a.right for a in Experiment("pairs", {**SMALL, "model": model, "dim": 64, "backend": name}).answers(0, 64)]
        for name in ("numpy", backend)
    )
    assert np.array_equal(reference, other)


@pytest.mark.parametrize("backend", TORCH_BACKENDS)
@pytest.mark.parametrize(("experiment", "model", "parameters"), list(every_case()))
def test_every_experiment_runs_on_torch(backend, experiment, model, parameters, monkeypatch):
    monkeypatch.setattr(draws, "MEMORY", 4096)
    setting = {**parameters, "model": model, "dim": 64}
    points = [Experiment(experiment, {**setting, **p}).measure(20) for p in ({"backend": "numpy"}, place(backend))]
    assert points[0].right == points[1].right


def test_trials_are_functions_of_their_number():
    setting = Experiment("bundle", {"model": "MAP-B", "dim": 100, **SMALL})
    whole = np.concatenate([a.right for a in setting.answers(0, 300)])
    parts = [np.concatenate([a.right for a in setting.answers(*part)]) for part in ((0, 77), (77, 200), (200, 300))]
    assert np.array_equal(whole, np.concatenate(parts))
    other = Experiment("bundle", {"model": "MAP-B", "dim": 100, **SMALL}, seed=1)
    assert not np.array_equal(whole, np.concatenate([a.right for a in other.answers(0, 300)]))


@pytest.mark.slow
def test_workers_do_not_change_results():
    grid = {"model": ["MAP-I", "MAP-B", "MBAT"], "dim": [60, 120], **SMALL}
    assert run("pairs", grid, 64, n_jobs=1) == run("pairs", grid, 64, n_jobs=2)


def test_models_of_third_parties(plugin):
    (point,) = run("bundle", {"model": "Doubled", "dim": 1000, **SMALL}, 20)
    assert point.accuracy == 1.0


@pytest.mark.parametrize(("model", "dim"), [("MAP-I", 400), ("MAP-B", 600)])
def test_trials_of_a_block_are_nearly_independent(model, dim):
    """The variance of block means is that of independent trials, within 6 standard errors of a chi-square."""
    setting = Experiment("membership", {"model": model, "dim": dim, "items": 10, "universe": 200})
    blocks = 60
    answers = np.concatenate([a.right for a in setting.answers(0, blocks * draws.BLOCK)])
    share = answers.mean()
    ratio = answers.reshape(blocks, -1).mean(axis=1).var(ddof=1) / (share * (1 - share) / draws.BLOCK)
    assert 0.2 < share < 0.98
    assert abs(ratio - 1) < 6 * np.sqrt(2 / (blocks - 1))


class TestRun:
    def test_grid(self):
        assert expand({"a": [1, 2], "b": (3, 4), "c": 5}) == [{"a": a, "b": b, "c": 5} for a in (1, 2) for b in (3, 4)]
        with pytest.raises(errors.ParameterError, match="at least one value"):
            expand({"a": []})

    @pytest.mark.parametrize(
        ("experiment", "change", "message"),
        [
            ("membership", {"dim": 0}, "dim must be an integer of at least 1, not 0"),
            ("membership", {"items": 50}, "draws 50 different symbols from a universe of only 40"),
            ("membership", {"model": "XYZ"}, "unknown model 'XYZ'"),
            ("membership", {"backend": "abacus"}, "unknown backend 'abacus'"),
            ("membership", {"color": 1}, "no parameter 'color'"),
            ("weather", {}, "unknown experiment 'weather'; known: membership"),
            ("bundle", {"model": "Hopfield"}, "takes part in membership and intersection"),
            ("intersection", {}, "intersection needs tolerance; its parameters are model, dim, backend, device, items"),
            ("intersection", {"tolerance": 1, "overlap": 6}, "overlap must be an integer of at most 5"),
            ("nested", {"shape": "ring"}, "shape must be one of tree, chain"),
        ],
    )
    def test_wrong_settings_are_told_before_anything_runs(self, experiment, change, message):
        grid = {"model": "MAP-I", "dim": 64, **SMALL, **change}
        with pytest.raises(errors.ParameterError, match=message):
            run(experiment, grid, 10)

    def test_trials_are_counted(self):
        with pytest.raises(errors.ParameterError, match="trials must be an integer"):
            run("bundle", {"model": "MAP-I", "dim": 64}, 0)
        with pytest.raises(errors.UnsupportedError, match="multiplies hypervectors"):
            run("bindings", {"model": "MBAT", "dim": 64, **SMALL}, 10)

    def test_resumes(self, tmp_path, monkeypatch):
        grid = {"model": "MAP-B", "dim": [64, 128], **SMALL}
        path = tmp_path / "r.db"
        first = run("bundle", {**grid, "dim": 64}, 10, results=path)
        measured = []
        measure = Experiment.measure
        monkeypatch.setattr(Experiment, "measure", lambda self, n: measured.append(self) or measure(self, n))
        both = run("bundle", grid, 10, results=path)
        assert both[0] == first[0]
        assert [setting.parameters["dim"] for setting in measured] == [128]
        assert Results(path).points() == sorted(both, key=lambda point: point.key)


KILLED = """
import os, signal, sys
from hdc.apps.capacity.experiments import run
from hdc.apps.capacity.results import Results

path, jobs, survives = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
add, added = Results.add, []

def add_or_die(self, point):
    if len(added) == survives:
        os.killpg(0, signal.SIGKILL)
    added.append(point)
    add(self, point)

Results.add = add_or_die
grid = {"model": ["MAP-I", "MAP-B"], "dim": list(range(100, 1300, 100)), "items": 10, "universe": 300}
run("membership", grid, 256, n_jobs=jobs, results=path)
"""


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_resumes_to_the_same_content(tmp_path, jobs):
    """The whole process group, workers included, gets SIGKILL when 11 of 24 points are written."""
    whole, killed = tmp_path / "whole.db", tmp_path / "killed.db"

    def start(path, jobs, survives):
        command = [sys.executable, "-c", KILLED, str(path), str(jobs), str(survives)]
        return subprocess.run(command, capture_output=True, start_new_session=True).returncode

    assert start(whole, 1, 24) == 0
    assert start(killed, jobs, 11) == -signal.SIGKILL
    assert count(killed) == 11
    assert start(killed, jobs, 24) == 0
    assert dump(killed) == dump(whole)
    assert count(whole) == 24


def count(path: Path) -> int:
    return len(Results(path).points())


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    lines = list(connection.iterdump())
    connection.close()
    return lines


class TestResults:
    def test_other_files_are_refused(self, tmp_path):
        text = tmp_path / "notes.txt"
        text.write_text("not a database, but long enough to be read as one " * 20)
        with pytest.raises(errors.FileFormatError, match="not a readable file of capacity results"):
            Results(text)
        other = tmp_path / "other.db"
        connection = sqlite3.connect(other)
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
        connection.close()
        with pytest.raises(errors.FileFormatError, match="is not a file of capacity results"):
            Results(other)

    def test_later_versions_are_refused(self, tmp_path):
        Results(tmp_path / "r.db")
        connection = sqlite3.connect(tmp_path / "r.db")
        connection.execute("PRAGMA user_version = 2")
        connection.close()
        with pytest.raises(errors.FileFormatError, match="has schema 2; this version of hdc reads schema 1"):
            Results(tmp_path / "r.db")

    def test_a_place_that_does_not_exist(self, tmp_path):
        with pytest.raises(OSError, match="unable to open"):
            Results(tmp_path / "nowhere" / "r.db")

    def test_points_come_back(self, tmp_path):
        point = Point("bundle", '{"dim":10,"model":"MAP-I"}', 0, 10, 150, 140, 4, 0.5)
        store = Results(tmp_path / "r.db")
        store.add(point)
        store.add(point)
        assert store.points() == [point]
        assert point["dim"] == 10
        assert point.accuracy == 140 / 150
        assert point.failure == 0.6
        assert point.failure_interval()[0] < 0.6 < point.failure_interval()[1]


class TestIntervals:
    def test_wilson_values(self):
        """Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
        known = {
            (81, 263): (0.2553, 0.3662),
            (15, 148): (0.0624, 0.1605),
            (0, 20): (0, 0.1611),
            (1, 29): (0.0061, 0.1718),
        }
        for (right, trials), interval in known.items():
            assert wilson(right / trials, trials) == pytest.approx(interval, abs=5e-5)
        with pytest.raises(errors.ParameterError, match="trials must be an integer of at least 1, not 0"):
            wilson(0.5, 0)
        with pytest.raises(errors.ParameterError, match="confidence must be a number strictly between 0 and 1"):
            wilson(0.5, 10, 1.0)

    @pytest.mark.parametrize(("mean", "side"), [(0.8, "below"), (0.999, "above")])
    def test_sequential_test_decides(self, mean, side):
        values = (np.random.default_rng(0).random(20_000) < mean).astype(float)
        assert MeanTest(0.9, 1e-3).verdict(values) == side

    def test_sequential_test_is_rarely_wrong(self):
        """Looking after every trial at the target itself, each verdict comes in less than α of 2000 runs of 500.

        With α = 0.05 each, 2 α of 2000 are 200; the binomial limit for one false alarm in 10^6 is 270.
        """
        rng = np.random.default_rng(1)
        test = MeanTest(0.9, 0.05)
        verdicts = [test.verdict((rng.random(500) < 0.9).astype(float)) for _ in range(2000)]
        assert sum(v is not None for v in verdicts) < 270


class TestMinimumDimension:
    def test_brackets_the_dimension(self):
        found = minimum_dimension("bundle", "MAP-B", target=0.95, resolution=0.1, items=10, universe=100, start=64)
        assert found.below < found.dim <= found.above
        at = {
            dim: Experiment("bundle", {"model": "MAP-B", "dim": dim, "items": 10, "universe": 100}, seed=9).measure(
                2000
            )
            for dim in (found.below, found.above)
        }
        assert at[found.below].accuracy_interval(1 - 1e-6)[0] < 0.95 < at[found.above].accuracy_interval(1 - 1e-6)[1]
        assert found == minimum_dimension(
            "bundle", "MAP-B", target=0.95, resolution=0.1, items=10, universe=100, start=64
        )

    def test_starts_anywhere(self):
        dims = {
            minimum_dimension("membership", "MAP-I", target=0.9, resolution=0.3, items=5, universe=20, start=start).dim
            for start in (16, 4096)
        }
        assert max(dims) < 2 * min(dims)

    @pytest.mark.parametrize("name", ["target", "confidence", "resolution"])
    def test_errors(self, name):
        with pytest.raises(errors.ParameterError, match=f"{name} must be a number strictly between 0 and 1"):
            minimum_dimension("bundle", "MAP-B", **{name: 1.0})

    def test_schlegel_table(self):
        rows = table(["MAP-I", "BSDC-SEG"], items=3, universe=30, target=0.9)
        assert [(row.model, row.protocol) for row in rows] == [
            ("MAP-I", "bundle"),
            ("MAP-I", "pairs"),
            ("BSDC-SEG", "bundle"),
            ("BSDC-SEG", "pairs"),
        ]
        for row in rows:
            assert row.predicted == pytest.approx(row.measured.dim, rel=0.35)


class Terminal(io.StringIO):
    """A standard error that a person watches."""

    def isatty(self):
        return True


def test_progress_is_shown_on_terminals_only(monkeypatch, capsys):
    grid = {"model": "MAP-B", "dim": [64, 128], **SMALL}
    run("bundle", grid, 10)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", Terminal())
    run("bundle", grid, 10)
    assert "points:" in sys.stderr.getvalue()
    assert "/2 [" in sys.stderr.getvalue()
    assert sys.stderr.getvalue().endswith("\r")
