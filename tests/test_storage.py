"""Files by path or URL: whole or not there, told when they change."""

import os
import sys

import pytest

from hdc.apps import storage
from hdc.apps.storage import Folder
from hdc.errors import BackendUnavailableError, ParameterError

fsspec = pytest.importorskip("fsspec", reason="needs fsspec")


@pytest.fixture(params=["path", "file", "memory"])
def place(request, tmp_path):
    """Return a place for a folder, by path or URL."""
    if request.param == "memory":
        yield "memory://storage/parts"
        Folder("memory://storage").remove()
    else:
        yield f"file://{tmp_path}/parts" if request.param == "file" else str(tmp_path / "parts")


def names(place):
    """Return the names of the files in a folder."""
    if not storage.is_url(place):
        return sorted(os.listdir(place))
    return [url.rpartition("/")[2] for url in storage.inside(place)]


def test_files_are_written_read_replaced_and_taken(place):
    folder = Folder(place).inner("own")
    folder.create()
    folder.create()
    folder.write("a", b"one")
    folder.write("a", b"two")
    folder.write("b", b"")
    assert names(folder.place) == ["a", "b"]
    assert (folder.read("a"), folder.take("a"), folder.take("b")) == (b"two", b"two", b"")
    with pytest.raises(FileNotFoundError):
        folder.read("a")
    folder.write("c", b"three")
    folder.remove()
    folder.remove()
    with pytest.raises(FileNotFoundError):
        folder.read("c")


def test_a_file_is_there_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    folder = Folder(f"file://{tmp_path}")
    folder.write("a", b"one")
    system = fsspec.filesystem("file")

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(type(system), "mv", fail)
    with pytest.raises(OSError, match="no space"):
        folder.write("a", b"two")
    assert folder.read("a") == b"one"


def test_state_changes_with_contents(place):
    folder = Folder(place)
    folder.create()
    path = f"{folder.place}/a"
    folder.write("a", b"one")
    before = storage.state(path)
    assert storage.state(path) == before
    folder.write("a", b"two")
    after = storage.state(path)
    assert (before[0], after[0]) == (3, 3)
    assert before[1] != after[1]
    with storage.open_file(path) as file:
        file.seek(1)
        assert (file.read(1), file.readline(), file.tell()) == (b"w", b"o", 3)


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("s3://bucket/a", True),
        ("memory://a", True),
        ("a.json", False),
        ("C:\\a", False),
        ("/a://b", False),
        ("-", False),
    ],
)
def test_what_is_a_url(path, is_one):
    assert storage.is_url(path) is is_one


def test_missing_packages_are_named(monkeypatch):
    with pytest.raises(ParameterError, match="nosuch://a cannot be opened: Protocol not known"):
        storage.open_file("nosuch://a")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(BackendUnavailableError, match=r"hdc-toolkit\[dask\]"):
        storage.state("memory://a")
