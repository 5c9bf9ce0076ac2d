"""The store: what it keeps, for whom, and what it refuses."""

import itertools
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import xxhash

from hdc import errors, files
from hdc.store import Store, edition, layout, log

COLUMNS = {"codes": ("uint64", 2), "norms": ("float32", 1)}


def rows(*values):
    return {
        "codes": np.array([[v, v + 1] for v in values], np.uint64).reshape(-1, 2),
        "norms": np.array(values, np.float32).reshape(-1, 1),
    }


def content(store):
    """Return {id: (first code, norm, key, document, source)} of the live rows."""
    live = np.arange(len(store.ids())) if store.alive() is None else np.flatnonzero(store.alive())
    codes, norms, ids = store.rows("codes")[live, 0], store.rows("norms")[live, 0], store.ids()[live]
    triples = zip(ids.tolist(), codes.tolist(), norms.tolist(), strict=True)
    return {number: (code, norm, *store.entry(number)) for number, code, norm in triples}


@pytest.fixture(params=["memory", "disk"])
def store(request, tmp_path):
    with Store.create(None if request.param == "memory" else tmp_path / "s", "thing", COLUMNS, {"dim": 70}) as made:
        yield made


def test_rows_keys_documents_and_sources_come_back(store):
    assert len(store) == 0
    assert store.rows("codes").shape == (0, 2)
    assert store.alive() is None
    ids = store.append(rows(5, 6), keys=["a", None], documents=[b"x\0", None], sources=["f:1", "é"])
    assert ids.tolist() == [0, 1]
    assert content(store) == {0: (5, 5.0, "a", b"x\0", "f:1"), 1: (6, 6.0, None, None, "é")}
    assert (store.key(0), store.document(0), store.source(1), store.find("a"), store.find("b")) == (
        "a", b"x\0", "é", 0, None,
    )  # fmt: skip
    assert store.documents([1, 0]) == [None, b"x\0"]
    assert store.meta == {"dim": 70}
    assert store.rows("codes").dtype == np.uint64
    assert not store.rows("codes").flags.writeable


def test_ids_may_be_given_if_they_are_new(store):
    assert store.append(rows(1, 2), ids=[7, 5], keys=["a", None]).tolist() == [7, 5]
    assert store.append(rows(3)).tolist() == [8]
    assert {number: entry[0] for number, entry in content(store).items()} == {7: 1, 5: 2, 8: 3}
    assert store.find("a") == 7
    for wrong, match in (
        ([8], "from 9 on, and below 2.*, which 8 is not"),
        ([9.0], "1 different integers"),
        ([9, 10], "1 different"),
    ):
        with pytest.raises(errors.ParameterError, match=match):
            store.append(rows(4), ids=wrong)
    with pytest.raises(errors.ParameterError, match="different"):
        store.append(rows(4, 5), ids=[9, 9])


def test_the_last_id_is_the_last(store, tmp_path):
    for wrong in ([2**32], [-1], [0, 2**32], np.array([2**63], np.uint64)):
        with pytest.raises(errors.ParameterError, match=r"below 2\*\*32, which (4294967296|-1|9223372036854775808) is"):
            store.append(rows(*range(len(wrong))), ids=wrong)
    assert store.append(rows(1), keys=["last"], ids=[2**32 - 1]).tolist() == [2**32 - 1]
    before = content(store)
    for change in (store.append, lambda new: store.put(new, ["new"])):
        with pytest.raises(errors.ParameterError, match="no new ids left"):
            change(rows(2))
        assert content(store) == before
    assert store.put(rows(3), ["last"]).tolist() == [2**32 - 1]
    store.replace([2**32 - 1], rows(4))
    assert [entry[0] for entry in content(store).values()] == [4]
    before = content(store)
    if (tmp_path / "s").exists():
        store.close()
        with Store.open(tmp_path / "s", "thing") as reader:
            assert content(reader) == before


def test_rows_have_a_number_below_the_greatest(store, monkeypatch):
    monkeypatch.setattr(edition, "MOST_ROWS", 3)
    store.append(rows(1, 2), keys=["a", "b"])
    store.put(rows(3), ["a"])
    before = content(store)
    with pytest.raises(errors.ParameterError, match="replaced ones included, not 4; compact"):
        store.put(rows(4), ["a"])
    assert content(store) == before
    store.compact()
    store.put(rows(4), ["a"])


def test_a_store_says_what_it_is(store, tmp_path):
    place = f"at {tmp_path / 's'}" if (tmp_path / "s").exists() else "in memory"
    assert repr(store) == f"Store('thing', 0 rows, {place})"


