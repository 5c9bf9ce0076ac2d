"""Lists in files: mapped, never trusted, and the same answers as without."""

import os
import threading
from functools import cache

import numpy as np
import pytest

from hdc import errors, files
from hdc.apps.cli import main
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, RaBitQBinarizer
from hdc.search import list_files
from hdc.search.list_files import KIND, VERSION
from hdc.search.partition import Grouping
from hdc.words import pack

DIM, ROWS = 24, 600
BACKENDS = ("numba", "numpy")


@cache
def vectors(seed=0, n=ROWS):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(99).standard_normal((9, DIM))
    x = centers[rng.integers(0, 9, n)] + 0.4 * rng.standard_normal((n, DIM))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@cache
def model(lists, backend, seed=0):
    return RaBitQBinarizer(lists, seed=seed, backend=backend).fit(vectors(1))


class Estimated:
    """An index of RaBitQ codes."""

    def __init__(self, lists, backend):
        self.lists, self.backend = lists, backend

    def create(self, path):
        index = EmbeddingIndex.create(path, model(self.lists, self.backend))
        index.add(vectors())
        return index

    def open(self, path, writable=False):
        return EmbeddingIndex.open(path, writable=writable, backend=self.backend)

    def add(self, index, seed, n=30):
        return index.add(vectors(seed, n))

    def search(self, index, **options):
        probes = {"probes": 4} if self.lists > 1 else {}
        return index.search(vectors(2)[:20], 9, **probes, **options)

    def engine(self, index):
        return index.pipeline.engine

    def files(self, path):
        return sorted(path.glob("codes/lists.*"))


class Bits:
    """An index of lists of sign bits."""

    def __init__(self, backend):
        self.backend = backend

    @staticmethod
    def codes(x):
        return pack(x > 0)

    def create(self, path):
        index = BinaryIndex(DIM, kind="ivf", path=path, backend=self.backend)
        index.train(self.codes(vectors(1)), 7)
        index.add(self.codes(vectors()))
        return index

    def open(self, path, writable=False):
        return BinaryIndex.open(path, writable=writable, backend=self.backend)

    def add(self, index, seed, n=30):
        return index.add(self.codes(vectors(seed, n)))

    def search(self, index, **options):
        return index.search(self.codes(vectors(2)[:20]), 9, probes=4, **options)

    def engine(self, index):
        return index.engine

    def files(self, path):
        return sorted(path.glob("lists.*"))


CASES = {f"lists {b}": Estimated(7, b) for b in BACKENDS}
CASES |= {f"one list {b}": Estimated(1, b) for b in BACKENDS} | {f"bits {b}": Bits(b) for b in BACKENDS}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(list_files, "LEAST_ROWS", 1)


@pytest.fixture(params=list(CASES))
def case(request):
    return CASES[request.param]


def kept(case, path):
    """Make an index whose lists are in a file; return what it finds."""
    with case.create(path) as index:
        found = case.search(index)
    (file,) = case.files(path)
    assert file.stat().st_size > 8 * ROWS
    return found


def same(found, expected):
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


@pytest.fixture
def grouped(monkeypatch):
    """Return the numbers of rows that were put in lists in memory."""
    counts, own = [], Grouping.part

    def part(self, rows):
        counts.append(len(rows))
        return own(self, rows)

    monkeypatch.setattr(Grouping, "part", part)
    return counts


