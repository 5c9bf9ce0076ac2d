"""The verbs that all indexes share on the command line: the same names, options and texts, on all three."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

import hdc
from hdc.apps import progress, verbs
from hdc.apps.cli import main
from hdc.apps.json import JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, SignBinarizer
from hdc.errors import ConflictError

RNG = np.random.default_rng(3)
VECTORS = RNG.standard_normal((12, 16)).astype(np.float32)
BYTES = RNG.integers(0, 256, (12, 8), dtype=np.uint8)
DOCUMENTS = [{"id": f"k{i}", "size": i} for i in range(12)]
ROWS = {"json": "document", "embed": "vector", "codes": "code"}
VERBS = ("info", "add", "put", "remove", "compact", "verify", "export")


def write(name, first, last, keyed=True):
    """Write rows of each kind, and return the words that name them."""
    if name == "json":
        Path("rows.jsonl").write_text("".join(json.dumps(document) + "\n" for document in DOCUMENTS[first:last]))
        return ["rows.jsonl"]
    np.save("rows.npy", (VECTORS if name == "embed" else BYTES)[first:last])
    Path("keys.txt").write_text("".join(f"k{i}\n" for i in range(first, last)))
    return ["rows.npy", *(["--keys", "keys.txt"] if keyed else [])]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model"
    SignBinarizer(64).fit(VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)).save(path)
    return str(path)


@pytest.fixture(params=list(ROWS))
def name(request, model, tmp_path, monkeypatch, capsys):
    """Return the name of an application, with an index of the rows 0 to 9 at ``index``."""
    monkeypatch.chdir(tmp_path)
    name = request.param
    options = {
        "json": ["--key", "id", "--dim", "64"],
        "embed": ["--model", model, "--keep", "int8"],
        "codes": ["--bitorder", "big"],
    }
    assert main([name, "index", *write(name, 0, 10), "-o", "index", *options[name]]) == 0
    capsys.readouterr()
    return name


def run(capsys, *words):
    status = main([str(word) for word in words])
    told = capsys.readouterr()
    assert (status == 0) == (told.err == ""), told.err
    return told.out if status == 0 else told.err


def content():
    return {path: path.read_bytes() for path in Path("index").rglob("*") if path.is_file()}


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_the_same_but_for_the_name_of_a_row(capsys, verb):
    texts = set()
    for name, row in ROWS.items():
        with pytest.raises(SystemExit):
            main([name, verb, "--help"])
        text = " ".join(capsys.readouterr().out.split())
        if verb in ("add", "put"):
            text = text[text.index("INDEX") :].partition(" Read ")[0].partition("] ")[2]
        if verb == "export":
            text = text.partition("options:")[0]
        texts.add(re.sub(rf"\bhdc {name}\b", "hdc NAME", text).replace(row, "ROW"))
    assert len(texts) == 1 or verb in ("add", "put")


def test_add_put_and_remove(name, capsys):
    row = ROWS[name]
    before = content()
    assert "the key 'k9' already exists; put replaces its" in run(capsys, name, "add", "index", *write(name, 9, 12))
    assert content() == before
    rows = write(name, 8, 11)
    assert run(capsys, name, "put", "index", *rows) == f"1 {row} added, id 10, 2 replaced; 11 {row}s in index\n"
    assert run(capsys, name, "put", "index", *rows) == f"0 {row}s added, 3 replaced; 11 {row}s in index\n"
    assert run(capsys, name, "remove", "index", "0", "--key", "k3") == f"2 {row}s removed; 9 {row}s in index\n"
    assert f"there is no {row} 0; the index has ids 1 to 10" in run(capsys, name, "remove", "index", "0", "1")
    assert "give an ID, or --key KEY" in run(capsys, name, "remove", "index")
    assert "there is no row with key 'nobody'" in run(capsys, name, "remove", "index", "--key", "nobody")
    assert run(capsys, name, "add", "index", *write(name, 11, 12)) == f"1 {row} added, id 11; 10 {row}s in index\n"
    assert run(capsys, name, "remove", "index", "11") == f"1 {row} removed; 9 {row}s in index\n"
    rows = write(name, 3, 4) + write(name, 11, 12)[:0]
    assert run(capsys, name, "add", "index", *rows) == f"1 {row} added, id 12; 10 {row}s in index\n"


def test_put_needs_keys(name, capsys):
    if name == "json":
        assert main(["json", "index", *write(name, 0, 3), "-o", "plain"]) == 0
        capsys.readouterr()
        assert "put needs an index made with key=PATH" in run(capsys, name, "put", "plain", "rows.jsonl")
    else:
        assert "put replaces rows by key" in run(capsys, name, "put", "index", *write(name, 0, 3, keyed=False))


def test_info_compact_and_verify(name, capsys):
    row = ROWS[name]
    for _ in range(3):
        run(capsys, name, "put", "index", *write(name, 0, 10))
    run(capsys, name, "remove", "index", "4")
    known = json.loads(run(capsys, name, "info", "index", "--json"))
    expected = {
        "json": {"kind": "json", "dim": 64, "key": "id", "fitted": True},
        "embed": {"kind": "embed, flat", "binarizer": "SignBinarizer", "dim": 16, "bits": 64, "keeps": "int8"},
        "codes": {"kind": "codes, flat", "bits": 64, "bit_order": "big", "levels": 1},
    }
    assert known.items() >= {**expected[name], "rows": 9, "dead_rows": 31}.items()
    assert known["bytes"] == verbs.size_of("index")
    lines = dict(re.split("  +", line, maxsplit=1) for line in run(capsys, name, "info", "index").splitlines())
    assert lines[f"{row}s"] == "9"
    assert lines["dead rows"] == "31"
    assert lines["size"].endswith(" MB")
    assert re.fullmatch(
        rf"9 {row}s in index \(\d+\.\d MB, \d+\.\d MB before\)\n", run(capsys, name, "compact", "index")
    )
    assert json.loads(run(capsys, name, "info", "index", "--json"))["dead_rows"] == 0
    assert run(capsys, name, "verify", "index") == f"OK: all checksums match (9 {row}s)\n"
    columns = max((p for p in Path("index").rglob("*") if p.name in ("vectors", "codes") and p.is_file()), key=str)
    whole = columns.read_bytes()
    columns.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "damaged" in run(capsys, name, "verify", "index")


@pytest.mark.parametrize("verb", ["verify", "compact"])
def test_a_terminal_shows_how_far_long_work_is(name, capsys, monkeypatch, verb):
    monkeypatch.setattr(progress, "INTERVAL", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main([name, verb, "index"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    units = {line.partition(":")[0] for line in err.split("\r") if line.strip()}
    assert "blocks of keys" in units
    assert ("blocks of rows" in units) == (verb == "compact")
    assert err.endswith("\r")


BACKEND = "compute with numba, numpy, ... (whichever finishes sooner)"


@pytest.mark.parametrize("command", ["embed train", "embed index", "embed search", "codes index", "codes search",
                                     "embed add", "codes put", "json add"])  # fmt: skip
def test_help_of_the_backend(command, capsys):
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    assert BACKEND in " ".join(capsys.readouterr().out.split())


def test_the_backend_that_is_named_computes(name, capsys):
    rows = write(name, 10, 12)
    assert "unknown backend 'none'; known: " in run(capsys, name, "add", "index", *rows, "--backend", "none")
    assert "added" in run(capsys, name, "add", "index", *rows, "--backend", "numpy")
    if name != "json":
        told = run(capsys, name, "search", "index", rows[0], "--backend", "torch")
        assert "keeps NumPy arrays" in told or "torch" in told
        answers = [run(capsys, name, "search", "index", rows[0], "--json", "--backend", b) for b in ("numpy", "numba")]
        assert answers[0] == answers[1]


@pytest.mark.parametrize("name", ["json"], indirect=True)
def test_export_of_documents(name, capsys):
    run(capsys, name, "remove", "index", "4")
    assert run(capsys, name, "export", "index", "-o", "out.jsonl") == "9 documents in out.jsonl\n"
    left = DOCUMENTS[:4] + DOCUMENTS[5:10]
    assert [json.loads(line) for line in run(capsys, name, "export", "index", "-o", "-").splitlines()] == left
    assert [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()] == left
    assert main(["json", "index", "out.jsonl", "-o", "again", "--key", "id", "--dim", "64"]) == 0
    with JSONIndex.open("again") as again:
        assert again.documents(again.ids()) == left


@pytest.mark.parametrize("suffix", ["npz", "parquet"])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("name", ["embed", "codes"], indirect=True)
def test_export_of_vectors_and_codes(name, model, capsys, suffix, kept, monkeypatch):
    monkeypatch.setattr("hdc.apps.retrieval.files.exporting.BLOCK", 4)
    if not kept and name == "embed":
        assert main(["embed", "index", *write(name, 0, 10), "--model", model, "-o", "index"]) == 0
        capsys.readouterr()
    run(capsys, name, "remove", "index", "4")
    row, left = ROWS[name], [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert run(capsys, name, "export", "index", "-o", f"out.{suffix}") == f"9 {row}s in out.{suffix}\n"
    if suffix == "npz":
        with np.load("out.npz") as found:
            ids, keys, rows = found["ids"].tolist(), found["keys"].tolist(), found[_column(name, kept) + "s"]
    else:
        table = parquet.read_table("out.parquet").to_pydict()
        ids, keys, rows = table["id"], table["key"], table[_column(name, kept)]
        if _column(name, kept) == "code":
            rows = np.frombuffer(b"".join(rows), np.uint64)[:, None]
    assert ids == left
    assert keys == [f"k{i}" for i in left]
    if _column(name, kept) == "vector":
        unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
        np.testing.assert_allclose(rows, unit[left], atol=0.01)
    else:
        opened = (EmbeddingIndex if name == "embed" else BinaryIndex).open("index")
        with opened:
            codes = opened.codes if name == "codes" else opened.codes.codes
            np.testing.assert_array_equal(rows, codes(left))


def _column(name, kept):
    return "vector" if name == "embed" and kept else "code"


def test_an_exported_index_of_no_rows(name, capsys):
    run(capsys, name, "remove", "index", *range(10))
    path = "out.jsonl" if name == "json" else "out.npz"
    assert run(capsys, name, "export", "index", "-o", path) == f"0 {ROWS[name]}s in {path}\n"
    assert run(capsys, name, "compact", "index").startswith(f"0 {ROWS[name]}s in index (")
    if name != "json":
        assert "rows are written as .npz or .parquet" in run(capsys, name, "export", "index", "-o", "out.txt")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", list(ROWS))
def test_what_is_no_index_is_told(name, tmp_path, monkeypatch, capsys, verb):
    monkeypatch.chdir(tmp_path)
    words = {"add": write(name, 0, 1), "put": write(name, 0, 1), "remove": ["1"], "export": ["-o", "x.npz"]}
    told = run(capsys, name, verb, "nowhere", *words.get(verb, []))
    assert told.startswith(f"hdc {name} {verb}: error: ")
    assert told.count("\n") == 1
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("name", ["json"], indirect=True)
def test_add_with_bad_records(name, capsys):
    lines = [{"id": "k10"}, {"id": "k1"}, {"no": 1}, {"id": "k10", "twice": True}]
    Path("rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "rows.jsonl:2: the key 'k1' already exists" in run(capsys, name, "add", "index", "rows.jsonl")
    skip = ["--on-error", "skip", "--rejects", "rejects"]
    assert main(["json", "add", "index", "rows.jsonl", *skip]) == 0
    assert capsys.readouterr() == ("1 document added, id 10; 11 documents in index\n", "skipped 3 bad records\n")
    sources = [json.loads(line)["source"] for line in Path("rejects").read_text().splitlines()]
    assert sources == ["rows.jsonl:2", "rows.jsonl:3", "rows.jsonl:4"]


@pytest.mark.parametrize("name", ["embed", "codes"], indirect=True)
def test_a_reader_of_an_index_that_is_built_anew(name, model, capsys):
    options = ["--model", model, "--keep", "int8"] if name == "embed" else ["--bitorder", "big"]
    with (EmbeddingIndex if name == "embed" else BinaryIndex).open("index") as reader:
        assert main([name, "index", *write(name, 0, 4), "-o", "index", *options]) == 0
        assert len(reader) == 10
        assert reader.refresh()
        assert len(reader) == 4
        other = ["--kind", "hnsw"] if name == "codes" else ["--keep", "float32"]
        assert main([name, "index", *write(name, 0, 5), "-o", "index", *options, *other]) == 0
        with pytest.raises(ConflictError, match="was built anew with other settings; open it again"):
            reader.refresh()
        assert len(reader) == 4
        assert len(reader.keys(reader.ids())) == 4


def test_an_index_of_another_model_is_told(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = write("embed", 0, 10)
    assert main(["embed", "index", *rows, "--model", model, "-o", "index"]) == 0
    reader = EmbeddingIndex.open("index")
    SignBinarizer(64, seed=1).fit(VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)).save("other")
    assert main(["embed", "index", *rows, "--model", "other", "-o", "index"]) == 0
    with pytest.raises(ConflictError, match="was built anew with another model; open it again"):
        reader.refresh()
    reader.close()
    shutil.rmtree("index/model")
    shutil.copytree(model, "index/model")
    fails = run(capsys, "embed", "info", "index")
    assert "another model made the codes" in fails


def test_one_search_of_a_small_index_loads_no_compiler(name, capsys):
    query = {"json": '{"id": "k3"}', "embed": "rows.npy", "codes": "rows.npy"}[name]
    code = (
        "import sys; from hdc.apps.cli import main; main(sys.argv[1:]);"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'numba', 'scipy', 'torch', 'pyarrow', 'sqlite3'}))"
    )
    words = [sys.executable, "-c", code, name, "search", "index", query, "-k", "1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(hdc.__file__).parent.parent)}
    out = subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout.splitlines()
    assert out[-1] == "[]"
    assert len(out) >= 3


def test_many_comparisons_are_worth_the_compiler(name):
    store = "index/codes" if name == "embed" else "index"
    kind = {"json": JSONIndex.KIND, "embed": EmbeddingIndex.KIND, "codes": BinaryIndex.KIND}[name]
    assert verbs.backend_for(store, kind, 1) == "numpy"
    assert verbs.backend_for(store, kind, verbs.LITTLE) == "auto"
    assert verbs.backend_for("nowhere", kind, 1) == "numpy"
