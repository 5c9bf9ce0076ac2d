"""``hdc capacity``: what it prints, the files it makes, and its errors."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hdc.apps.capacity import command, plots, report
from hdc.apps.capacity.experiments import run
from hdc.apps.capacity.predictions import curves
from hdc.apps.capacity.results import Results
from hdc.errors import HDCError, ParameterError


def hdc_capacity(*words):
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())
    arguments = parser.parse_args(["capacity", *words])
    return arguments.run(arguments)


QUESTION = ("--items", "200", "--universe", "1e6", "--error", "1e-3")


def test_dimension_prints_all_bounds(capsys):
    assert hdc_capacity("dimension", "--model", "MAP-B", *QUESTION) == 0
    shown = capsys.readouterr().out
    assert "rigorous     52,214" in shown
    assert "paper       239,864" in shown
    assert "Standing: theorem." in shown


def test_dimension_as_json(capsys):
    hdc_capacity(
        "dimension", "--task", "nested", "--shape", "chain", "--model", "MAP-B", "--json", *QUESTION[2:], "--items", "3"
    )
    found = {row["bound"]: row["dim"] for row in json.loads(capsys.readouterr().out)}
    assert set(found) == {"rigorous", "gaussian"}


def test_compare(capsys):
    hdc_capacity("compare", "--json", *QUESTION)
    first = json.loads(capsys.readouterr().out)[0]
    assert first == {"model": "Bloom", "dim": 8642, "bits": 8642, "standing": "derived"}
    hdc_capacity("compare", *QUESTION)
    assert capsys.readouterr().out.splitlines()[0].split() == ["model", "dimension", "storage", "bits", "standing"]


ASK = ("dimension", "--model", "MAP-B")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*ASK, "--items", "9", "--universe", "99", "--error", "0"), "strictly between 0 and 1, not 0"),
        ((*ASK, "--items", "9", "--universe", "99", "--error", "1"), "strictly between 0 and 1, not 1"),
        ((*ASK, "--items", "100", "--universe", "99"), "items must not exceed the universe"),
        (("dimension", "--task", "x", "--model", "MAP-B", "--items", "9"), "unknown task 'x'; known: membership"),
        ((*ASK, "--items", "9"), "universe is needed"),
        (("dimension", "--model", "Bloom", "--task", "key-value", "--items", "9", "--universe", "9"), "no rigor"),
        (("compare", "--items", "9", "--universe", "99", "--depth", "2"), "membership has no option 'depth'"),
        (("run", "--experiment", "bundle", "--models", "MAP-I", "--dims", "0", "-o", "r.db"), "dim must be"),
        (("run", "--experiment", "x", "--models", "MAP-I", "--dims", "9", "-o", "r.db"), "unknown experiment 'x'"),
        (("run", "--experiment", "bundle", "--models", "MAP-I", "--dims", "9", "-p", "x", "-o", "r.db"), "got 'x'"),
        (("plot", "nothing.db", "-o", "x.png"), "no such results file"),
        (("schlegel", "--models", "XYZ"), "unknown model 'XYZ'"),
        (("schlegel", "--models", "MAP-B", "--device", "cuda"), "take backend='torch', device='cuda'"),
        (("run", "--experiment", "bundle", "--models", "MAP-I", "--dims", "9", "--device", "x", "-o", "r"), "not on"),
    ],
)  # fmt: skip
def test_errors_say_what_is_allowed(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HDCError, match=message):
        hdc_capacity(*words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["1.5", "nan", "inf", "ten"])
def test_numbers_are_whole(text, capsys):
    with pytest.raises(SystemExit):
        hdc_capacity("compare", "--items", text)
    assert "number" in capsys.readouterr().err


def test_large_numbers_stay_exact():
    assert command.number("12345678901234567890") == 12345678901234567890
    assert command.number("1e6") == 1_000_000


@pytest.mark.slow
def test_run_plot_report(tmp_path, capsys):
    results, png, page = (str(tmp_path / name) for name in ("r.db", "f.png", "r.html"))
    run_words = ("run", "--experiment", "membership", "--models", "MAP-I,Bloom", "--dims", "50,400", "--items", "5")
    hdc_capacity(*run_words, "--universe", "40", "--trials", "64", "--jobs", "1", "-o", results)
    assert len(capsys.readouterr().out.splitlines()) == 5
    hdc_capacity(
        "run",
        "--experiment",
        "unbinding",
        "--models",
        "MAP-B",
        "--dims",
        "200",
        "-p",
        "depth=1,3",
        "--trials",
        "16",
        "--jobs",
        "1",
        "-o",
        results,
    )
    assert len(Results(results).points()) == 6
    hdc_capacity("plot", results, "-o", png)
    hdc_capacity("report", results, "-o", page, "--question", "Is <this> so?")
    assert Path(png).read_bytes().startswith(b"\x89PNG")
    text = Path(page).read_text(encoding="utf-8")
    assert "<h1>Is &lt;this&gt; so?</h1>" in text
    assert text.count("data:image/png;base64,") == 2
    assert 'src="http' not in text


def test_schlegel_prints_a_table(capsys):
    words = ("schlegel", "--models", "MAP-I", "--items", "3", "--universe", "30", "--target", "0.9", "--jobs", "1")
    hdc_capacity(*words)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["model", "protocol", "dimension"]
    assert len(lines) == 3
    hdc_capacity(*words, "--json")
    assert json.loads(capsys.readouterr().out)[1]["protocol"] == "pairs"


@pytest.fixture(scope="module")
def points():
    return run("membership", {"model": ["MAP-I", "MAP-B"], "dim": [40, 80, 700], "items": 5, "universe": 40}, 64)


class TestFigures:
    def test_each_model_has_its_marker_and_its_lines(self, points):
        (axes,) = plots.figure(points).axes
        assert axes.get_xlabel() == "dimension (components)"
        assert axes.get_yscale() == "log"
        markers = {container.lines[0].get_marker() for container in axes.containers}
        assert len(markers) == 2
        assert {line.get_linestyle() for line in axes.lines} >= {"-", "--"}

    def test_axis_must_be_numeric(self, points):
        with pytest.raises(ParameterError, match="axis must be a numeric parameter of membership, not 'model'"):
            plots.figure(points, "model")
        with pytest.raises(ParameterError, match="no points"):
            plots.figure([])
        with pytest.raises(ParameterError, match="no points"):
            report.document([])

    def test_the_report_names_every_value(self, points, monkeypatch):
        monkeypatch.setattr(report, "_image", lambda points: "")
        many = [replace(points[0], trials=trials, version="<1>") for trials in range(1000, 1200)]
        page = report.document(many)
        assert f"<td>{', '.join(str(trials) for trials in range(1000, 1200))}</td>" in page
        assert "<td>&lt;1&gt;</td>" in page
        assert page.count("<tr>") > len(many)

    def test_unknown_format(self, points, tmp_path):
        with pytest.raises(ParameterError, match="xyz"):
            plots.save(points, tmp_path / "f.xyz")

    def test_theory_is_silent_where_it_knows_nothing(self):
        assert curves("bundle", {"model": "Bloom", "dim": 100}, "dim", [100, 200])[0].kind == "expected"
        assert curves("pairs", {"model": "Bloom", "dim": 100}, "dim", [100, 200])[0].y.max() < 1
        assert curves("bindings", {"model": "Bloom", "dim": 100, "items": 2, "universe": 9}, "dim", [100, 200]) == []
