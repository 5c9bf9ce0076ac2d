"""``encode_files``: the same file for any number of processes, and nothing left behind."""

import json
import os

import numpy as np
import pyarrow.parquet
import pytest

from hdc.apps.json import JSONEncoder
from hdc.apps.json.build.encode_files import encode_files
from hdc.apps.json.build.inputs import Inputs
from hdc.apps.json.reading import DocumentError
from hdc.errors import ParameterError


def lines(begin, end):
    return [json.dumps({"id": f"p{n}", "age": n * 7919 % 90, f"own {n % 50}": "long walks"}) for n in range(begin, end)]


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad = lines(0, 300)
    bad[7], bad[250] = "{", '{"a": 1, "a": 2}'
    (tmp_path / "a.jsonl").write_text("\n".join(bad) + "\n")
    (tmp_path / "b.json").write_text(
        json.dumps({"people": {str(n): json.loads(x) for n, x in enumerate(lines(300, 400))}})
    )
    (tmp_path / "c.jsonl").write_text("\n".join([*lines(400, 500), "nul"]))
    return tmp_path


def encode(paths, target, jobs, items=None, rejects=None, **options):
    encoder = JSONEncoder(128, **options)
    with Inputs.of(paths, "skip", items, part_bytes=4000) as inputs:
        assert len(inputs.parts) > 2
        encode_files(inputs, target, encoder, rejects=rejects, jobs=jobs)
    return inputs.counts.read, inputs.counts.rejected


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"output": "packed"}])
def test_the_file_is_the_same_for_any_number_of_processes(files, options):
    paths = ["a.jsonl", "c.jsonl"]
    assert encode(paths, "one.npy", 1, rejects="one.rejects", **options) == (398, 3)
    assert encode(paths, "two.npy", 2, rejects="two.rejects", **options) == (398, 3)
    one, two = np.load("one.npy"), np.load("two.npy")
    assert one.dtype == (np.uint64 if options else np.float32)
    np.testing.assert_array_equal(one, two)
    rejects = (files / "one.rejects").read_text()
    assert [json.loads(line)["source"] for line in rejects.splitlines()] == ["a.jsonl:8", "a.jsonl:251", "c.jsonl:101"]
    assert (files / "two.rejects").read_text() == rejects
    assert sorted(os.listdir()) == ["a.jsonl", "b.json", "c.jsonl", "one.npy", "one.rejects", "two.npy", "two.rejects"]
    good = [json.loads(line) for line in [*lines(0, 300), *lines(400, 500)]]
    del good[250], good[7]
    encoder = JSONEncoder(128, **options)
    encoder.fit(good)
    expected = encoder.transform(good)
    if options:
        assert (expected == one).mean() > 0.95  # where a component is all but zero, rounding decides
    else:
        np.testing.assert_allclose(one, expected, atol=1e-6)


@pytest.mark.slow
def test_sources_and_keys_keep_their_order(files):
    encode(["a.jsonl", "c.jsonl"], "v.parquet", 2)
    table = pyarrow.parquet.read_table("v.parquet").to_pydict()
    expected = [f"a.jsonl:{n}" for n in range(1, 301) if n not in (8, 251)] + [f"c.jsonl:{n}" for n in range(1, 101)]
    assert table["source"] == expected
    with Inputs.of(["b.json"], "raise", "people{}") as inputs:
        encode_files(inputs, "k.parquet", JSONEncoder(64), jobs=2)
    assert pyarrow.parquet.read_table("k.parquet").to_pydict()["key"] == list(map(str, range(100)))


def test_errors_of_processes_and_of_parameters(files):
    with Inputs.of(["a.jsonl", "c.jsonl"], "raise", None, part_bytes=4000) as inputs:
        with pytest.raises(DocumentError, match=r"a\.jsonl:8:"):
            encode_files(inputs, "v.npy", JSONEncoder(64), jobs=2)
        with pytest.raises(ParameterError, match="jobs"):
            encode_files(inputs, "v.npy", JSONEncoder(64), jobs=0)
    assert not [name for name in os.listdir() if name.startswith("v.")]
    (files / "none.jsonl").write_text("{\n")
    with Inputs.of(["none.jsonl"], "skip", None) as inputs, pytest.raises(DocumentError, match="no document to encode"):
        encode_files(inputs, "v.npy", JSONEncoder(64))