def test_a_store_of_one_byte_and_one_of_dead_rows_open_again(tmp_path):
    with Store.create(tmp_path / "s", "thing", {"codes": ("u1", 1)}) as made:
        made.append({"codes": np.array([[7]], np.uint8)})
    with Store.open(tmp_path / "s", "thing", writable=True) as again:
        assert again.rows("codes").tolist() == [[7]]
        again.remove([0])
    with Store.open(tmp_path / "s", "thing") as again:
        assert (len(again), again.alive().tolist()) == (0, [False])


def test_what_a_snapshot_shows_cannot_be_written(store):
    store.append(rows(1, 2, 3))
    store.remove([1])
    shown = store.snapshot
    for array in (shown.alive, shown.ids, shown.rows("codes")):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_put_replaces_by_key_and_the_id_stays(store):
    store.append(rows(1, 2), keys=["a", "b"])
    assert store.put(rows(9, 8), keys=["c", "a"], documents=[b"new", b"newer"]).tolist() == [2, 0]
    assert content(store) == {
        0: (8, 8.0, "a", b"newer", None),
        1: (2, 2.0, "b", None, None),
        2: (9, 9.0, "c", b"new", None),
    }
    assert store.alive().tolist() == [False, True, True, True]
    assert store.append(rows(3)).tolist() == [3]


def test_replace_keeps_what_it_is_not_given(store):
    store.append(rows(1, 2, 3), keys=["a", "b", "c"])
    store.replace([2, 0], rows(7, 6))
    assert content(store) == {0: (6, 6.0, "a", None, None), 1: (2, 2.0, "b", None, None), 2: (7, 7.0, "c", None, None)}
    with pytest.raises(errors.ParameterError, match="twice"):
        store.replace([1, 1], rows(1, 1))


def test_removed_rows_are_gone_and_their_keys_free(store):
    store.append(rows(1, 2, 3), keys=["a", "b", "c"])
    assert store.remove(ids=[2], keys=["a", "c"]) == 2
    assert list(content(store)) == [1]
    assert store.find("a") is None
    assert store.append(rows(4), keys=["a"]).tolist() == [3]
    for gone in ([0], [2], [9], [-1]):
        with pytest.raises(errors.ParameterError, match=f"no row with id {gone[0]}"):
            store.remove(ids=gone)
    with pytest.raises(errors.ParameterError, match="no row with key 'c'"):
        store.remove(ids=[1], keys=["c"])
    assert len(store) == 2


def test_compact_drops_dead_rows_and_keeps_ids(store):
    store.append(rows(*range(10)), keys=[str(i) for i in range(10)], documents=[b"%d" % i for i in range(10)])
    store.remove(ids=[0, 3, 9])
    store.put(rows(70), keys=["7"])
    before = content(store)
    store.compact()
    assert content(store) == before
    assert store.alive() is None
    assert store.rows("codes").shape == (7, 2)
    assert store.append(rows(1)).tolist() == [10]  # an id is never given twice
    store.verify()


def test_a_copy_goes_to_disk_and_to_memory(store, tmp_path):
    store.append(rows(1, 2, 3), keys=["a", "b", None], sources=["x", "y", "z"])
    store.remove(ids=[1])
    with store.save_copy(tmp_path / "copy") as on_disk, on_disk.save_copy(None) as in_memory:
        assert content(on_disk) == content(in_memory) == content(store)
        assert in_memory.meta == store.meta
    with pytest.raises(errors.ParameterError, match="not empty"):
        store.save_copy(tmp_path / "copy")


