"""``hdc learn`` from end to end: what it prints, the files it makes, and its errors, which are one line."""

import csv
import functools
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc import files
from hdc.apps import cli
from hdc.apps.cli import main
from hdc.apps.learn.cli import trained
from hdc.errors import FileFormatError

pytest.importorskip("sklearn", reason="learning is an extra")
pytest.importorskip("pandas", reason="tables are an extra")

ROWS = 90
SMALL = ("--dim", "512", "--backend", "numpy")
"""Enough for these tables, and nothing is compiled."""


def table(rows=ROWS, seed=0):
    """Return columns of three plants, told apart by length and color."""
    random = np.random.default_rng(seed)
    kinds = np.arange(rows) % 3
    return {
        "plot": [f"plot {row % 9}" for row in range(rows)],
        "length": [
            f"{kind + 0.3 * noise:.3f}" for kind, noise in zip(kinds, random.standard_normal(rows), strict=True)
        ],
        "color": [["red", "green", "blue"][kind if random.random() < 0.9 else 0] for kind in kinds],
        "plant": [["rose", "fern", "iris"][kind] for kind in kinds],
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("plants.csv", table())
    write("more.csv", table(30, seed=1))
    return tmp_path


def write(path, columns):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *zip(*columns.values(), strict=True)])


def run(capsys, *words):
    """Run a command that works, and return what it prints on standard output and error."""
    assert main(["learn", *map(str, words)]) == 0, capsys.readouterr().err
    return capsys.readouterr()


def train(capsys, *words, file="plants.csv"):
    return run(capsys, "train", file, "--target", "plant", "--drop", "plot", *SMALL, *words)


def predict(capsys, *words):
    return run(capsys, "predict", *words, "--backend", "numpy")


def test_train_predict_and_the_model_in_python(folder, capsys):
    shown = train(capsys)
    assert shown.out.startswith("90 rows; 2 columns (1 numeric, 1 category); 3 classes\nplants.hdcl: ")
    shown = predict(capsys, "plants.hdcl", "more.csv")
    rows = list(csv.DictReader(io.StringIO(shown.out)))
    expected = table(30, seed=1)
    right = [row["plant"] == plant for row, plant in zip(rows, expected["plant"], strict=True)]
    assert np.mean(right) > 0.85  # three classes: chance is a third
    assert shown.err == f"note: accuracy {np.mean(right):.3f} over 30 rows whose plant is known\n"
    assert all(1 / 3 <= float(row["probability"]) <= 1 for row in rows)

    import pandas

    from hdc.apps.learn import HDClassifier

    frame = pandas.DataFrame({"length": [float(cell) for cell in expected["length"]], "color": expected["color"]})
    assert HDClassifier.load("plants.hdcl", backend="numpy").predict(frame).tolist() == [row["plant"] for row in rows]


def test_predictions_for_programs_are_the_same_in_every_format(folder, capsys):
    train(capsys, "-o", "m")
    columns = table(30, seed=1)
    del columns["plant"], columns["plot"]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    (folder / "new.jsonl").write_text(
        "".join(json.dumps({**row, "length": float(row["length"])}) + "\n" for row in rows)
    )
    write("new.csv", columns)
    found = [predict(capsys, "m", name, "--json").out for name in ("new.csv", "new.jsonl", "more.csv")]
    assert found[0] == found[1] == found[2]
    assert {*json.loads(found[0].splitlines()[0])} == {"plant", "probability"}


def test_a_stream_learns_about_as_well_as_all_rows_and_in_any_blocks(folder, capsys, monkeypatch):
    monkeypatch.setattr("hdc.apps.learn.tables.source.ROWS", 16)
    monkeypatch.setattr("hdc.apps.learn.tables.frames.ROWS", 16)
    train(capsys, "--stream", "--passes", "3", "-o", "streamed")
    shown = predict(capsys, "streamed", "more.csv")
    assert float(shown.err.split()[2]) > 0.85


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_counts_rows_on_a_terminal(folder, monkeypatch):
    monkeypatch.setattr("hdc.apps.progress.INTERVAL", 0)
    for words, unit in [
        (("train", "--stream", "--passes", "2"), "180/180"),
        (("eval", "--no-baselines"), "5/5"),
    ]:
        shown = Terminal()
        monkeypatch.setattr(sys, "stderr", shown)
        assert main(["learn", words[0], "plants.csv", "--target", "plant", *words[1:], *SMALL]) == 0
        assert unit in shown.getvalue()


