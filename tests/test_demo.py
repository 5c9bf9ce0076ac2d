import gzip
import json
from importlib.resources import files

import pytest

from hdc.apps.cli import main
from hdc.apps.demo.command import DESCRIBE, QUESTIONS, load_index
from hdc.apps.json import JSONEncoder

DATA = files("hdc.apps.demo") / "data"


@pytest.mark.slow
def test_the_demo_answers_its_questions(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    words, numbers, like = (out.split(question.title)[1].split("\n\n") for question in QUESTIONS)
    assert "Amazon SQS: DeleteMessage" in words[2]
    assert '"QueueUrl" = "QueueUrl"' in words[2]
    assert "Hualian, Taiwan" in numbers[2]
    assert "121.6 ~ 121.6" in numbers[2]
    assert "Amazon SQS: ReceiveMessage" in like[1]
    assert max(map(len, out.splitlines())) <= 120


@pytest.mark.parametrize("name", DESCRIBE)
def test_data_are_small_and_say_where_they_come_from(name):
    raw = (DATA / f"{name}.jsonl.gz").read_bytes()
    assert len(raw) <= 300_000
    documents = [json.loads(line) for line in gzip.decompress(raw).splitlines()]
    assert len({json.dumps(document) for document in documents}) == len(documents) > 1000
    assert f"## `{name}.jsonl.gz`" in (DATA / "README.md").read_text(encoding="utf-8")
    assert all(DESCRIBE[name](document) for document in documents)


def test_license_of_the_operations():
    text = (DATA / "operations.LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Copyright 2012-2022 Amazon.com" in text


@pytest.mark.slow
def test_near_earthquakes_are_near():
    index = load_index("earthquakes", JSONEncoder(512))
    hits = index.search({"geometry": {"coordinates": [-155.3, 19.4]}}, 10)
    assert len(index) == 1707
    for hit in hits:
        east, north, _ = hit.document["geometry"]["coordinates"]
        assert abs(east + 155.3) < 1
        assert abs(north - 19.4) < 1


def test_data_can_be_copied_and_nothing_is_overwritten(tmp_path, capsys):
    folder = tmp_path / "new" / "data"
    assert main(["demo", "--data", str(folder)]) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        f"{name}.jsonl.gz": (DATA / f"{name}.jsonl.gz").read_bytes() for name in DESCRIBE
    }
    assert capsys.readouterr().out.splitlines() == [str(folder / f"{name}.jsonl.gz") for name in DESCRIBE]
    (folder / "operations.jsonl.gz").write_text("mine")
    assert main(["demo", "--data", str(folder)]) == 1
    assert (folder / "operations.jsonl.gz").read_text() == "mine"
    assert "File exists" in capsys.readouterr().err
