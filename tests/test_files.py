"""The file format: round trips, damage, interrupted writes."""

import hashlib
import json
import os

import numpy as np
import pytest

from hdc import errors, files

ARRAYS = {
    "words": np.arange(6, dtype=np.uint64).reshape(2, 3),
    "floats": np.linspace(0, 1, 5, dtype=np.float32),
    "empty": np.zeros((0, 4), np.int64),
    "scalar": np.array(7, np.int16),
    "flags": np.array([True, False]),
}
META = {"note": "é", "n": 3}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "thing.hdc"
    files.save(path, "thing", META, ARRAYS)
    return path


@pytest.mark.parametrize("mmap", [False, True])
def test_round_trip(saved, mmap):
    meta, arrays = files.load(saved, "thing", mmap=mmap)
    assert meta == META
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)
        assert arrays[name].shape == array.shape


def test_a_system_without_large_pages_maps_files_all_the_same(saved, monkeypatch):
    monkeypatch.setattr(files.mmaps, "MADV_HUGEPAGE", 12345, raising=False)  # as where the kernel has none
    assert np.array_equal(files.load(saved, "thing", mmap=True)[1]["words"], ARRAYS["words"])
    monkeypatch.delattr(files.mmaps, "MADV_HUGEPAGE")  # as on Windows and macOS
    assert np.array_equal(files.load(saved, "thing", mmap=True)[1]["words"], ARRAYS["words"])


@pytest.mark.skipif(not hasattr(files.mmaps, "MADV_HUGEPAGE"), reason="Linux has large pages for mapped files")
def test_a_file_is_asked_for_in_large_pages_only_if_it_is_mapped(saved, monkeypatch):
    asked = []
    monkeypatch.setattr(files, "in_large_pages", lambda mapped: asked.append(len(mapped)))
    files.load(saved, "thing", mmap=False)
    assert asked == []
    files.load(saved, "thing", mmap=True)
    assert asked == [saved.stat().st_size]


def test_bytes_that_are_sent_are_those_of_the_file(saved):
    data = files.pack("thing", META, ARRAYS)
    assert data == saved.read_bytes()
    meta, arrays = files.unpack(data, "thing")
    assert (meta, list(arrays)) == (META, list(ARRAYS))
    for name, array in ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(arrays[name], array)
    for position in range(len(data)):
        with pytest.raises(errors.FileFormatError):
            files.unpack(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :], "thing")
        with pytest.raises(errors.FileFormatError):
            files.unpack(data[:position], "thing")
    with pytest.raises(errors.FileKindError, match="of kind 'thing'; expected 'other'"):
        files.unpack(data, "other")
    with pytest.raises(errors.ParameterError, match="data must be a bytes"):
        files.unpack(str(data), "thing")


def test_foreign_and_strided_arrays_are_stored_plainly(tmp_path):
    x = np.arange(20, dtype=">i4").reshape(4, 5)[::2, ::2]
    files.save(tmp_path / "x", "thing", {}, {"x": x})
    assert np.array_equal(files.load(tmp_path / "x", "thing")[1]["x"], x)


def test_every_flipped_byte_is_found(saved):
    whole = saved.read_bytes()
    for position in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(whole)
            damaged[position] ^= flip
            saved.write_bytes(damaged)
            with pytest.raises(errors.FileFormatError):
                files.load(saved, "thing")


def test_every_truncation_and_any_extension_is_found(saved):
    whole = saved.read_bytes()
    for length in range(len(whole)):
        saved.write_bytes(whole[:length])
        with pytest.raises(errors.FileFormatError):
            files.load(saved, "thing")
    saved.write_bytes(whole + b"\0")
    with pytest.raises(errors.FileFormatError, match="bytes against"):
        files.load(saved, "thing")


def test_another_kind_or_version_is_named(saved, tmp_path):
    with pytest.raises(errors.FileKindError, match="of kind 'thing'; expected 'other'"):
        files.load(saved, "other")
    files.save(tmp_path / "new", "thing", {}, {}, version=2)
    with pytest.raises(errors.FileFormatError, match=r"version 2 .* upgrade"):
        files.load(tmp_path / "new", "thing", version=1)


def forge(path, *entries, text=None, **header):
    """Write a file whose header is consistent with its checksum but lies about its array."""
    text = text or json.dumps({"kind": "thing", "version": 1, "meta": {}, "arrays": entries, **header}).encode()
    opening = files._OPENING.pack(files.MAGIC, files.FORMAT, len(text))
    whole = opening + hashlib.blake2b(opening + text, digest_size=16).digest() + text
    path.write_bytes(whole + bytes(-len(whole) % 64) + bytes(64))


@pytest.mark.parametrize(
    "lie",
    [
        {"dtype": "|O"},
        {"dtype": "<f8"},
        {"dtype": []},
        {"shape": [9]},
        {"shape": [-1, -8]},
        {"shape": ["8"]},
        {"shape": [True] * 3 + [8]},
        {"shape": [2**70, 0], "bytes": 0},
        {"shape": [1] * 70 + [8]},
        {"shape": 8},
        {"bytes": 10**9, "shape": [10**9]},
        {"bytes": None},
        {"name": 3},
        {"digest": None},
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, lie):
    entry = {"name": "x", "dtype": "|u1", "shape": [8], "bytes": 8}
    entry["digest"] = hashlib.blake2b(bytes(8), digest_size=16).hexdigest()
    forge(tmp_path / "good", entry)
    assert files.load(tmp_path / "good", "thing")[1]["x"].tolist() == [0] * 8
    forge(tmp_path / "bad", {**entry, **lie})
    with pytest.raises(errors.FileFormatError):
        files.load(tmp_path / "bad", "thing")
    forge(tmp_path / "twice", entry, entry)
    with pytest.raises(errors.FileFormatError, match="one name"):
        files.load(tmp_path / "twice", "thing")


@pytest.mark.parametrize(
    "header",
    [{"kind": 3}, {"version": "1"}, {"version": None}, {"meta": []}, {"arrays": {}}, {"arrays": [3]}]
    + [{"text": text} for text in (b"[]", b"x", b"\xff", b"[" * 100_000, b"{}")],
)
def test_a_header_without_what_every_file_has_is_refused(tmp_path, header):
    forge(tmp_path / "bad", **header)
    with pytest.raises(errors.FileFormatError, match="damaged"):
        files.load(tmp_path / "bad", "thing")


def test_objects_are_not_stored(tmp_path):
    with pytest.raises(errors.DTypeError, match="dtype object"):
        files.save(tmp_path / "x", "thing", {}, {"x": np.array([None])})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(saved, monkeypatch, step):
    before = saved.read_bytes()

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="no space"):
        files.save(saved, "thing", {"new": True}, ARRAYS)
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]
