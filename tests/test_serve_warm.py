"""What ``hdc serve`` prepares at its start, so that no request waits for it."""

import threading

import pytest

from hdc.errors import FileFormatError
from tests.serving import serving, wait
from tests.test_serve import DOCUMENTS, fitted

from hdc.apps.serve import Served  # isort: skip  # behind the skip where there are no libraries
from hdc.apps.serve import indexes as serve_indexes  # isort: skip
from hdc.apps.serve.kinds.documents import Documents  # isort: skip


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


def test_an_index_that_cannot_be_prepared_is_an_error_at_the_start(monkeypatch):
    def damaged(self):
        raise FileFormatError("this is damaged")

    monkeypatch.setattr(Documents, "prepare", damaged)
    with Served({"people": fitted().add(DOCUMENTS)}) as served, pytest.raises(FileFormatError, match="damaged"):
        served.start()
