"""``hdc serve`` as a process: what it prints, refuses, and how it ends."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from hdc import words
from hdc.apps.cli import main
from hdc.apps.json import JSONEncoder, JSONIndex, split
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, SignBinarizer

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httptools", reason="needs the extra serve")

from hdc.apps.serve import command, connections  # isort: skip  # behind the skip where there are no libraries
from hdc.apps.serve.opening import encoders, opened_indexes  # isort: skip
from hdc.errors import FileFormatError, ParameterError

VECTORS = np.random.default_rng(0).standard_normal((30, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with an index of each kind."""
    place = tmp_path_factory.mktemp("indexes")
    documents = [{"n": n, "color": ["red", "blue"][n % 2]} for n in range(20)]
    JSONIndex(JSONEncoder(64, seed=1, backend="numpy").fit(documents)).add(documents).save(place / "docs.hdc")
    split(place / "docs.hdc", 2, place / "shards")
    model = SignBinarizer(64, backend="numpy").fit(VECTORS)
    with EmbeddingIndex.create(place / "vectors", model) as index:
        index.add(VECTORS)
    with BinaryIndex(16, path=place / "codes", backend="numpy") as codes:
        codes.add(words.pack(VECTORS > 0))
    return place


def started(*given, **environment):
    """Start ``hdc serve``; return the process and the port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hdc.apps.start", "serve", "--port", "0", *map(str, given)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    line = process.stdout.readline()
    assert line.startswith("serving "), process.stderr.read()
    return process, line, int(line.split(" at http://127.0.0.1:")[1].split("/")[0])


def asked(port, path, body=None, **headers):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET" if body is None else "POST", path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_answers_and_ends_at_a_signal(folder, number):
    process, line, port = started(folder / "docs.hdc", f"more={folder / 'codes'}")
    try:
        assert line.startswith("serving docs, more at ")
        assert [info["name"] for info in asked(port, "/api/indexes")[1]] == ["docs", "more"]
        status, found = asked(port, "/api/docs/search", {"query": {"color": "red"}, "k": 1})
        assert (status, len(found["hits"])) == (200, 1)
    finally:
        process.send_signal(number)
    out, log = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert [row.split()[2:6] for row in log.splitlines()] == [
        ["127.0.0.1", "GET", "/api/indexes", "200"],
        ["127.0.0.1", "POST", "/api/docs/search", "200"],
    ]


def test_a_writer_closes_its_indexes_when_it_ends(folder, tmp_path):
    with JSONIndex.open(folder / "docs.hdc") as index:
        index.save(tmp_path / "docs")
    token = "a-token-of-the-environment"
    process, _, port = started(tmp_path / "docs", "--writable", "--no-access-log", HDC_TOKEN=token)
    try:
        body = {"documents": [{"n": 100}]}
        assert asked(port, "/api/docs/documents", body)[0] == 401
        assert asked(port, "/api/docs/documents", body, Authorization=f"Bearer {token}")[0] == 201
        with pytest.raises(BlockingIOError):
            JSONIndex.open(tmp_path / "docs", writable=True)
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60) == ("", "")
    with JSONIndex.open(tmp_path / "docs", writable=True) as index:
        assert index.document(20) == {"n": 100}


def test_the_demo_needs_no_files():
    process, line, port = started("demo")
    try:
        assert line.startswith("serving operations, earthquakes at ")
        query = {"operation": "delete message", "input": [{"name": "QueueUrl"}]}
        hits = asked(port, "/api/operations/search", {"query": query, "k": 1})[1]["hits"]
        assert hits[0]["document"]["operation"].startswith("DeleteMessage")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--host", "0.0.0.0", "docs.hdc"], "needs a token: set HDC_TOKEN"),
        (["--writable", "docs.hdc"], "--writable needs a token"),
        (["docs.hdc", "docs=codes"], "two indexes are called 'docs'"),
        (["nothing"], "nothing does not exist; name the folder of an index"),
        (["short"], "short is a file; name the folder of an index"),
        (["indexes=docs.hdc"], "cannot be called 'indexes'"),
        (["docs.hdc", "--threads", "0"], "threads must be an integer of at least 1"),
        (["docs.hdc", "--port", "70000"], "--port must be an integer of at most 65535"),
        (["docs.hdc", "--host", "192.0.2.1", "--token-file", "token"], "cannot listen at 192.0.2.1"),
        (["docs.hdc", "--encoder", "docs=os:getcwd"], "an encoder of texts needs an index of embeddings"),
        (["docs.hdc", "--encoder", "x=os:getcwd"], "no index with that name"),
        (["docs.hdc", "--encoder", "docs=os:nothing"], "nothing"),
        (["docs.hdc", "--encoder", "os.getcwd"], "expected NAME=MODULE:FUNCTION"),
        (["docs.hdc", "--token-file", "short"], "a token has at least 16"),
        (["docs.hdc", "--token-file", "missing"], "missing"),
    ],
)
def test_what_cannot_be_served_is_an_error_of_one_line(folder, given, said, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("HDC_TOKEN", raising=False)
    (folder / "token").write_text("a-token-in-a-file-of-its-own\n")
    (folder / "short").write_text("short")
    assert main(["serve", "--port", "0", *given]) == 1
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.startswith("hdc serve: error: ")
    assert out.err.count("\n") == 1
    assert said in out.err


def test_a_port_that_is_taken_is_an_error(folder, capsys):
    with command.socket_at("127.0.0.1", 0) as taken:
        assert main(["serve", "--port", str(taken.getsockname()[1]), str(folder / "docs.hdc")]) == 1
    assert "cannot listen at 127.0.0.1" in capsys.readouterr().err


def test_the_page_is_opened_in_a_browser_when_the_server_answers(folder, monkeypatch):
    made, seen = [], []

    class Kept(connections.Server):
        def __init__(self, *given):
            super().__init__(*given)
            made.append(self)

    def browser(address):
        port = int(address.rsplit(":", 1)[1].strip("/"))
        seen.append((address, asked(port, "/health")[0]))  # waits for the answer, as a browser of the terminal does
        made[0].should_exit = True

    monkeypatch.setattr(connections, "Server", Kept)
    monkeypatch.setattr("webbrowser.open", browser)
    assert main(["serve", "--port", "0", "--open", "--no-access-log", str(folder / "docs.hdc")]) == 0
    ((address, status),) = seen
    assert address.startswith("http://127.0.0.1:")
    assert status == 200


def test_every_kind_of_index_is_opened_as_what_it_is(folder):
    found = opened_indexes([f"{folder}/{name}" for name in ("docs.hdc", "shards", "vectors", "codes")])
    try:
        kinds = {name: type(index).__name__ for name, index in found.items()}
        assert kinds == {
            "docs": "JSONIndex",
            "shards": "ShardedJSONIndex",
            "vectors": "EmbeddingIndex",
            "codes": "BinaryIndex",
        }
    finally:
        for index in found.values():
            index.close()
    (folder / "empty").mkdir()
    with pytest.raises(FileFormatError, match="not a store"):
        opened_indexes([str(folder / "empty")])


def test_encoders_are_functions_by_name():
    assert encoders(["a=json:dumps", "b=os:path.join"]) == {"a": json.dumps, "b": os.path.join}
    with pytest.raises(ParameterError, match="callable"):
        encoders(["a=os:sep"])


def test_without_its_libraries_the_command_names_the_extra(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in [name for name in sys.modules if name.startswith("hdc.apps.serve.connections")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["serve", str(folder / "docs.hdc")]) == 1
    assert "pip install 'hdc-toolkit[serve]'" in capsys.readouterr().err
