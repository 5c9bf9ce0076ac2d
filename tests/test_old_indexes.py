"""Indexes that the release before made (tests/data/format1.zip) open after one migration and find the same."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import hdc
from hdc.apps.json import JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex
from hdc.errors import FileFormatError

KINDS = {"binary": BinaryIndex, "json": JSONIndex, "embedding": EmbeddingIndex}


@pytest.fixture
def old(tmp_path):
    with zipfile.ZipFile(Path(__file__).parent / "data" / "format1.zip") as archive:
        archive.extractall(tmp_path)
    return tmp_path


def check_binary(index, old, expected):
    codes = hdc.MAPB(128, seed=3).symbols(range(40))
    distances, ids = index.search(codes[[3, 5, 6]], 3)
    assert [distances.tolist(), ids.tolist()] == expected
    assert index.keys([0, 39]) == ["key 0", "key 39"]


def check_json(index, old, expected):
    hits = index.search({"age": 42}, 3)
    right = [[i, key, document] for i, score, key, document in expected if score > 0]  # others are no longer found
    assert [[hit.id, hit.key, hit.document] for hit in hits] == right
    assert [hit.score for hit in hits] == pytest.approx([score for _, score, _, _ in expected if score > 0])


def check_embedding(index, old, expected):
    scores, ids = index.search(np.load(old / "queries.npy"), 3, probes=2)
    assert ids.tolist() == expected[1]
    assert scores == pytest.approx(np.array(expected[0]), abs=1e-5)
    assert index.keys(ids[:, 0]) == ["0", "1"]


@pytest.mark.parametrize("name", list(KINDS))
def test_an_index_of_format_1_is_migrated(old, name):
    kind, check = KINDS[name], globals()[f"check_{name}"]
    expected = json.loads((old / "expected.json").read_text())[name]
    with pytest.raises(FileFormatError, match="open it for writing once, which migrates it"):
        kind.open(old / name)
    with kind.open(old / name, writable=True) as index:
        check(index, old, expected)
    with kind.open(old / name) as index:
        check(index, old, expected)
        index.verify()