def test_lists_are_mapped_and_find_the_same(case, tmp_path, grouped):
    expected = kept(case, tmp_path / "i")
    grouped.clear()
    before = case.files(tmp_path / "i")[0].read_bytes()
    with case.open(tmp_path / "i") as reader:
        same(case.search(reader), expected)
        part = case.engine(reader).prepared().partition.parts[0]
        held = list(part.held.arrays.values()) if hasattr(part.held, "arrays") else [part.held]
        assert all(mapped(array) for array in (part.rows, part.ids, part.starts, *held))
        assert part.ids is part.rows
        chosen = np.arange(0, ROWS, 3)
        among = case.search(reader, among=chosen)
    assert grouped in ([], [len(chosen)])  # few allowed rows are a part of their own
    (file,) = case.files(tmp_path / "i")
    file.unlink()
    with case.open(tmp_path / "i") as reader:
        same(case.search(reader), expected)
        same(case.search(reader, among=chosen), among)
    assert not file.exists()  # readers write nothing
    with case.open(tmp_path / "i", writable=True) as writer:
        case.search(writer)
    assert file.read_bytes() == before


def test_rows_that_come_and_go_after_the_file(case, tmp_path, grouped):
    kept(case, tmp_path / "i")
    (file,) = case.files(tmp_path / "i")
    before = file.read_bytes()
    with case.open(tmp_path / "i", writable=True) as writer:
        grouped.clear()
        writer.remove(ids=[1, 5, 77])
        case.add(writer, 5)
        expected = case.search(writer)
        assert grouped == [30]
        assert not set(expected[1].ravel().tolist()) & {1, 5, 77}
    assert file.read_bytes() == before
    with case.open(tmp_path / "i") as reader:
        same(case.search(reader), expected)
    file.unlink()
    with case.open(tmp_path / "i") as reader:
        same(case.search(reader), expected)


def test_more_rows_than_a_tail_are_put_in_lists_anew_and_kept(case, tmp_path):
    kept(case, tmp_path / "i")
    with case.open(tmp_path / "i", writable=True) as writer:
        case.add(writer, 5, ROWS)
        expected = case.search(writer)
    with case.open(tmp_path / "i") as reader:
        same(case.search(reader), expected)
        assert len(case.engine(reader).prepared().partition.parts[0].held) == 2 * ROWS


def test_a_compacted_index_has_a_file_of_its_own(case, tmp_path, grouped):
    kept(case, tmp_path / "i")
    with case.open(tmp_path / "i") as reader, case.open(tmp_path / "i", writable=True) as writer:
        old = case.search(reader)
        writer.remove(ids=range(0, ROWS, 2))
        writer.compact()
        expected = case.search(writer)
        grouped.clear()
        same(case.search(reader), old)
        assert reader.refresh()
        same(case.search(reader), expected)
        assert grouped == []
        part = case.engine(reader).prepared().partition.parts[0]
        assert part.ids is not part.rows
        assert mapped(part.ids)


def test_a_file_of_a_later_state_serves_no_reader_of_an_earlier_one(case, tmp_path):
    expected = kept(case, tmp_path / "i")
    (file,) = case.files(tmp_path / "i")
    file.unlink()
    with case.open(tmp_path / "i") as reader:
        with case.open(tmp_path / "i", writable=True) as writer:
            writer.remove(ids=expected[1][:, 0])
            case.search(writer)
        assert file.exists()
        same(case.search(reader), expected)


