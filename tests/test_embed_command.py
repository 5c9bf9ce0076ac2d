"""``hdc embed``: what it prints and writes, and that each kind of bad input is told in a line and changes nothing."""

import errno
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from hdc.apps.cli import main
from hdc.apps.retrieval import EmbeddingIndex
from hdc.apps.retrieval.binarizers import load
from hdc.apps.retrieval.index import building as building_module
from hdc.search.options import IVFOptions
from hdc.store import Store, layout
from tests import naive

RNG = np.random.default_rng(5)
CENTERS = RNG.standard_normal((20, 16))
VECTORS = (CENTERS[RNG.integers(0, 20, 300)] + 0.5 * RNG.standard_normal((300, 16))).astype(np.float32)
QUERIES = VECTORS[:5] + 0.1 * RNG.standard_normal((5, 16)).astype(np.float32)
KEYS = [f"item {i}" for i in range(300)]
RECURRENT = ("train", "--binarizer", "recurrent", "--rounds", 2)


def embed(*words):
    return main(["embed", *map(str, words)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with vectors, queries, keys and a model."""
    folder = tmp_path_factory.mktemp("embed")
    np.save(folder / "v.npy", VECTORS)
    np.save(folder / "q.npy", QUERIES)
    (folder / "keys.txt").write_text("\n".join(KEYS))
    assert embed("train", folder / "v.npy", "--bits", 128, "--binarizer", "sign", "-o", folder / "model") == 0
    return folder


@pytest.fixture
def index(made, tmp_path, capsys):
    """Return a fresh index with keys and originals."""
    where = tmp_path / "index"
    options = ("--keys", made / "keys.txt", "--keep", "int8")
    assert embed("index", made / "v.npy", "--model", made / "model", "-o", where, *options) == 0
    assert capsys.readouterr().out.startswith(f"300 vectors in {where} (0.")
    return where


def nearest(k, queries=QUERIES, vectors=VECTORS):
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, vectors)]
    return np.argsort(-(unit[0] @ unit[1].T), axis=1)[:, :k]


def contents(folder):
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def test_train_is_deterministic_and_says_what_it_made(made, tmp_path, capsys):
    for name in ("a", "b"):
        assert embed(*RECURRENT, made / "v.npy", "--bits", 128, "--seed", 3, "-o", tmp_path / name) == 0
    shown = f"{tmp_path / 'b'}: 128 bits, 16 bytes per vector, learned from 300 of 300 vectors"
    assert capsys.readouterr().out.splitlines()[1] == shown
    files = [{path.name: content for path, content in contents(tmp_path / name).items()} for name in ("a", "b")]
    assert files[0] == files[1]
    assert load(tmp_path / "a").rounds == 2
    assert embed(*RECURRENT, made / "v.npy", "--bits", 128, "--seed", 4, "-o", tmp_path / "b") == 0
    assert {p.name: c for p, c in contents(tmp_path / "b").items()} != files[0]


def test_train_goes_on_from_a_checkpoint(made, tmp_path):
    words = (*RECURRENT, made / "v.npy", "--bits", 64, "--checkpoint", tmp_path / "state")
    assert embed(*words, "-o", tmp_path / "a") == 0
    assert any((tmp_path / "state").rglob("*.safetensors"))
    assert embed(*words, "-o", tmp_path / "b") == 0
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
@pytest.mark.parametrize("train", [("train", "--binarizer", "sign"), RECURRENT])
def test_every_kind_finds_the_nearest(made, tmp_path, capsys, kind, train):
    assert embed(*train, made / "v.npy", "--bits", 128, "-o", tmp_path / "m") == 0
    words = ("--model", tmp_path / "m", "--kind", kind, "--keep", "float32", "-o", tmp_path / "i")
    assert embed("index", made / "v.npy", *words) == 0
    capsys.readouterr()
    assert embed("search", tmp_path / "i", made / "q.npy", "-k", 3, "--candidates", 300, "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    hits = [[hit["id"] for hit in line["hits"]] for line in found]
    if kind == "hnsw":
        assert np.mean([a[0] == b[0] for a, b in zip(hits, nearest(3), strict=True)]) >= 0.8
    elif kind == "flat":
        assert hits == nearest(3).tolist()
    else:
        assert [row[0] for row in hits] == nearest(1)[:, 0].tolist()


def test_rabitq(made, tmp_path, capsys):
    assert embed("train", made / "v.npy", "--binarizer", "rabitq", "-o", tmp_path / "m") == 0
    assert embed("index", made / "v.npy", "--model", tmp_path / "m", "-o", tmp_path / "i", "--keep", "float16") == 0
    capsys.readouterr()
    assert embed("search", tmp_path / "i", made / "q.npy", "-k", 1, "--json") == 0
    hits = [json.loads(line)["hits"][0]["id"] for line in capsys.readouterr().out.splitlines()]
    assert hits == nearest(1)[:, 0].tolist()
    assert embed("index", made / "v.npy", "--model", tmp_path / "m", "-o", tmp_path / "j", "--kind", "ivf") == 1
    assert "RaBitQ codes are not compared by Hamming distance" in capsys.readouterr().err
    assert not (tmp_path / "j").exists()


@pytest.fixture
def lists(made, tmp_path, capsys):
    """Return a fresh index of a model of lists, with keys and originals."""
    words = ("--binarizer", "rabitq", "--lists", 9, "-o", tmp_path / "m")
    assert embed("train", made / "v.npy", *words) == 0
    shown = f"{tmp_path / 'm'}: 9 lists, 16 bits, 24 bytes per vector, learned from 300 of 300 vectors\n"
    assert capsys.readouterr().out == shown
    words = ("--model", tmp_path / "m", "--keep", "int8", "--keys", made / "keys.txt", "-o", tmp_path / "lists")
    assert embed("index", made / "v.npy", *words, "--block", 128) == 0
    assert capsys.readouterr().out.endswith(" MB, ivf)\n")
    return tmp_path / "lists"


def test_a_model_of_lists_makes_an_index_of_lists(made, lists, tmp_path, capsys):
    assert load(tmp_path / "m").lists == 9

    def found(*words):
        assert embed("search", lists, made / "q.npy", "-k", 300, "--json", *words) == 0
        return [[hit["id"] for hit in json.loads(line)["hits"]] for line in capsys.readouterr().out.splitlines()]

    every = found("--probes", 9, "--candidates", 300)
    assert [row[:3] for row in every] == nearest(3).tolist()
    assert [sorted(row) for row in every] == [list(range(300))] * 5
    few = found("--probes", 1)
    assert [row[0] for row in few] == nearest(1)[:, 0].tolist()
    assert all(0 < len(row) < 200 for row in few)
    np.save(tmp_path / "more.npy", -QUERIES)
    assert embed("add", lists, tmp_path / "more.npy") == 0
    assert embed("remove", lists, "--key", "item 7", "--key", "item 9") == 0
    assert embed("verify", lists) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "OK: all checksums match (303 vectors)"
    left = set(range(305)) - {7, 9}
    assert all(len(row) == 300 and set(row) <= left for row in found("--probes", 9))
    assert embed("search", lists, tmp_path / "more.npy", "-k", 1, "--json") == 0
    hits = [json.loads(line)["hits"][0]["id"] for line in capsys.readouterr().out.splitlines()]
    assert hits == [300, 301, 302, 303, 304]


@pytest.mark.slow
def test_eval_of_lists(made, lists, capsys):
    words = ("eval", made / "v.npy", made / "q.npy", lists, "-k", 5, "--probes", "1,9", "--candidates", 300)
    assert embed(*words, "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows[1:]] == [f"lists, candidates 300, probes {probes}" for probes in (1, 9)]
    assert rows[1]["recall"] <= rows[2]["recall"] >= 0.95
    assert rows[2]["bytes_per_vector"] == 24 + 16


def test_lists_where_they_do_not_belong(made, lists, tmp_path, capsys):
    for kind in ("flat", "hnsw"):
        message = f"as kind={kind!r} does; a RaBitQBinarizer of lists=9 needs kind='ivf'"
        words = ("--model", tmp_path / "m", "--kind", kind, "-o", tmp_path / "other")
        fails(capsys, message, "index", made / "v.npy", *words)
        assert not (tmp_path / "other").exists()
    assert embed("index", made / "v.npy", "--model", tmp_path / "m", "--kind", "ivf", "-o", tmp_path / "other") == 0
    capsys.readouterr()
    words = ("--model", tmp_path / "m", "--lists", 5, "-o", tmp_path / "third")
    fails(capsys, "lists are for kind='ivf' of codes other than RaBitQ", "index", made / "v.npy", *words)
    fails(capsys, "probes must be an integer of at least 1, not 0", "search", lists, made / "q.npy", "--probes", 0)


def test_search_shows_a_table_json_and_files(made, index, tmp_path, capsys):
    assert embed("search", index, made / "q.npy", "-k", 2) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "query  rank   score   id  key"
    assert [line.split(maxsplit=4)[4] for line in lines] == [KEYS[i] for i in nearest(2).ravel()]
    assert embed("search", index, made / "q.npy", "-k", 2, "-o", tmp_path / "out.npz") == 0
    with np.load(tmp_path / "out.npz") as found:
        np.testing.assert_array_equal(found["ids"], nearest(2))
        np.testing.assert_array_equal(found["keys"], np.array(KEYS)[nearest(2)])
        assert (np.diff(found["scores"]) <= 0).all()
    assert embed("search", index, made / "q.npy", "-k", 2, "-o", tmp_path / "out.parquet") == 0
    rows = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert rows["id"] == nearest(2).ravel().tolist()
    assert rows["rank"] == [1, 2] * 5
    assert rows["query"] == [q for q in range(5) for _ in range(2)]


def test_parquet_in(made, tmp_path, capsys):
    table = pa.table({"name": KEYS, "v": pa.array(VECTORS.tolist(), pa.list_(pa.float32(), 16))})
    parquet.write_table(table, tmp_path / "v.parquet")
    words = ("--model", made / "model", "-o", tmp_path / "i", "--key-column", "name", "--column", "v")
    assert embed("index", tmp_path / "v.parquet", *words) == 0
    with EmbeddingIndex.open(tmp_path / "i") as opened:
        assert opened.keys([7]) == ["item 7"]


def test_add_remove_verify(made, index, tmp_path, capsys):
    np.save(tmp_path / "more.npy", -QUERIES)
    (tmp_path / "names.txt").write_text("\n".join(f"new {i}" for i in range(5)))
    assert embed("add", index, tmp_path / "more.npy", "--keys", tmp_path / "names.txt") == 0
    assert capsys.readouterr().out == f"5 vectors added, ids 300 to 304; 305 vectors in {index}\n"
    assert embed("search", index, tmp_path / "more.npy", "-k", 1, "--json") == 0
    assert '"key": "new 0"' in capsys.readouterr().out
    assert embed("remove", index, "--key", "new 0", "--key", "item 3") == 0
    assert capsys.readouterr().out == f"2 vectors removed; 303 vectors in {index}\n"
    assert embed("remove", index, 304) == 0
    capsys.readouterr()
    assert embed("verify", index) == 0
    assert capsys.readouterr().out == "OK: all checksums match (302 vectors)\n"


def test_a_build_goes_on_where_it_stopped(made, tmp_path, capsys, monkeypatch):
    words = ("index", made / "v.npy", "--model", made / "model", "--keys", made / "keys.txt", "--block", 64)
    assert embed(*words, "-o", tmp_path / "whole") == 0
    add, calls = EmbeddingIndex.add_encoded, []

    def failing(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return add(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(EmbeddingIndex, "add_encoded", failing)
        assert embed(*words, "-o", tmp_path / "i") == 130
    capsys.readouterr()
    assert not (tmp_path / "i").exists()
    assert embed(*words, "-o", tmp_path / "i") == 0
    assert capsys.readouterr().err == "resuming an interrupted run\n"
    assert not (tmp_path / "i.building").exists()
    with EmbeddingIndex.open(tmp_path / "i") as resumed, EmbeddingIndex.open(tmp_path / "whole") as whole:
        np.testing.assert_array_equal(resumed.codes.store.rows("codes"), whole.codes.store.rows("codes"))
        assert resumed.keys(np.arange(300)) == KEYS


@pytest.mark.slow
def test_eval_compares_with_exact_search(made, index, tmp_path, capsys):
    qrels = tmp_path / "qrels"
    qrels.write_text("".join(f"{q + 1} {row + 1} 1\n" for q, row in enumerate(nearest(1)[:, 0])))
    words = ("eval", made / "v.npy", made / "q.npy", index, "-k", 5, "--candidates", "5,300")
    assert embed(*words, "--judgments", qrels, "--json", "--truth", tmp_path / "t.npz") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == ["exact float32", "index, candidates 5", "index, candidates 300"]
    assert rows[0]["recall"] == rows[0]["ndcg"] == rows[0]["mrr"] == 1
    assert rows[0]["bytes_per_vector"] == 64
    assert rows[1]["recall"] <= rows[2]["recall"] >= 0.9
    assert rows[2]["bytes_per_vector"] == 16 + 16
    assert rows[2]["mrr"] == 1
    assert embed(*words, "--plot", tmp_path / "p.svg") == 0
    assert capsys.readouterr().out.splitlines()[0].split()[:3] == ["index", "recall@5", "bytes/vector"]
    assert (tmp_path / "p.svg").stat().st_size > 0


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_metrics_from_train_to_eval(metric, tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((400, 32)) * rng.lognormal(size=(400, 1)) + 1).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "q.npy", x[:30] + np.float32(0.1))
    for name, options in (("cosine", []), (metric, ["--metric", metric])):
        model, index = tmp_path / f"model-{name}", tmp_path / name
        assert embed("train", tmp_path / "x.npy", "--binarizer", "rabitq", "--lists", 3, *options, "-o", model) == 0
        assert embed("index", tmp_path / "x.npy", "--model", model, "--keep", "float32", "-o", index) == 0
    assert f"{metric}, 32 bits" in capsys.readouterr().out
    assert (
        embed("search", tmp_path / metric, tmp_path / "q.npy", "-k", 5, "--candidates", 400, "--probes", 3, "--json")
        == 0
    )
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    truth = -np.sort(-naive.similarities(np.load(tmp_path / "q.npy"), x, metric), axis=1)[:, :5]
    scores = [[hit["score"] for hit in row["hits"]] for row in found]
    np.testing.assert_allclose(scores, truth, rtol=1e-4, atol=1e-3)
    assert (
        embed("eval", tmp_path / "x.npy", tmp_path / "q.npy", tmp_path / metric, "--candidates", 400, "--probes", 3)
        == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(f"exact float32, {metric} ")
    assert " 1.0000 " in lines[2]
    assert embed("info", tmp_path / metric) == 0
    assert re.search(rf"metric:? +{metric}\b", capsys.readouterr().out)
    fails(
        capsys,
        "indexes of different metrics",
        "eval",
        tmp_path / "x.npy",
        tmp_path / "q.npy",
        tmp_path / "cosine",
        tmp_path / metric,
    )
    wrong = "train", tmp_path / "x.npy", "--binarizer", "orthohash", "--metric", metric, "-o", tmp_path / "m"
    fails(capsys, "--metric is for rabitq, scalar, sign and recurrent", *wrong)


def bad_vectors(folder):
    """Write a file for each way in which vectors are bad; return what is told of it."""
    nan = VECTORS[:9].copy()
    nan[4, 2] = np.nan
    np.save(folder / "nan.npy", nan)
    np.save(folder / "wide.npy", np.ones((3, 17), np.float32))
    np.save(folder / "none.npy", np.ones((0, 16), np.float32))
    np.save(folder / "ints.npy", np.ones((3, 16), np.int32))
    (folder / "empty.npy").write_bytes(b"")
    (folder / "text.npy").write_text("hello, world")
    (folder / "cut.npy").write_bytes((folder / "nan.npy").read_bytes()[:200])
    return {
        "nan.npy": "nan.npy: row 4 contains NaN or infinity",
        "wide.npy": "wide.npy: vectors have 17 components",
        "none.npy": "none.npy has no vectors",
        "ints.npy": "ints.npy has dtype int32; expected float16",
        "empty.npy": "empty.npy is empty",
        "text.npy": "text.npy is neither .npy nor Parquet",
        "cut.npy": "cut.npy is not a .npy file of numbers, or is cut off",
        "missing.npy": "missing.npy: No such file or directory",
    }


BAD = ["nan.npy", "wide.npy", "none.npy", "ints.npy", "empty.npy", "text.npy", "cut.npy", "missing.npy"]


def fails(capsys, message, *words):
    assert embed(*words) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"hdc embed {words[0]}: error: ")
    assert told.err.count("\n") == 1
    assert message in told.err


@pytest.mark.parametrize("name", BAD)
def test_bad_vectors_are_told_and_change_nothing(made, index, tmp_path, capsys, name):
    message, before = bad_vectors(tmp_path)[name], contents(index)
    fails(capsys, message, "add", index, tmp_path / name)
    fails(capsys, message, "search", index, tmp_path / name)
    assert contents(index) == before
    fails(capsys, message, "index", tmp_path / name, "--model", made / "model", "-o", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    if name != "wide.npy":
        fails(capsys, message, "train", tmp_path / name, "-o", tmp_path / "m")
        assert not (tmp_path / "m").exists()


def test_a_key_that_is_there_changes_nothing(made, index, tmp_path, capsys):
    (tmp_path / "names.txt").write_text("new\nitem 7\nnewer\nd\ne")
    before = contents(index)
    fails(capsys, "the key 'item 7' already exists", "add", index, made / "q.npy", "--keys", tmp_path / "names.txt")
    fails(capsys, "there is no row with key 'nobody'", "remove", index, "--key", "item 1", "--key", "nobody")
    fails(capsys, "there is no vector 300", "remove", index, 1, 300)
    with EmbeddingIndex.open(index) as opened:
        assert len(opened) == 300
    assert {path: content for path, content in contents(index).items() if "catalogue" not in path.name} == {
        path: content for path, content in before.items() if "catalogue" not in path.name
    }


def test_a_full_disk_changes_nothing(made, index, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "codes.bin")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "append", full)
        fails(capsys, "codes.bin: No space left on device", "add", index, made / "q.npy")
    with EmbeddingIndex.open(index) as opened:
        opened.verify()
        assert len(opened) == 300


def test_a_full_disk_leaves_a_build_to_go_on_with(made, tmp_path, capsys, monkeypatch):
    words = ("index", made / "v.npy", "--model", made / "model", "-o", tmp_path / "i")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "append", full)
        fails(capsys, "No space left on device", *words)
    assert embed(*words) == 0


def test_other_folders_versions_and_models(made, index, tmp_path, capsys):
    fails(capsys, "is not an index; build one with hdc embed index", "search", made, made / "q.npy")
    before = contents(index)
    fails(capsys, "is not an index", "index", made / "v.npy", "--model", made / "model", "-o", made)
    fails(capsys, "exists and is not a model", "train", made / "v.npy", "-o", index)
    assert contents(index) == before
    (tmp_path / "mine" / "codes").mkdir(parents=True)
    (tmp_path / "mine" / "codes" / "diary.txt").write_text("dear")
    fails(capsys, "is not an index", "index", made / "v.npy", "--model", made / "model", "-o", tmp_path / "mine")
    assert (tmp_path / "mine" / "codes" / "diary.txt").read_text() == "dear"
    np.save(tmp_path / "wide.npy", np.ones((80, 17), np.float32))
    assert embed("train", tmp_path / "wide.npy", "--binarizer", "sign", "-o", tmp_path / "m17") == 0
    capsys.readouterr()
    message = f"vectors have 16 components, and the model {tmp_path / 'm17'} is for 17"
    fails(capsys, message, "index", made / "v.npy", "--model", tmp_path / "m17", "-o", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_index_of_a_newer_version(made, tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(layout, "FORMAT", layout.FORMAT + 1)
        assert embed("index", made / "v.npy", "--model", made / "model", "-o", tmp_path / "i") == 0
    capsys.readouterr()
    before = contents(tmp_path / "i")
    fails(capsys, f"version {layout.FORMAT + 1}", "search", tmp_path / "i", made / "q.npy")
    fails(capsys, f"version {layout.FORMAT + 1}", "add", tmp_path / "i", made / "q.npy")
    assert contents(tmp_path / "i") == before


@pytest.mark.parametrize("part", ["model/model.json", "model/model.safetensors", "codes"])
def test_damage_is_told(made, index, capsys, part):
    path = index / part
    if path.is_dir():
        path = max(
            (p for p in path.rglob("*") if p.is_file() and "originals" in p.name), key=lambda p: p.stat().st_size
        )
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    fails(capsys, "damaged", "verify", index)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-k", "0"), "k must be an integer of at least 1, not 0"),
        (("--candidates", "0"), "candidates must be an integer of at least 1, not 0"),
        (("--probes", "7"), "probes= is an option of kind 'ivf'; the index is of kind 'flat'"),
        (("--effort", "7"), "effort= is an option of kind 'hnsw' and 'graph'; the index is of kind 'flat'"),
        (("--prefix", "64"), "prefix must be one that the index's model was trained with, and it has none"),
        (("-o", "x.csv"), "results are written as .npz or .parquet"),
        (("-o", "nowhere/x.npz"), "the folder does not exist"),
    ],
)
def test_wrong_options_of_search(made, index, capsys, words, message):
    fails(capsys, message, "search", index, made / "q.npy", *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--binarizer", "sign", "--bits", "0"), "--bits must be an integer of at least 1, not 0"),
        (("--binarizer", "recurrent", "--bits", "100"), "dim must be a multiple of 64"),
        (
            ("--binarizer", "recurrent", "--bits", "65", "--loops", "1"),
            "--bits 65 is not a multiple of the 2 bits per component",
        ),
        (("--binarizer", "recurrent", "--loops", "-1"), "--loops must be an integer of at least 0, not -1"),
        (("--binarizer", "sign", "--checkpoint", "x"), "--checkpoint is for recurrent; sign has --bits"),
        (("--binarizer", "sign", "--loops", "1"), "--loops is for recurrent; sign has --bits"),
        (
            ("--binarizer", "recurrent", "--bits", "128", "--prefixes", "128"),
            "a prefix must be an integer of at most 127, not 128",
        ),
        (("--binarizer", "sign", "--lists", "9"), "--lists is for rabitq; sign has --bits"),
        (("--bits", "64"), "--bits is for sign, recurrent and orthohash; rabitq has --lists"),
        (("--epochs", "3"), "--epochs is for recurrent and orthohash; rabitq has --lists"),
        (("--binarizer", "sign", "--component-bits", "2"), "--component-bits is for rabitq; sign has --bits"),
        (("--component-bits", "10"), "component_bits must be an integer of at most 9, not 10"),
        (("--binarizer", "rabitq", "--lists", "0"), "lists must be an integer of at least 1, not 0"),
        (("--binarizer", "rabitq", "--lists", "301"), "301 lists cannot be trained on 300 vectors; pass at least one"),
    ],
)
def test_wrong_options_of_train(made, tmp_path, capsys, words, message):
    fails(capsys, message, "train", made / "v.npy", "-o", tmp_path / "m", *words)
    assert not (tmp_path / "m").exists()


def test_options_that_would_be_ignored_are_told(made, index, tmp_path, capsys):
    words = ("index", made / "v.npy", "--model", made / "model", "-o", tmp_path / "i")
    fails(capsys, "--seed is for the lists that --kind ivf finds", *words, "--seed", 3)
    fails(capsys, "lists are for kind='ivf'", *words, "--lists", 3)
    words = ("eval", made / "v.npy", made / "q.npy", index)
    fails(capsys, "need --judgments", *words, "--binary")
    fails(capsys, "need --judgments", *words, "--first", 0)


@pytest.mark.slow
def test_wrong_questions_of_eval(made, index, tmp_path, capsys):
    fails(capsys, "has 300 vectors, but", "eval", made / "q.npy", made / "q.npy", index)
    fails(capsys, "k must be an integer of at least 1, not 0", "eval", made / "v.npy", made / "q.npy", index, "-k", 0)
    message = "effort is an option of kind 'hnsw' and 'graph', but the indexes are of kind flat"
    fails(capsys, message, "eval", made / "v.npy", made / "q.npy", index, "--effort", "5,9")
    (tmp_path / "qrels").write_text("77 1 1\n")
    words = ("--judgments", tmp_path / "qrels")
    fails(
        capsys,
        "the judgments cover none of the queries 1 to 5",
        "eval",
        made / "v.npy",
        made / "q.npy",
        index,
        *words,
    )


def test_lists_are_found_before_the_first_block(made, tmp_path):
    words = ("--model", made / "model", "-o", tmp_path / "i", "--kind", "ivf", "--lists", 7)
    assert embed("index", made / "v.npy", *words) == 0
    with building_module.opened(tmp_path / "i") as opened:
        assert np.unique(opened.codes.store.rows("cells")).size <= 7


# Labels


def test_labels_make_codes_of_classes(made, tmp_path, capsys):
    pytest.importorskip("torch", reason="torch is not installed: orthohash cannot be trained")
    classes = np.argmax(VECTORS @ CENTERS.T, axis=1) % 3
    (tmp_path / "labels.txt").write_text("\n".join(f"class {c}" for c in classes))
    table = pa.table({"v": list(VECTORS), "label": [f"class {c}" for c in classes]})
    parquet.write_table(table, tmp_path / "v.parquet")
    options = ("--bits", 64, "--binarizer", "orthohash", "--epochs", 30)
    assert embed("train", made / "v.npy", *options, "--labels", tmp_path / "labels.txt", "-o", tmp_path / "a") == 0
    assert "64 bits, 8 bytes per vector, learned from 300 of 300" in capsys.readouterr().out
    assert embed("train", tmp_path / "v.parquet", *options, "--label-column", "label", "-o", tmp_path / "b") == 0
    model, other = load(tmp_path / "a"), load(tmp_path / "b")
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    assert np.array_equal(model.transform(unit), other.transform(unit))
    assert model.classes_.tolist() == ["class 0", "class 1", "class 2"]
    assert (model.search(unit, model.target_codes_, 1)[1][:, 0] == classes).mean() > 0.9
    assert embed("index", made / "v.npy", "--model", tmp_path / "a", "-o", tmp_path / "index") == 0
    with EmbeddingIndex.open(tmp_path / "index") as index:
        assert (classes[index.search(VECTORS[:40], k=3)[1]] == classes[:40, None]).mean() > 0.9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--binarizer", "orthohash"), "pass either --labels or --label-column"),
        (("--labels", "keys.txt"), "--labels is for orthohash; rabitq has --lists"),
        (("--binarizer", "orthohash", "--label-column", "x"), "has no columns"),
        (("--binarizer", "orthohash", "--labels", "short.txt"), "short.txt"),
    ],
)
def test_labels_that_do_not_go_with_the_binarizer_are_told(made, tmp_path, capsys, monkeypatch, options, words):
    monkeypatch.chdir(made)
    (made / "short.txt").write_text("a\nb\n")
    assert embed("train", "v.npy", *options, "-o", tmp_path / "no") != 0
    assert words in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_a_prefix_is_read_first_in_an_index_and_in_shards(made, tmp_path, capsys):
    trained = ("--binarizer", "recurrent", "--bits", 128, "--prefixes", "64", "--rounds", 1)
    assert embed("train", made / "v.npy", *trained, "-o", tmp_path / "model") == 0
    assert embed("index", made / "v.npy", "--model", tmp_path / "model", "-o", tmp_path / "i") == 0
    with EmbeddingIndex.open(tmp_path / "i") as index:
        expected = index.search(np.load(made / "q.npy"), 4, prefix=64, candidates=4)[1].tolist()
    assert embed("split", tmp_path / "i", 2, "-o", tmp_path / "shards") == 0
    for where in (tmp_path / "i", tmp_path / "shards"):
        capsys.readouterr()
        assert embed("search", where, made / "q.npy", "-k", 4, "--candidates", 4, "--prefix", 64, "--json") == 0
        lines = [json.loads(line)["hits"] for line in capsys.readouterr().out.splitlines()]
        assert [[hit["id"] for hit in hits] for hits in lines] == expected


def test_split_and_merge(made, index, tmp_path, capsys):
    def found(where):
        assert embed("search", where, made / "q.npy", "-k", 7, "--json") == 0
        return capsys.readouterr().out

    expected = found(index)
    assert embed("split", index, 3, "-o", tmp_path / "shards") == 0
    assert capsys.readouterr().out.startswith(f"300 vectors in 3 shards in {tmp_path / 'shards'} (0.")
    assert found(tmp_path / "shards") == expected
    parts = sorted((tmp_path / "shards").iterdir())
    assert parts.pop().name == "shards.json"
    assert [part.name for part in parts] == ["shard-0", "shard-1", "shard-2"]
    for given in ([tmp_path / "shards"], parts):
        assert embed("merge", *given, "-o", tmp_path / "merged") == 0
        assert capsys.readouterr().out.startswith(f"300 vectors in {tmp_path / 'merged'} (0.")
        assert found(tmp_path / "merged") == expected
    before = contents(tmp_path / "merged")
    assert embed("merge", index, parts[0], "-o", tmp_path / "merged") == 1
    assert "the key 'item 0' already exists" in capsys.readouterr().err
    assert embed("split", index, 0, "-o", tmp_path / "none") == 1
    assert "n must be an integer of at least 1, not 0" in capsys.readouterr().err
    assert embed("split", index, 2, "-o", tmp_path / "shards") == 1
    assert "exists; name a new folder" in capsys.readouterr().err
    assert contents(tmp_path / "merged") == before
    assert not (tmp_path / "none").exists()


def test_searches_take_what_the_index_remembers(made, lists, tmp_path, capsys):
    def found(*words):
        assert embed("search", lists, made / "q.npy", "-k", 300, "--json", *words) == 0
        return [len(json.loads(line)["hits"]) for line in capsys.readouterr().out.splitlines()]

    assert found() == [300] * 5
    with EmbeddingIndex.open(lists, writable=True) as index:
        index.set_defaults(IVFOptions(probes=1))
    alone = found()
    assert max(alone) < 300
    assert (found("--probes", 9), found("--probes", 1)) == ([300] * 5, alone)


def test_scalar_codes_of_a_size(made, tmp_path, capsys):
    words = ("train", "--binarizer", "scalar", "--code-size", 16, made / "v.npy", "-o", tmp_path / "m")
    assert embed(*words) == 0
    assert "16 bytes per vector" in capsys.readouterr().out
    assert load(tmp_path / "m").bytes_per_vector == 16
    assert embed("index", made / "v.npy", "--model", tmp_path / "m", "-o", tmp_path / "i") == 0
    assert embed("search", tmp_path / "i", made / "q.npy", "-k", 1) == 0
    capsys.readouterr()
    words = ("--binarizer", "sign", "--code-size", 16)
    fails(capsys, "--code-size is for scalar; sign has", "train", made / "v.npy", "-o", tmp_path / "n", *words)
