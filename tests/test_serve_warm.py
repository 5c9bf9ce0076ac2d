"""What ``hdc serve`` prepares at its start, so that no request waits for it."""

import threading

import pytest

from hdc.apps.json import JSONIndex
from hdc.errors import FileFormatError
from hdc.search.postings.searcher import PostingRows
from tests.serving import serving, wait
from tests.test_serve import DOCUMENTS, fitted

from hdc.apps.serve import Served  # isort: skip  # behind the skip where there are no libraries
from hdc.apps.serve import indexes as serve_indexes  # isort: skip
from hdc.apps.serve.kinds.documents import Documents  # isort: skip


@pytest.fixture
def logged(monkeypatch):
    """Lines that would be logged."""
    lines = []
    monkeypatch.setattr(serve_indexes.LOG, "error", lambda text, *parts, **_: lines.append(text % parts))
    return lines


def test_an_index_is_warm_before_it_is_searched():
    with serving({"people": fitted().add(DOCUMENTS)}) as client:
        assert client.get("/health")["indexes"] == {"people": "ok"}
        segments = client.served["people"].index._posting_rows().segments
        assert all("points" in vars(segment.words) for segment in segments)  # what misspelled words are compared with


def test_what_takes_long_to_warm_goes_on_in_the_background(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(serve_indexes, "WARM_SECONDS", 0.01)
    monkeypatch.setattr(Documents, "warm", lambda self: released.wait(60))
    with serving({"people": fitted().add(DOCUMENTS)}, warm=False) as client:
        try:
            assert client.get("/health") | {"version": ""} == {
                "status": "ok",
                "version": "",
                "indexes": {"people": "warming"},
            }
            assert client.post("/api/people/search", {"query": {"color": "red"}})["hits"]
        finally:
            released.set()
        wait(lambda: client.get("/health")["indexes"] == {"people": "ok"})


def test_an_index_whose_first_search_fails_is_failing_until_a_change_mends_it(monkeypatch, tmp_path, logged):
    failures = [FileFormatError("these rows are damaged"), KeyError("a secret")]
    released = threading.Event()

    def warm(self):
        assert released.wait(60)
        if failures:
            raise failures[0]

    monkeypatch.setattr(serve_indexes, "WARM_SECONDS", 0.01)
    monkeypatch.setattr(Documents, "warm", warm)
    with fitted().add(DOCUMENTS[:4]) as documents:
        documents.save(tmp_path / "people")
    with (
        JSONIndex.open(tmp_path / "people", writable=True, backend="numpy") as writer,
        serving({"people": JSONIndex.open(tmp_path / "people")}, warm=False, refresh_seconds=0.02) as client,
    ):
        released.set()
        wait(lambda: client.get("/health")["status"] == "degraded")
        assert client.get("/health")["indexes"] == {"people": "failing"}
        assert client.get("/api/people")["failure"] == "FileFormatError: these rows are damaged"
        assert 'hdc_index_failing{index="people"} 1.0' in client.ask("GET", "/metrics")[2].decode()
        assert client.post("/api/people/search", {"query": {"color": "red"}})["hits"]

        del failures[0]
        writer.add(DOCUMENTS[4:5])
        told = "InternalError: the server failed; its log says where"
        wait(lambda: client.get("/api/people")["failure"] == told)
        assert "people fails: KeyError: 'a secret'" in logged

        del failures[0]
        writer.add(DOCUMENTS[5:6])
        wait(lambda: client.get("/health")["status"] == "ok")
        assert client.get("/health")["indexes"] == {"people": "ok"}
        assert "failure" not in client.get("/api/people")
        assert client.get("/api/people")["rows"] == 6


def test_a_refresh_that_fails_is_logged_once(monkeypatch, logged):
    opened = serve_indexes.Opened("people", fitted().add(DOCUMENTS[:4]))
    monkeypatch.setattr(opened.index, "refresh", lambda: {}["missing"])
    assert not opened.refresh()
    assert not opened.refresh()
    assert opened.state == "failing"
    assert logged == ["people fails: KeyError: 'missing'"]
    opened.index.close()


def test_fields_are_counted_before_they_are_asked_for():
    with serving({"people": fitted().add(DOCUMENTS)}) as client:
        counting = client.served["people"].index._search().counting
        wait(lambda: set(counting.paths) <= counting._remembered.keys())
        fields = client.get("/api/people/fields")["fields"]
        assert [field["path"] for field in fields] == counting.paths


def test_counting_ends_with_the_server_and_its_failures_are_logged(monkeypatch, logged):
    begun, counted = threading.Event(), []

    def endless(self):
        while True:
            counted.append(None)
            begun.set()
            yield

    monkeypatch.setattr(Documents, "counted", endless)
    monkeypatch.setattr(serve_indexes, "WARM_SECONDS", 0.01)
    with serving({"people": fitted().add(DOCUMENTS)}):
        assert begun.wait(60)
    monkeypatch.setattr(Documents, "counted", lambda self: iter([{}["missing"]]))
    with serving({"people": fitted().add(DOCUMENTS)}) as client:
        wait(lambda: logged == ["the fields of people cannot be counted: KeyError: 'missing'"])
        assert client.get("/health")["status"] == "ok"


def test_an_index_that_cannot_be_prepared_is_an_error_at_the_start(monkeypatch):
    def damaged(self):
        raise FileFormatError("this is damaged")

    monkeypatch.setattr(Documents, "prepare", damaged)
    with Served({"people": fitted().add(DOCUMENTS)}) as served, pytest.raises(FileFormatError, match="damaged"):
        served.start()


def test_every_search_passes_the_kernels_arrays_of_the_same_types(monkeypatch):
    """Else the first search with a condition, or after a removal, waits for a kernel to be compiled again."""
    asked = []

    class Watched:
        def __init__(self, prepared):
            self._prepared = prepared

        def best(self, query, k, allowed):
            asked.append((allowed.dtype, allowed.flags.writeable, allowed.flags.c_contiguous))
            return self._prepared.best(query, k, allowed)

    made = PostingRows._prepared.func
    monkeypatch.setattr(PostingRows, "_prepared", property(lambda self: Watched(made(self))))
    with fitted().add(DOCUMENTS) as index:
        index.search({"color": "red"})
        index.search({"color": "red"}, where="age >= 30")
        index.remove([3])
        index.search({"color": "red"})
        index.search({"color": "red"}, where="age >= 30")
    assert len(asked) == 4
    assert len(set(asked)) == 1