def damages(content):
    yield b""
    for length in (1, 40, 200, len(content) // 2, len(content) - 1):
        yield content[:length]
    yield content + b"\0"
    for at in np.random.default_rng(3).integers(0, len(content), 40).tolist():
        yield content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


@pytest.mark.slow
def test_damaged_files_are_left_aside_and_told_by_verify(case, tmp_path):
    expected = kept(case, tmp_path / "i")
    (file,) = case.files(tmp_path / "i")
    content = file.read_bytes()
    for damaged in damages(content):
        file.write_bytes(damaged)
        with case.open(tmp_path / "i") as reader:
            same(case.search(reader), expected)
            with pytest.raises(errors.FileFormatError, match="lists"):
                reader.verify()
    with case.open(tmp_path / "i", writable=True) as writer:
        case.search(writer)
    assert file.read_bytes() == content
    with case.open(tmp_path / "i") as reader:
        reader.verify()


def forged(file, change):
    """Change the arrays or the meta of a file, with right checksums."""
    meta, arrays = files.load(file, KIND, version=VERSION)
    change(meta, arrays)
    files.save(file, KIND, meta, arrays, version=VERSION, quick=True)


def setting(name, at, value):
    def change(meta, arrays):
        arrays[name][at] = value

    return change


def dropping(name):
    def change(meta, arrays):
        del arrays[name]

    return change


def shorter(name, by):
    def change(meta, arrays):
        arrays[name] = arrays[name][:-by]

    return change


def of_dtype(name, dtype):
    def change(meta, arrays):
        arrays[name] = arrays[name].astype(dtype)

    return change


FORGERIES = {
    "row beyond the end": setting("rows", 3, ROWS),
    "row before the beginning": setting("rows", 3, -1),
    "list that ends before it begins": setting("starts", 1, ROWS + 50),
    "lists that end too late": setting("starts", -1, ROWS + 8),
    "rows behind the end": setting("rows", -1, 0),
    "no rows": dropping("rows"),
    "fewer rows": shorter("rows", 30),
    "fewer lists": shorter("starts", 1),
    "small numbers": of_dtype("rows", np.int32),
    "other edition": lambda meta, arrays: meta.update(edition=meta["edition"] ^ 1),
    "other model": lambda meta, arrays: meta.update(model="x"),
    "other codes": lambda meta, arrays: meta.update(codes="00"),
    "later": lambda meta, arrays: meta.update(stop=ROWS + 1),
    "no end": lambda meta, arrays: meta.pop("stop"),
}


@pytest.mark.parametrize("name", ["lists numba", "bits numpy"])
@pytest.mark.parametrize("forgery", list(FORGERIES))
def test_impossible_contents_with_right_checksums_are_left_aside(name, tmp_path, grouped, forgery):
    case = CASES[name]
    expected = kept(case, tmp_path / "i")
    (file,) = case.files(tmp_path / "i")
    forged(file, FORGERIES[forgery])
    grouped.clear()
    with case.open(tmp_path / "i") as reader:
        same(case.search(reader), expected)
    assert grouped == [ROWS]


@pytest.mark.parametrize("name", ["block", "begins", "starts", "scale", "offset"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_of_kernels_that_do_not_belong_together_are_left_aside(tmp_path, grouped, name, backend):
    case = CASES[f"lists {backend}"]
    expected = kept(case, tmp_path / "i")
    (file,) = case.files(tmp_path / "i")
    name = {"block": "signs", "begins": "starts"}.get(name, name) if backend == "numpy" else name
    for change in (shorter(f"held.{name}", 1), of_dtype(f"held.{name}", np.int32), dropping(f"held.{name}")):
        content = file.read_bytes()
        forged(file, change)
        grouped.clear()
        with case.open(tmp_path / "i") as reader:
            same(case.search(reader), expected)
        assert grouped == [ROWS]
        file.write_bytes(content)


def test_each_backend_keeps_its_own_layout(tmp_path, grouped):
    with CASES["lists numba"].create(tmp_path / "i") as index:
        expected = CASES["lists numba"].search(index)
    for backend in BACKENDS:
        case = CASES[f"lists {backend}"]
        with case.open(tmp_path / "i", writable=True) as index:
            same(case.search(index), expected)
    assert len(case.files(tmp_path / "i")) == 2
    grouped.clear()
    for backend in BACKENDS:
        case = CASES[f"lists {backend}"]
        with case.open(tmp_path / "i") as index:
            same(case.search(index), expected)
    assert grouped == []
    for file in case.files(tmp_path / "i"):
        content = file.read_bytes()
        file.write_bytes(content[:-1])
        for backend in BACKENDS:
            with CASES[f"lists {backend}"].open(tmp_path / "i") as index, pytest.raises(errors.FileFormatError):
                index.verify()
        file.write_bytes(content)


def test_commands_that_change_an_index_keep_its_lists(tmp_path, capsys, grouped):
    case = CASES["lists numba"]
    kept(case, tmp_path / "i")
    assert main(["embed", "remove", str(tmp_path / "i"), "3", "5"]) == 0
    assert main(["embed", "compact", str(tmp_path / "i")]) == 0
    assert main(["embed", "verify", str(tmp_path / "i")]) == 0
    assert capsys.readouterr().out.endswith("OK: all checksums match (598 vectors)\n")
    (file,) = case.files(tmp_path / "i")
    grouped.clear()
    with case.open(tmp_path / "i") as index:
        found = case.search(index)
    assert grouped == []
    file.unlink()
    with case.open(tmp_path / "i") as index:
        same(case.search(index), found)


def test_another_model_in_the_folder_does_not_get_the_lists(tmp_path, grouped):
    case = CASES["lists numba"]
    kept(case, tmp_path / "i")
    other = model(7, "numba", seed=5)
    other.save(tmp_path / "i" / "model")
    (file,) = case.files(tmp_path / "i")
    grouped.clear()
    with case.open(tmp_path / "i") as reader:
        found = case.search(reader)
    assert grouped == [ROWS]
    file.unlink()
    with case.open(tmp_path / "i") as reader:
        same(case.search(reader), found)


def test_a_file_that_cannot_be_written_leaves_the_old_one(case, tmp_path, monkeypatch):
    expected = kept(case, tmp_path / "i")
    (file,) = case.files(tmp_path / "i")
    before = file.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    with case.open(tmp_path / "i", writable=True) as writer:
        case.add(writer, 5, ROWS)
        case.search(writer)
        monkeypatch.setattr(files.os, "replace", full)
        list_files.keep_lists(case.engine(writer), case.engine(writer).searcher.file)
        monkeypatch.undo()
        monkeypatch.setattr(list_files, "LEAST_ROWS", 1 << 30)
    assert file.read_bytes() == before
    assert sorted(os.listdir(file.parent)) == sorted(name for name in os.listdir(file.parent) if "tmp" not in name)
    with case.open(tmp_path / "i") as reader:
        assert case.search(reader)[1].shape == expected[1].shape


def test_small_indexes_keep_no_file(case, tmp_path, monkeypatch):
    monkeypatch.setattr(list_files, "LEAST_ROWS", ROWS + 1)
    with case.create(tmp_path / "i") as index:
        case.search(index)
    assert case.files(tmp_path / "i") == []


@pytest.mark.slow
def test_readers_of_mapped_lists_while_a_writer_adds_and_compacts(case, tmp_path):
    kept(case, tmp_path / "i")
    stop, wrong = threading.Event(), []
    with case.open(tmp_path / "i") as steady:
        expected = case.search(steady)

        def read():
            with case.open(tmp_path / "i") as own:
                while not stop.is_set():
                    same(case.search(steady), expected)
                    own.refresh()
                    _, ids = case.search(own)
                    number = len(own)
                    assert ids.shape == (20, 9)
                    assert number >= ROWS - 8

        def guarded():
            try:
                read()
            except BaseException as error:
                wrong.append(error)

        readers = [threading.Thread(target=guarded) for _ in range(2)]
        for reader in readers:
            reader.start()
        for turn in range(8):
            with case.open(tmp_path / "i", writable=True) as writer:
                case.add(writer, 10 + turn, 40)
                case.search(writer)
                writer.remove(ids=[turn])
                if turn % 3 == 2:
                    writer.compact()
        stop.set()
        for reader in readers:
            reader.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_searches_mapped_lists(tmp_path):
    for name in ("lists numpy", "bits numpy"):
        case = CASES[name]
        expected = kept(case, tmp_path / name)
        with case.open(tmp_path / name) as reader:
            case.search(reader)
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    same(case.search(reader), expected)
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitpid(child, 0)[1] == 0
            same(case.search(reader), expected)
