"""Queries of ``hdc embed search``: files, one vector, archives, and texts that a user's encoder takes."""

import io
import json
import zipfile

import numpy as np
import pytest

from hdc.apps.cli import main
from hdc.apps.retrieval import EmbeddingIndex, SignBinarizer
from hdc.apps.retrieval.files import npy
from hdc.apps.retrieval.vectors.texts import encoded
from hdc.errors import DimensionError, DTypeError, MismatchError, ParameterError

VECTORS = np.random.default_rng(2).standard_normal((60, 16)).astype(np.float32)

ENCODER = """
import numpy as np

class Model:
    def encode(self, texts):
        return [np.random.default_rng(len(text)).standard_normal(16).tolist() for text in texts]

model, number = Model(), 7
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    """Go to a folder with an index and an encoder."""
    monkeypatch.chdir(tmp_path)
    with EmbeddingIndex.create("index", SignBinarizer(64).fit(VECTORS / 9), keep="float32") as index:
        index.add(VECTORS)
    (tmp_path / "my_encoder.py").write_text(ENCODER)
    monkeypatch.delitem(__import__("sys").modules, "my_encoder", raising=False)
    return tmp_path


def found(capsys, *words):
    assert main(["embed", "search", "index", *map(str, words), "-k", "1", "--json"]) == 0
    return [json.loads(line)["hits"][0]["id"] for line in capsys.readouterr().out.splitlines()]


def told(capsys, *words):
    assert main(["embed", "search", "index", *map(str, words)]) != 0
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.count("\n") == 1
    return printed.err


def test_one_vector_archives_and_texts(folder, capsys):
    np.save("one.npy", VECTORS[7])
    np.savez("one.npz", VECTORS[3:5])
    np.savez_compressed("two.npz", asked=VECTORS[9], other=VECTORS[1:3].astype(np.float64))
    assert found(capsys, "one.npy") == [7]
    assert found(capsys, "one.npz") == [3, 4]
    assert found(capsys, "two.npz", "--column", "asked") == [9]
    assert found(capsys, "two.npz", "--column", "other") == [1, 2]


def test_texts_are_encoded_by_the_users_function(folder, capsys):
    texts = ["a", "bb", "ccc"]
    made = np.array([np.random.default_rng(len(text)).standard_normal(16) for text in texts])
    cosines = made @ (VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)).T
    wanted = cosines.argmax(axis=1).tolist()
    (folder / "texts.txt").write_text("a\nbb\nccc\n")
    assert found(capsys, "texts.txt", "--encoder", "my_encoder:model.encode") == wanted
    assert found(capsys, "--text", "bb", "--text", "a", "--encoder", "my_encoder:model.encode") == wanted[1::-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "pass a file of queries or --text"),
        (("one.npz", "--text", "x"), "not both"),
        (("--text", "x"), "needs --encoder"),
        (("--text", "x", "--encoder", "my_encoder"), "module:function"),
        (("--text", "x", "--encoder", "my_encoder:nothing"), "no encoder"),
        (("--text", "x", "--encoder", "no_such_module:f"), "no encoder"),
        (("--text", "x", "--encoder", "my_encoder:number"), "not callable"),
        (("texts.txt", "--encoder", "my_encoder:model.encode", "--column", "a"), "--column"),
        (("two.npz",), "arrays a, b; name one of them"),
        (("two.npz", "--column", "c"), "name one of them, not 'c'"),
        (("objects.npz",), "not a .npz file of numbers"),
        (("cut.npz",), "cut.npz"),
        (("texts.npz",), "must contain floats"),
        (("wide.npy",), "17 components"),
        (("forged.npz",), "not a .npz file of numbers"),
    ],
)
def test_refuses_in_a_line(folder, capsys, words, says):
    np.savez("one.npz", VECTORS[:2])
    np.savez("two.npz", a=VECTORS[:2], b=VECTORS[:2])
    np.savez("objects.npz", np.array([{}], dtype=object))
    np.savez("texts.npz", np.array(["a"]))
    np.save("wide.npy", np.ones(17))
    (folder / "texts.txt").write_text("a\n")
    (folder / "cut.npz").write_bytes((folder / "one.npz").read_bytes()[:-30])
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 38, 16)})
    with zipfile.ZipFile("forged.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(64))
    assert says in told(capsys, *words)


def test_an_archive_that_unpacks_to_too_much_is_not_read(folder, capsys, monkeypatch):
    monkeypatch.setattr(npy, "MOST_UNPACKED", 1000)
    np.savez_compressed("bomb.npz", np.zeros((5000, 16), np.float32))
    assert "320,128 bytes; write it as .npy" in told(capsys, "bomb.npz")


@pytest.mark.parametrize(
    ("texts", "encoder", "error"),
    [
        (["a"], "no function", ParameterError),
        ([b"a"], lambda texts: VECTORS[:1], ParameterError),
        (["a"], lambda texts: ["x"], DTypeError),
        (["a"], lambda texts: VECTORS[0], DimensionError),
        (["a"], lambda texts: VECTORS[:2], MismatchError),
        (["a"], lambda texts: VECTORS[:1] * np.inf, ParameterError),
    ],
)
def test_encoders_that_return_something_else(texts, encoder, error):
    with pytest.raises(error):
        encoded(texts, encoder)


def test_search_texts_is_a_search_of_what_the_encoder_returns(folder):
    with EmbeddingIndex.open("index") as index:
        by_text = index.search_texts(["x", "yy"], lambda texts: VECTORS[[len(text) for text in texts]], 2, candidates=9)
        assert all(map(np.array_equal, by_text, index.search(VECTORS[1:3], 2, candidates=9)))


def test_one_text_is_one_row():
    assert encoded("a text", lambda texts: VECTORS[: len(texts)]).shape == (1, 16)