def test_wrong_rows_are_refused_and_nothing_changes(store):
    store.append(rows(1), keys=["a"])
    good = rows(2, 3)
    cases = [
        ({"codes": good["codes"]}, {}, errors.ParameterError, "the columns are codes, norms"),
        ({**good, "norms": good["norms"].astype(np.float64)}, {}, errors.DTypeError, "has dtype float32, got float64"),
        ({**good, "norms": good["norms"][:1]}, {}, errors.DimensionError, r"shape \(2, 1\)"),
        ({**good, "codes": good["codes"][:, :1]}, {}, errors.DimensionError, r"shape \(n, 2\)"),
        (good, {"keys": ["b"]}, errors.DimensionError, "1 keys for 2 rows"),
        (good, {"keys": ["b", 3]}, errors.ParameterError, "keys are str, not int"),
        (good, {"keys": ["b", "b"]}, errors.ParameterError, "given twice"),
        (good, {"keys": ["b", "a"]}, errors.ParameterError, "'a' already exists; put"),
        (good, {"keys": ["b", "\ud800"]}, errors.ParameterError, "UTF-8"),
        (good, {"documents": ["text", b""]}, errors.ParameterError, "documents are bytes"),
    ]
    for arrays, texts, error, match in cases:
        with pytest.raises(error, match=match):
            store.append(arrays, **texts)
    assert list(content(store)) == [0]
    with pytest.raises(errors.ParameterError, match="no column 'x'"):
        store.rows("x")
    with pytest.raises(errors.ParameterError, match="list of integers"):
        store.remove(ids=[0.5])


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({}, errors.ParameterError),
        ({"row.ids": ("u8", 1)}, errors.ParameterError),
        ({"../x": ("u8", 1)}, errors.ParameterError),
        ({"commits": ("u8", 1)}, errors.ParameterError),
        ({"seal": ("u8", 1)}, errors.ParameterError),
        ({"nul": ("u8", 1)}, errors.ParameterError),
        ({"x" * 65: ("u8", 1)}, errors.ParameterError),
        ({"x": ("u8", 0)}, errors.ParameterError),
        ({"x": ("O", 1)}, errors.DTypeError),
    ],
)
def test_wrong_columns_are_refused(tmp_path, columns, error):
    with pytest.raises(error):
        Store.create(tmp_path / "s", "thing", columns)
    assert not (tmp_path / "s").exists()


# ---------------------------------------------------------------------- readers and writers


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "s"
    with Store.create(path, "thing", COLUMNS) as store:
        store.append(rows(1, 2, 3), keys=["a", "b", "c"], documents=[b"A", b"B", b"C"])
    return path


def test_a_reader_keeps_its_snapshot_until_it_refreshes(folder):
    with Store.open(folder, "thing") as reader, Store.open(folder, "thing", writable=True) as writer:
        before = content(reader)
        writer.put(rows(9), keys=["a"], documents=[b"new"])
        writer.remove(keys=["b"])
        writer.append(rows(4), keys=["d"])
        writer.set_meta({"new": True})
        assert content(reader) == before
        assert (reader.find("a"), reader.find("d"), reader.document(0), reader.meta) == (0, None, b"A", {})
        assert reader.refresh()
        assert content(reader) == content(writer) == {
            0: (9, 9.0, "a", b"new", None), 2: (3, 3.0, "c", b"C", None), 3: (4, 4.0, "d", None, None),
        }  # fmt: skip
        assert reader.meta == {"new": True}
        assert not reader.refresh()
        before = content(reader)
        writer.compact()
        writer.remove(keys=["c"])
        assert content(reader) == before
        assert reader.refresh()
        assert content(reader) == content(writer)


def test_a_second_writer_is_told_who_writes(folder):
    with (
        Store.open(folder, "thing", writable=True),
        pytest.raises(BlockingIOError, match=f"written by process {os.getpid()} on .* since"),
    ):
        Store.open(folder, "thing", writable=True)
    Store.open(folder, "thing", writable=True).close()