def test_text_columns_are_learned_from(folder, capsys):
    random = np.random.default_rng(0)
    words = {"good": ["lovely", "great", "tasty"], "bad": ["awful", "stale", "cold"]}
    moods = [["good", "bad"][row % 2] for row in range(80)]
    said = [" ".join([*random.choice(words[mood], 2), "dish", f"number{row}"]) for row, mood in enumerate(moods)]
    write("said.csv", {"said": said, "mood": moods})
    found = json.loads(run(capsys, "eval", "said.csv", "--target", "mood", "--json", *SMALL).out)
    assert found["columns"] == {"said": "text"}
    assert [learner["mean"] > 0.8 for learner in found["learners"]] == [True, False, True, True, True]


def test_standard_input_is_a_table(folder, capsys, monkeypatch):
    with open("plants.csv", "rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read())))
    train(capsys, "-o", "m", file="-")
    with open("more.csv", "rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read())))
    assert len(predict(capsys, "m", "-").out.splitlines()) == 31


def test_eval_shows_a_table_json_and_a_figure(folder, capsys):
    words = ("eval", "plants.csv", "--target", "plant", "--folds", "3", *SMALL)
    lines = run(capsys, *words).out.splitlines()
    assert lines[0] == "90 rows; 3 columns (2 category, 1 numeric); 3 classes; 3 folds"
    assert lines[2].split() == ["learner", "accuracy", "training", "rows/s", "predicted", "model"]
    names = ["hdc margin", "most frequent class", "logistic regression", "RBF support vectors", "gradient boosting"]
    assert [line[:19].strip() for line in lines[3:]] == names
    found = json.loads(run(capsys, *words, "--json", "--group", "plot").out)
    assert [learner["learner"] for learner in found["learners"]] == names
    assert found["left_out"] == {"plot": "dropped"}
    for learner in found["learners"]:
        scores = learner["scores"]
        assert len(scores) == 3
        assert learner["mean"] == pytest.approx(np.mean(scores))
        assert learner["standard_error"] == pytest.approx(np.std(scores, ddof=1) / np.sqrt(3))
        assert learner["train_seconds"] > 0
        assert learner["predict_rows_per_second"] > 0
        assert learner["model_bytes"] > 100
    assert found["learners"][0]["mean"] > 0.8
    assert found["learners"][1]["mean"] < 0.5


def test_eval_draws_what_it_prints(folder, capsys):
    pytest.importorskip("matplotlib", reason="figures are an extra")
    run(capsys, "eval", "plants.csv", "--target", "plant", "--no-baselines", "--plot", "p.svg", *SMALL)
    assert "<svg" in (folder / "p.svg").read_text()[:1000]


def test_groups_stay_together(folder):
    from hdc.apps.learn.comparison.cross_validation import folds_of
    from hdc.apps.learn.tables.frames import Rows

    groups = np.array(table()["plot"], dtype=object)
    rows = Rows(None, np.array(table()["plant"]), groups)
    for known, new in folds_of(rows, "classify", 3):
        assert not {*groups[known]} & {*groups[new]}
        assert len(known) + len(new) == ROWS


def test_documents_are_learned_whole(folder, capsys):
    rows = zip(*table().values(), strict=True)
    lines = [
        json.dumps(
            {"in": {"plot": plot}, "seen": [{"length": float(length)}, {"color": color}], "is": {"plant": plant}}
        )
        for plot, length, color, plant in rows
    ]
    (folder / "plants.jsonl").write_text("\n".join(lines))
    words = ("--target", "is.plant", *SMALL)
    shown = run(capsys, "train", "plants.jsonl", *words)
    assert "note: rows are nested documents" in shown.err
    assert float(predict(capsys, "plants.hdcl", "plants.jsonl").err.split()[2]) > 0.85
    found = json.loads(run(capsys, "explain", "plants.hdcl", "plants.jsonl", "--json", "--reasons", "2").out)
    assert "seen[].color" in {reason["feature"] for reason in found["reasons"]}
    found = json.loads(run(capsys, "eval", "plants.jsonl", *words, "--json", "--folds", "3").out)
    assert len(found["learners"]) == 5
    assert found["learners"][0]["mean"] > 0.7


def test_explanations_name_the_columns_that_speak_for_a_class(folder, capsys):
    train(capsys, "-o", "m")
    words = ("m", "more.csv", "--row", "2", "--backend", "numpy")
    lines = run(capsys, "explain", *words).out.splitlines()
    assert lines[0].startswith("more.csv:3: plant fern, 0.")
    found = json.loads(run(capsys, "explain", *words, "--json").out)
    assert (found["row"], found["label"]) == ("more.csv:3", "fern")
    columns = table(30, seed=1)
    values = {"length": float(columns["length"][1]), "color": columns["color"][1]}
    assert {reason["feature"]: reason["value"] for reason in found["reasons"]} == values
    assert sum(reason["weight"] for reason in found["reasons"]) > 0
    assert main(["learn", "explain", "m", "more.csv", "--row", "31"]) == 1
    assert "more.csv has 30 rows; --row 31 does not exist" in capsys.readouterr().err


def test_a_model_of_bits_is_exported_and_evaluated(folder, capsys):
    from hdc.apps.learn import BitClassifier

    columns = {"width": [str(row % 7) for row in range(ROWS)], **table()}
    codes = [["rose", "fern", "iris"].index(plant) for plant in columns.pop("plant")]
    del columns["plot"], columns["color"]
    write("numbers.csv", {**columns, "code": codes})
    run(capsys, "train", "numbers.csv", "--target", "code", *SMALL)
    words = ("numbers.hdcl", "-o", "m.bits", "--bits", "4", "--backend", "numpy")
    shown = run(capsys, "export", *words, "--rows", "numbers.csv", "--readers", "readers")
    found = re.search(r"m\.bits: .*512 components of 4 bits\naccuracy ([01]\.\d+) on 90 rows; (\S+)%", shown.out)
    assert float(found[1]) > 0.85
    assert float(found[2]) > 95
    assert sorted(os.listdir("readers")) == ["reader.c", "reader.js"]
    rows = np.array([*zip(*columns.values(), strict=True)], dtype=np.float64)
    assert np.mean(BitClassifier.load("m.bits").predict(rows) == codes) == pytest.approx(float(found[1]), abs=6e-4)
    words = ("eval", "numbers.csv", "--target", "code", "--no-baselines", "--bits", "1", "--bits", "4", "--json")
    learners = json.loads(run(capsys, *words, *SMALL).out)["learners"]
    assert [learner["learner"] for learner in learners] == ["hdc margin", "hdc margin, 1 bit", "hdc margin, 4 bits"]
    assert learners[2]["mean"] == pytest.approx(learners[0]["mean"], abs=0.06)

    train(capsys, "-o", "m")
    assert main(["learn", "export", "m", "-o", "b"]) == 1
    assert "bit models encode numbers, and this model has column 'color' of kind category" in capsys.readouterr().err


def test_numbers_are_predicted_too(folder, capsys):
    random = np.random.default_rng(0)
    x, y = random.random((2, 120))
    write("t.csv", {"x": x, "y": y, "z": 3 * x + y})
    shown = run(capsys, "train", "t.csv", "--target", "z", *SMALL)
    assert "note: z has 120 different numbers: a regression" in shown.err
    shown = predict(capsys, "t.hdcl", "t.csv")
    assert shown.out.splitlines()[0] == "z"
    guessed = np.array(shown.out.split()[1:], dtype=float)
    explained = 1 - np.mean((guessed - 3 * x - y) ** 2) / np.var(3 * x + y)
    assert explained > 0.9
    assert shown.err == f"note: R² {explained:.3f} over 120 rows whose z is known\n"
    found = json.loads(run(capsys, "eval", "t.csv", "--target", "z", "--json", *SMALL).out)
    assert found["measure"] == "R²"
    assert [learner["learner"] for learner in found["learners"]][1:3] == ["mean", "ridge regression"]
    assert found["learners"][0]["mean"] > 0.9 > found["learners"][1]["mean"]
    assert main(["learn", "explain", "t.hdcl", "t.csv"]) == 1
    assert "hdc learn explain works for classes only" in capsys.readouterr().err


def test_parameters_reach_the_learner_and_its_encoder(folder, capsys):
    from hdc.apps.learn import HDClassifier

    train(capsys, "--rule", "centroid", "--set", "calibration=0", "--set", "numeric=level", "-o", "m")
    learned = HDClassifier.load("m")
    assert (learned.rule, learned.calibration, learned.encoder_.numeric, learned.encoder_.dim) == (
        "centroid", 0, "level", 512,
    )  # fmt: skip


WRONG = {
    ("train", "plants.csv", "--target", "x"): "plants.csv: no column 'x'; it has plot, length, color, plant",
    ("train", "none.csv", "--target", "x"): "none.csv: No such file or directory",
    ("train", ".", "--target", "x"): ".: a folder; expected a file of CSV, Parquet or JSON Lines",
    ("train", "-", "--target", "x"): "name the model with -o MODEL",
    ("train", "plants.csv", "--target", "plant", "-o", "plants.csv"): "plants.csv is the input; name another file",
    ("train", "plants.csv", "--target", "plant", "-o", "no/m"): "no/m: expected a file to write",
    ("train", "plants.csv", "--target", "plant", "--set", "epochs"): "--set takes name=value, not 'epochs'",
    ("train", "plants.csv", "--target", "plant", "--set", "foo=1"): "unknown parameter 'foo'; known: alpha,",
    ("train", "plants.csv", "--target", "plant", "--set", "epochs=x"): "epochs must be an integer",
    ("train", "plants.csv", "--target", "plant", "--rule", "x"): "rule must be one of centroid,",
    ("train", "plants.csv", "--target", "plant", "--dim", "0"): "dim must be",
    ("train", "plants.csv", "--target", "plant", "--drop", "x"): "plants.csv has no column 'x'",
    ("train", "plants.csv", "--target", "plant", "--text", "color", "--drop", "color"): "'color' was given two roles",
    ("train", "plants.csv", "--target", "plant", "--task", "regress"): "'rose' is no number, and regression was asked",
    ("train", "plants.csv", "--target", "plant", "--passes", "2"): "--passes needs --stream",
    ("predict", "plants.csv", "plants.csv"): "plants.csv is not a file of this package",
    ("predict", "none", "plants.csv"): "none: No such file or directory",
    ("eval", "plants.csv", "--target", "plant", "--folds", "1"): "folds must be an integer of at least 2, not 1",
    ("eval", "plants.csv", "--target", "plant", "--folds", "99"): "99 folds need at least as many rows, and there are",
    ("eval", "plants.csv", "--target", "plant", "--folds", "31"): "31 folds need a class of at least as many rows",
    (
        "eval",
        "plants.csv",
        "--target",
        "plant",
        "--folds",
        "10",
        "--group",
        "plot",
    ): "10 folds need at least as many gr",
    ("eval", "plants.csv", "--target", "plant", "--group", "x"): "plants.csv has no column 'x'",
    (
        "eval",
        "plants.csv",
        "--target",
        "plant",
        "--group",
        "plant",
    ): "column 'plant' cannot be the group and the target",
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_errors_are_one_line_and_leave_nothing(words, folder, capsys):
    before = sorted(os.listdir(folder))
    assert main(["learn", *words]) == 1
    error = capsys.readouterr().err.splitlines()
    assert WRONG[words] in error[-1]
    assert all(line.startswith("note: ") for line in error[:-1])
    assert sorted(os.listdir(folder)) == before


def test_other_tables_are_refused_by_name(folder, capsys):
    train(capsys, "-o", "m")
    (folder / "other.csv").write_text("a,b\n1,2\n")
    assert main(["learn", "predict", "m", "other.csv"]) == 1
    assert "other.csv:2: no column 'length', from which the model predicts" in capsys.readouterr().err


@settings(max_examples=30, deadline=None)
@given(
    raw=st.text('ab12,"\n', max_size=80),
    words=st.sampled_from(
        [("train", "-o", "f.hdcl"), ("train", "--stream", "-o", "f.hdcl"), ("eval", "--no-baselines")]
    ),
)
def test_fuzzed_tables_end_in_a_status(raw, words, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    (folder / "f.csv").write_text("a,b\n" + raw)
    given_words = [str(folder / word) if word == "f.hdcl" else word for word in words[1:]]
    command = ["learn", words[0], str(folder / "f.csv"), "--target", "a", *given_words, "--dim", "64"]
    command += ["--backend", "numpy"]
    assert main([*command, "--folds", "2"] if words[0] == "eval" else command) in (0, 1)


def test_files_that_are_no_model_are_told_apart(folder):
    """Names say nothing: what is damaged is damaged, whatever its file is called."""
    files.save("other", "item-memory", {}, {})
    with pytest.raises(FileFormatError, match=r"of kind 'item-memory'; expected '.*' or another model"):
        trained.load("other")
    whole = (folder / "other").read_bytes()
    (folder / "what was expected").write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    with pytest.raises(FileFormatError, match=r"is damaged: its header .* build it again$"):
        trained.load("what was expected")


def test_a_failed_training_leaves_the_old_model(folder, capsys):
    train(capsys, "-o", "m")
    before = (folder / "m").read_bytes()
    with open("plants.csv", "a") as file:
        file.write("only one cell\n")
    assert main(["learn", "train", "plants.csv", "--target", "plant", "-o", "m", *SMALL]) == 1
    assert (folder / "m").read_bytes() == before
    assert sorted(os.listdir(folder)) == ["m", "more.csv", "plants.csv"]


def test_the_commands_load_nothing_before_they_run():
    code = "import sys; from hdc.apps import cli; cli.parser(); print({'sklearn', 'pandas', 'scipy'} & {*sys.modules})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "set()\n"


@pytest.mark.slow
def test_an_interrupted_training_leaves_no_model(folder):
    write("large.csv", table(60_000))
    words = ["learn", "train", "large.csv", "--target", "plant", "--stream", "--passes", "1000", "-o", "m"]
    command = [sys.executable, "-m", "hdc.apps.start", *words]
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # in a test run in the background, too
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heeding) as process:
        assert process.stdout.readline().startswith("60,000 rows")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(60) == 130
        finally:
            process.kill()
    assert sorted(os.listdir(folder)) == ["large.csv", "more.csv", "plants.csv"]


@pytest.mark.slow
def test_a_stream_is_learned_in_bounded_memory(folder):
    """Ten times the rows need no more memory, but for a margin; held at once they would need 60 MB more."""
    peaks = []
    for rows in (12_000, 120_000):
        write("t.csv", table(rows))
        code = (
            "import resource, sys; from hdc.apps.cli import main; "
            "assert main(sys.argv[1:]) == 0; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        words = ["learn", "train", "t.csv", "--target", "plant", "--stream", "-o", "m"]
        out = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True).stdout
        peaks.append(int(out.split()[-1]) / 1024)
    assert peaks[1] < peaks[0] + 30, peaks


def test_a_subprocess_says_what_is_wrong_without_a_traceback(folder):
    words = [sys.executable, "-m", "hdc.apps.start", "learn", "train", "plants.csv", "--target", "x"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "hdc learn train: error: plants.csv: no column 'x'; it has plot, length, color, plant\n"


def test_learn_is_a_command():
    assert "hdc.apps.learn.cli.command" in cli.COMMANDS
