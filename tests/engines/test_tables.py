"""What goes out of an index: its rows, in which order of bits, and which indexes are refused."""

import json

import numpy as np
import pytest

from hdc import errors
from hdc.apps.retrieval import (
    BinaryIndex,
    EmbeddingIndex,
    OrthoHashBinarizer,
    RaBitQBinarizer,
    RecurrentBinarizer,
    ScalarBinarizer,
    SignBinarizer,
)
from hdc.apps.retrieval.engines import tables
from hdc.words import pack

X = np.random.default_rng(0).standard_normal((300, 64)).astype(np.float32)


def test_the_first_component_is_the_lowest_bit_of_the_first_byte():
    index, bits = BinaryIndex(70), np.zeros((2, 70), dtype=bool)
    bits[0, [0, 9, 69]] = True
    index.add(pack(bits))
    (block,) = tables.Rows(index)
    assert block.codes.tolist() == [[1, 2, 0, 0, 0, 0, 0, 0, 32], [0] * 9]
    assert tables.highest_first(block.codes)[0].tolist() == [128, 64, 0, 0, 0, 0, 0, 0, 4]


def test_rows_are_those_of_the_moment():
    index = BinaryIndex(64)
    index.add(pack(X[:4] > 0), keys=["a", None, "c", "d"], documents=[None, b"", None, None])
    index.update([1], pack(X[9:10] > 0))
    rows = tables.Rows(index)
    index.remove(ids=[0])
    (block,) = rows
    assert (len(rows), block.ids.tolist()) == (4, [0, 1, 2, 3])
    assert block.entries == [("a", None), (None, b""), ("c", None), ("d", None)]
    assert next(iter(tables.Rows(BinaryIndex(8))), None) is None


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (RaBitQBinarizer(), "by estimates"),
        (RaBitQBinarizer(lists=4), "by estimates"),
        (RaBitQBinarizer(component_bits=2), "by estimates"),
        (ScalarBinarizer(8), "by levels"),
        (RecurrentBinarizer(64, rounds=1, steps=1), "by tables"),
        (RecurrentBinarizer(64, loops=1, rounds=0), "2 bits per component"),
    ],
)
def test_codes_that_bits_would_rank_wrongly_are_refused(model, reason):
    index = EmbeddingIndex.create(None, model.fit(X))
    index.add(X[:5])
    with pytest.raises(errors.UnsupportedError, match=reason):
        tables.Rows(index)


@pytest.mark.parametrize("model", [RaBitQBinarizer(), ScalarBinarizer(8)])
def test_such_codes_are_refused_without_their_model_too(model, tmp_path):
    index = EmbeddingIndex.create(tmp_path / "index", model.fit(X))
    with index, pytest.raises(errors.UnsupportedError, match="Hamming distance cannot compare"):
        tables.Rows(index.codes)
    codes = BinaryIndex.open(tmp_path / "index" / "codes")
    with codes, pytest.raises(errors.UnsupportedError, match=f"codes of a {type(model).__name__}"):
        tables.Rows(codes)
    with EmbeddingIndex.create(tmp_path / "signs", SignBinarizer(64).fit(X)) as index:
        assert tables.Rows(index.codes).form.dim == 64


def test_codes_that_are_compared_by_bits_are_taken():
    for model in (SignBinarizer(70), RecurrentBinarizer(64, rounds=0)):
        index = EmbeddingIndex.create(None, model.fit(X), keep="float16")
        assert tables.Rows(index).form == tables.Form(model.bits, "cosine", "float16", 64)
    assert not issubclass(OrthoHashBinarizer, RaBitQBinarizer | ScalarBinarizer | RecurrentBinarizer)


@pytest.mark.parametrize(
    "change",
    [
        {"hdc-codes": 2},
        {"dim": 0},
        {"metric": "hamming"},
        {"dtype": "int4"},
        {"width": "many"},
        {"more": 1},
    ],
)
def test_a_form_that_was_changed_is_told(change):
    form = tables.Form(70, "l2", "int8", 64)
    assert tables.Form.of_json(form.to_json(), "t") == form
    with pytest.raises(errors.FileFormatError, match="write did not make the table t"):
        tables.Form.of_json(json.dumps(json.loads(form.to_json()) | change), "t")


@pytest.mark.parametrize("text", [None, "", "a comment", "[]", "{}", "null"])
def test_a_table_without_a_form_is_told(text):
    with pytest.raises(errors.FileFormatError, match="write did not make the table"):
        tables.Form.of_json(text, "t")


@pytest.mark.parametrize("name", ["", 3, ("a",) * 3, ("a", ""), "a\0b", None])
def test_names_are_checked(name):
    with pytest.raises(errors.ParameterError):
        tables.table_name(name)


def test_a_library_that_is_missing_is_named():
    with pytest.raises(errors.BackendUnavailableError, match=r"pip install 'hdc-toolkit\[lancedb\]'"):
        tables.library("no_such_library", "lancedb")
