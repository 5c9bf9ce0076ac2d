"""Ceilings of what is read: long documents and exploding archives are refused, in bounded memory, and named."""

import gzip
import io
import json
import tracemalloc
from contextlib import nullcontext

import pytest
import zstandard

from hdc.apps.cli import main
from hdc.apps.json.reading import DocumentError, Limits, opening, plan, read, read_part, whole
from hdc.errors import ParameterError

SMALL = Limits(document_bytes=100)
LONG = json.dumps({"a": "x" * 200})
GOOD = json.dumps({"b": 1})
TEXTS = {
    "in.jsonl": f"{GOOD}\n{LONG}\n{GOOD}\n",
    "array.json": f"[\n{GOOD},\n{LONG},\n{GOOD}\n]",
    "line.json": f"[{GOOD}, {LONG}, {GOOD}]",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_long_document_is_refused_with_its_place_and_what_to_do(tmp_path, name):
    path = tmp_path / name
    path.write_text(TEXTS[name])
    assert len(list(read([path]))) == 3
    with pytest.raises(DocumentError) as caught:
        list(read([path], limits=SMALL))
    assert "a document of more than 100 bytes" in str(caught.value)
    assert "--max-document-bytes" in str(caught.value)
    assert "limits=Limits(" in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{1 if name == 'line.json' else 2 if name == 'in.jsonl' else 3}:")


@pytest.mark.parametrize("name", TEXTS)
def test_a_long_document_is_skipped_alone(tmp_path, name):
    path = tmp_path / name
    path.write_text(TEXTS[name])
    reading = read([path], on_error="skip", rejects=tmp_path / "rejects", limits=SMALL)
    assert [record.document for record in reading] == [{"b": 1}, {"b": 1}]
    assert reading.counts.rejected == 1
    (reject,) = map(json.loads, (tmp_path / "rejects").read_text().splitlines())
    assert "more than 100 bytes" in reject["reason"]


@pytest.mark.parametrize("form", ["{}\n", "{}", "[{}]", "[{}]\n", '{{"k": {}}}'])
@pytest.mark.parametrize("letter", ["x", "ß", "😀"])
def test_the_limit_is_exact_and_counts_bytes(tmp_path, form, letter):
    """A line, a whole value, and items of arrays and objects of exactly the limit pass, and none that is longer."""
    items = {"[": "[]", "{": "k"}.get(form[0]) if form[:2] != "{}" else None
    path = tmp_path / "x.json"
    for text, fits in ((letter * 20, True), (letter * 20 + "a", False)):
        document = json.dumps(text, ensure_ascii=False)
        path.write_text(form.format(document), encoding="utf-8")
        limits = Limits(document_bytes=len(json.dumps(letter * 20, ensure_ascii=False).encode()))
        if fits:
            assert [record.document for record in read([path], items=items, limits=limits)] == [text]
        else:
            with pytest.raises(DocumentError, match="a document of more than"):
                list(read([path], items=items, limits=limits))


def test_parts_read_as_the_whole_does(tmp_path):
    path = tmp_path / "x.jsonl"
    lines = [json.dumps({"n": n, "pad": "y" * (n * 7 % 50)}) for n in range(40)]
    lines[17] = lines[29] = json.dumps("z" * 5000)
    path.write_text("\n".join(lines) + "\n")
    for size in (1, 60, 300, 10**6):
        parts = plan([path], size, limits=SMALL)
        found = [record for part in parts for record in read_part(part, on_error="skip")]
        assert found == list(read([path], on_error="skip", limits=SMALL))
        assert len(found) == 38


BOMBS = {
    "line.jsonl": b"9",
    "blank.jsonl": b" ",
    "open string.json": b'"a',
    "spaces.json": b" ",
    "keys.json": b'{"a',
}


@pytest.mark.parametrize("skip", ["raise", "skip"])
@pytest.mark.parametrize("name", BOMBS)
def test_memory_is_bounded_while_finding_out(tmp_path, name, skip, monkeypatch):
    """100 MB unpack from some kB; with documents of 1 MiB, a few of these are held."""
    monkeypatch.setattr(opening, "CHUNK", 1 << 16)
    path = tmp_path / f"{name}.zst"
    with open(path, "wb") as file, zstandard.ZstdCompressor().stream_writer(file) as writer:
        writer.write(BOMBS[name])
        for _ in range(100):
            writer.write(BOMBS[name][-1:] * 10**6)
    tracemalloc.start()
    with nullcontext() if skip == "skip" else pytest.raises(DocumentError, match=r"than 1,048,576 bytes|Expecting"):
        list(read([path], on_error=skip, limits=Limits(document_bytes=1 << 20)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6


def test_many_bad_items_are_passed_one_by_one(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("[1" + "," * 20_000 + "2]")
    reading = read([path], on_error="skip")
    assert [record.document for record in reading] == [1, 2]
    assert reading.counts.rejected == 19_999


def packed(name, content):
    if name.endswith(".gz"):
        return gzip.compress(content, 9)
    return zstandard.ZstdCompressor().compress(content)


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.jsonl.zst"])
def test_an_exploding_archive_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(opening, "FREELY", 1 << 21)
    path = tmp_path / name
    path.write_bytes(packed(name, b'{"a": "%s"}\n' % (b"x" * 80) * 30_000))
    with pytest.raises(DocumentError, match=r"unpacks to more than 50 times its size; .* raise --max-ratio, or ratio"):
        list(read([path], limits=Limits(ratio=50)))
    reading = read([path], on_error="skip", limits=Limits(ratio=50))
    assert 5_000 < len(list(reading)) < 30_000
    assert reading.counts.rejected == 1
    monkeypatch.setattr(opening, "FREELY", 1)
    assert sum(1 for _ in read([path], limits=Limits(ratio=10**6))) == 30_000


@pytest.mark.slow
def test_small_archives_unpack_freely(tmp_path):
    path = tmp_path / "x.jsonl.zst"
    path.write_bytes(packed("x.zst", b"1\n" * 100_000))
    assert path.stat().st_size < 200
    assert len(list(read([path], limits=Limits(ratio=1)))) == 100_000


def test_a_window_above_the_limit_is_refused(tmp_path):
    path = tmp_path / "x.jsonl.zst"
    parameters = zstandard.ZstdCompressionParameters(window_log=28)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path.write_bytes(compressor.compress(b"1\n") + compressor.flush())
    with pytest.raises(DocumentError, match="its zstd window is above 128 MiB; pack it without --long"):
        list(read([path]))


def test_keys_on_the_way_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(whole, "KEYS_BYTES", 1000)
    path = tmp_path / "x.json"
    path.write_text(json.dumps({f"key {n}": n for n in range(100)}))
    with pytest.raises(DocumentError, match="an object of more than 7 keys, which are too many to hold"):
        list(read([path], items="{}"))


@pytest.mark.parametrize("wrong", [{"document_bytes": 0}, {"document_bytes": 1.5}, {"ratio": "9"}, {"ratio": True}])
def test_limits_are_checked(wrong):
    with pytest.raises(ParameterError, match="must be an integer of at least 1, not"):
        Limits(**wrong)


def test_limits_must_be_limits(tmp_path):
    for call in (read, plan):
        with pytest.raises(ParameterError, match="limits must be a Limits, not 5"):
            call([tmp_path / "x.json"], limits=5)


class TestCommand:
    @pytest.mark.parametrize("verb", ["index", "encode"])
    def test_it_refuses_and_takes_more_if_told(self, tmp_path, capsys, verb):
        path, out = tmp_path / "in.jsonl", tmp_path / ("x.hdc" if verb == "index" else "x.npy")
        path.write_text(TEXTS["in.jsonl"])
        words = ["json", verb, str(path), "-o", str(out), "--dim", "64"]
        assert main([*words, "--max-document-bytes", "100"]) == 1
        assert "in.jsonl:2:1: a document of more than 100 bytes; if" in capsys.readouterr().err
        assert not out.exists()
        assert main([*words, "--max-document-bytes", "1K"]) == 0

    def test_add_refuses(self, tmp_path, capsys):
        path = tmp_path / "in.jsonl"
        path.write_text(GOOD + "\n")
        assert main(["json", "index", str(path), "-o", str(tmp_path / "x"), "--dim", "64"]) == 0
        path.write_text(TEXTS["in.jsonl"])
        assert main(["json", "add", str(tmp_path / "x"), str(path), "--max-document-bytes", "100"]) == 1
        assert "more than 100 bytes" in capsys.readouterr().err

    @pytest.mark.parametrize("size", ["0", "-1", "x", "5T", ""])
    def test_sizes_are_checked(self, tmp_path, capsys, size):
        (tmp_path / "in.jsonl").write_text(GOOD)
        words = ["json", "index", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "x"), "--max-document-bytes", size]
        try:
            status = main(words)
        except SystemExit as exit:
            status = exit.code
        assert status == (1 if size in ("0", "-1") else 2)
        told = capsys.readouterr().err
        assert "document_bytes must be an integer" in told or "expected a number of bytes such as" in told

    def test_a_query_is_bounded(self, tmp_path, capsys, monkeypatch):
        (tmp_path / "in.jsonl").write_text(GOOD)
        assert main(["json", "index", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "x"), "--dim", "64"]) == 0
        monkeypatch.setattr("hdc.apps.json.reading.LIMITS", SMALL)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LONG.encode())))
        assert main(["json", "search", str(tmp_path / "x"), "-"]) == 1
        assert "the query is longer than 100 bytes" in capsys.readouterr().err