def test_the_lock_of_a_killed_writer_is_free(folder):
    code = (
        "import os, signal; from hdc.store import Store;"
        f"s = Store.open({str(folder)!r}, 'thing', writable=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert (folder / "lock").read_text().strip().startswith("process ")
    Store.open(folder, "thing", writable=True).close()
    assert (folder / "lock").read_bytes() == b""


def test_a_reader_cannot_write(folder):
    with Store.open(folder, "thing") as reader:
        for change in (
            lambda: reader.append(rows(1)),
            lambda: reader.remove([0]),
            lambda: reader.set_meta({}),
            reader.compact,
        ):
            with pytest.raises(errors.UnsupportedError, match="writable=True"):
                change()


def test_a_closed_store_says_so(folder):
    store = Store.open(folder, "thing", writable=True)
    store.close()
    store.close()
    for use in (lambda: store.append(rows(1)), lambda: store.find("a"), store.refresh, store.verify):
        with pytest.raises(errors.ParameterError, match="closed"):
            use()


# ---------------------------------------------------------------------- kinds and versions


def test_other_folders_are_told(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no store at"):
        Store.open(tmp_path / "none", "thing")
    with pytest.raises(errors.FileFormatError, match="is not a store"):
        Store.open(tmp_path, "thing", writable=True)
    assert not (tmp_path / "lock").exists()
    with pytest.raises(errors.FileKindError, match="of kind 'thing'; expected 'other'"):
        Store.open(folder, "other")
    with pytest.raises(errors.ParameterError, match="not empty"):
        Store.create(folder, "thing", COLUMNS)


def test_a_crash_in_the_making_is_made_good(tmp_path):
    folder = tmp_path / "s"
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "commits").write_bytes(b"half")
    (folder / "lock").touch()
    with Store.create(folder, "thing", COLUMNS) as store:
        assert store.append(rows(1)).tolist() == [0]


# ---------------------------------------------------------------------- the format


def test_no_part_of_the_format_changed(folder):
    """A store that this release writes has the layout that its format number stands for."""
    with Store.open(folder, "thing", writable=True) as store:
        store.put(rows(9), keys=["a"], documents=[b"new"], sources=["f:1"])
    meta, _ = files.load(folder / "current", "store", version=2)
    assert (meta, layout.FORMAT) == ({"kind": "thing", "format": 2, "edition": 0}, 2)
    edition = folder / "0"
    assert sorted(p.name for p in edition.iterdir()) == [
        "codes", "commits", "norms", "row.dead", "row.ids", "row.table", "row.texts", "seal",
    ]  # fmt: skip
    assert (edition / "codes").read_bytes() == rows(1, 2, 3, 9)["codes"].astype("<u8").tobytes()
    assert (edition / "norms").read_bytes() == rows(1, 2, 3, 9)["norms"].astype("<f4").tobytes()
    assert (edition / "row.ids").read_bytes() == np.array([0, 1, 2, 0], "<i8").tobytes()
    assert (edition / "row.dead").read_bytes() == np.array([0], "<i8").tobytes()
    assert (edition / "row.texts").read_bytes() == b"aAbBcCaf:1new"
    table = b"".join(
        struct.pack("<QQIIQ", start, xxhash.xxh3_64_intdigest(key), 2, source, document)
        for start, key, source, document in ((0, b"a", 0, 2), (2, b"b", 0, 2), (4, b"c", 0, 2), (6, b"a", 4, 4))
    )
    assert (edition / "row.table").read_bytes() == table
    record = (edition / "commits").read_bytes()
    body = record[35:-1]
    heading = (xxhash.xxh3_64_intdigest(b"0" * 16 + body), zlib.adler32(body), len(body))
    assert record == b"%016x %08x %08x %b\n" % (*heading, body)
    found = json.loads(body)
    number = found.pop("edition")
    assert 0 <= number < 2**60
    assert found == {
        "generation": 2,
        "rows": 4,
        "next_id": 3,
        "columns": {"codes": ["<u8", 2], "norms": ["<f4", 1]},
        "meta": {},
        "files": {
            path.name: [path.stat().st_size, f"{xxhash.xxh3_64_intdigest(path.read_bytes()):016x}"]
            for path in edition.iterdir() if path.name not in ("commits", "seal")
        },
    }  # fmt: skip
    seal, _ = files.load(edition / "seal", "store-seal")
    assert seal == {"end": len(record), "checksum": f"{heading[0]:016x}"}


def test_bytes_behind_those_of_a_closed_store_are_told(folder):
    with open(folder / "0" / "codes", "ab") as file:
        file.write(b"x")
    with Store.open(folder, "thing") as reader:
        with pytest.raises(errors.FileFormatError, match=r"codes: it has \d+ bytes instead of \d+"):
            reader.verify()
        (folder / "0" / "seal").unlink()  # a writer at work may have written them
        reader.verify()


def test_the_log_grows_by_what_changed_and_is_one_record_when_closed(folder):
    log = folder / "0" / "commits"
    with Store.open(folder, "thing", writable=True) as store:
        store.append(rows(4))
        store.set_meta({"x": 1})
        bodies = [json.loads(line[35:]) for line in log.read_bytes().splitlines()]
        assert [body["generation"] for body in bodies] == [1, 2, 3]
        assert set(bodies[1]["files"]) == {"codes", "norms", "row.table"}
        assert (bodies[2]["files"], bodies[2]["meta"]) == ({}, {"x": 1})
        assert "meta" not in bodies[1]
    assert log.read_bytes().count(b"\n") == 1


def test_the_log_of_what_was_compacted_is_closed(folder):
    with Store.open(folder, "thing", writable=True) as store:
        before = store._edition._log
        store.compact()
        assert before._file == -1
        store.append(rows(4))


def test_a_long_log_is_written_anew(folder, monkeypatch):
    monkeypatch.setattr(log, "GROWN", 1000)
    with Store.open(folder, "thing", writable=True) as store, Store.open(folder, "thing") as reader:
        lengths = []
        for value in range(20):
            store.append(rows(value))
            lengths.append((folder / "0" / "commits").stat().st_size)
            assert reader.refresh()
            assert content(reader) == content(store)
            assert reader.generation == store.generation
        assert max(lengths) < 3000
        assert sum(b < a for a, b in itertools.pairwise(lengths)) > 2


# ---------------------------------------------------------------------- format 1


@pytest.fixture
def old(tmp_path):
    with zipfile.ZipFile(Path(__file__).parent / "data" / "format1.zip") as archive:
        archive.extractall(tmp_path)
    return tmp_path


def test_a_store_of_format_1_is_migrated_when_it_is_opened_for_writing(old):
    expected = json.loads((old / "expected.json").read_text())["store"]
    with pytest.raises(errors.FileFormatError, match=r"format 1, and this release reads 2; open it for writing once"):
        Store.open(old / "store", "thing")
    with Store.open(old / "store", "thing", writable=True) as migrated:
        assert migrated.append(rows(7)).tolist() == [expected["next"]]
    with Store.open(old / "store", "thing") as reader:
        reader.verify()
        found = content(reader)
        assert found.pop(expected["next"])[0] == 7
        assert reader.meta == {"dim": 70, "name": "é"}
        assert [reader.find(key) for key in ("a", "b", "é", "c", "d")] == [0, 1, 3, 4, None]
    as_text = {
        str(number): [key, None if document is None else document.decode(), source, code]
        for number, (code, _, key, document, source) in found.items()
    }
    assert as_text == expected["rows"]
    assert sorted(path.name for path in (old / "store").iterdir()) == ["1", "current", "lock"]


def test_what_a_killed_writer_left_of_format_1_is_migrated(old):
    with Store.open(old / "killed", "thing", writable=True) as migrated:
        assert content(migrated) == {0: (1, 1.0, None, None, None), 1: (2, 2.0, None, None, None)}
        migrated.verify()


@pytest.mark.parametrize("name", ["codes", "norms", "id", "catalogue", "seal"])
def test_a_damaged_store_of_format_1_is_not_migrated(old, name):
    path = old / "store" / "0" / name
    before = bytearray(path.read_bytes())
    before[len(before) // 2] ^= 1
    path.write_bytes(before)
    with pytest.raises(errors.FileFormatError, match=r"damaged"):
        Store.open(old / "store", "thing", writable=True)
    (old / "store" / "0" / "seal").unlink()
    if name not in ("seal", "catalogue"):
        with pytest.raises(errors.FileFormatError, match=r"damaged"):
            Store.open(old / "store", "thing", writable=True)
    assert files.load(old / "store" / "current", "store")[0]["format"] == 1


def test_a_newer_format_is_refused(folder, monkeypatch):
    monkeypatch.setattr(layout, "FORMAT", 3)
    layout.write_current(folder, "thing", folder / "0")
    monkeypatch.undo()
    for writable in (False, True):
        with pytest.raises(errors.FileFormatError, match=r"version 3 .* upgrade"):
            Store.open(folder, "thing", writable=writable)


# ---------------------------------------------------------------------- other systems


def test_what_windows_lacks_is_not_needed(tmp_path, monkeypatch):
    """No pwrite and pread, no syncing of folders, no replacing of open files: imitated, for nobody tried it there."""
    monkeypatch.delattr(os, "pwrite")
    monkeypatch.delattr(os, "pread")
    real_open, real_replace = os.open, os.replace

    def open_files_only(path, *arguments, **options):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *arguments, **options)

    def replace_closed_files_only(source, target):
        opened = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
        assert os.path.realpath(source) not in opened
        assert os.path.realpath(target) not in opened
        real_replace(source, target)

    monkeypatch.setattr(os, "open", open_files_only)
    if os.path.isdir("/proc/self/fd"):
        monkeypatch.setattr(os, "replace", replace_closed_files_only)
    monkeypatch.setattr(log, "GROWN", 500)
    with Store.create(tmp_path / "s", "thing", COLUMNS) as store:
        for value in range(10):
            store.append(rows(value), keys=[str(value)], documents=[b"x"])
        store.put(rows(70), keys=["7"])
        store.compact()
        store.remove(keys=["3"])
    with Store.open(tmp_path / "s", "thing", writable=True) as store, Store.open(tmp_path / "s", "thing") as reader:
        store.append(rows(11))
        assert reader.refresh()
        assert content(reader) == content(store)
        assert len(reader) == 10
        reader.verify()
