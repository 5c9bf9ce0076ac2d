"""``hdc serve`` and those who ask too much, too slowly, what is not theirs, or what is no request."""

import contextlib
import json
import logging
import select
import socket
import threading
import time

import pytest

from hdc.apps.json import JSONEncoder, JSONIndex
from tests.serving import serving, wait

from hdc.apps.serve import Limits, Served, Tokens  # isort: skip  # behind the skip where there are no libraries
from hdc.apps.serve.guard import Access  # isort: skip
from hdc.errors import ParameterError

DOCUMENTS = [{"color": color, "n": n} for n, color in enumerate(["red", "green", "blue"] * 4)]
LIMITS = Limits(
    body_bytes=2000, depth=20, k=5, batch=3, seconds=2, threads=2, waiting=2, read_seconds=1, write_seconds=1
)
SEARCH = "/api/colors/search"
RED = {"query": {"color": "red"}, "k": 2}


def colors():
    return JSONIndex(JSONEncoder(128, seed=1, backend="numpy").fit(DOCUMENTS)).add(DOCUMENTS)


@pytest.fixture(scope="module")
def client():
    with serving({"colors": colors()}, LIMITS) as asked:
        yield asked


class Slow(JSONIndex):
    """An index whose searches take until they may end."""

    def __init__(self):
        super().__init__(JSONEncoder(128, seed=1, backend="numpy"))
        self.add(DOCUMENTS)
        self.free, self.begun = threading.Event(), 0

    def search_many(self, queries, *arguments, **named):
        if threading.current_thread().name != "serve-warm":
            self.begun += 1
            self.free.wait(60)
        return super().search_many(queries, *arguments, **named)


def raw(client, *parts, pause=0.0, seconds=30):
    """Send bytes, part by part; return what comes until the server closes, and after how many seconds that was."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", client.port), timeout=seconds) as connection:
        got = b""
        try:
            for part in parts:
                if select.select([connection], [], [], pause)[0]:
                    break  # an answer, or the end: who sends on would not see it
                connection.sendall(part)
            while part := connection.recv(1 << 16):
                got += part
        except (ConnectionError, BrokenPipeError):
            pass
    return got, time.monotonic() - began


def head(path=SEARCH, *lines, method="POST"):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def works(client):
    return len(client.post(SEARCH, RED)["hits"]) == 2


# ---------------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    ("body", "status", "kind", "said"),
    [
        (b"", 400, "DocumentError", "the body is empty"),
        (b"{", 400, "DocumentError", "body:1"),
        (b'{"query": 1, "query": 2}', 400, "DocumentError", "twice"),
        (b'{"query": NaN}', 400, "DocumentError", "NaN"),
        (b'{"query": "\xff"}', 400, "DocumentError", "UTF-8"),
        (b"[]", 422, "ValidationError", "body"),
        (b"{}", 422, "ValidationError", "not nothing"),
        ({"query": {"color": "red"}, "words": "red"}, 422, "ValidationError", "not query and words"),
        ({"vector": [1.0]}, 422, "ValidationError", "not vector"),
        ({"query": {}, "k": 1}, 400, "ParameterError", "empty"),
        ({"query": {"color": "red"}, "k": 6}, 422, "ValidationError", "k must be at most 5 on this server"),
        ({"query": {"color": "red"}, "k": 0}, 422, "ValidationError", "greater than or equal to 1"),
        ({"query": {"color": "red"}, "k": "2"}, 422, "ValidationError", "k: "),
        ({"query": {"color": "red"}, "K": 2}, 422, "ValidationError", "K: there is no"),
        ({"query": {"color": "red"}, "where": "n >"}, 400, "ParameterError", "needs a value"),
        ({"query": {"color": "red"}, "where": {"path": "n", "op": "="}}, 400, "ParameterError", "needs a value"),
        ({"query": {"color": "red"}, "where": {"path": "n", "op": "in"}}, 422, "ValidationError", "op"),
        ({"query": {"color": "red"}, "where": "color ~ (a+)+\\1"}, 400, "ParameterError", "RE2"),
        ({"query": {"color": "red"}, "among": [99]}, 400, "ParameterError", "no document 99"),
        ({"query": {"color": "red"}, "options": {"probes": 2}}, 422, "ValidationError", "options is not for"),
        ({"query": {"color": "red"}, "timeout_ms": -1}, 422, "ValidationError", "timeout_ms"),
        ({"query": "x" * 2000}, 413, "BodyTooLarge", "2,000 bytes"),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_the_reason(client, body, status, kind, said):
    found, message = client.error(SEARCH, body, status)
    assert found == kind
    assert said in message
    assert len(message) < 1000


def test_nesting_is_bounded(client):
    deep = {"query": json.loads("[" * 30 + "1" + "]" * 30)}
    assert client.error(SEARCH, deep, 422) == ("ValidationError", "the body is nested deeper than 20 levels")
    assert client.ask("POST", SEARCH, b'{"query": ' + b"[" * 900 + b"]" * 900 + b"}")[0] in (400, 422)
    assert works(client)


def test_batches_and_pages_are_bounded(client):
    found = client.error("/api/colors/batch", {"queries": [{"color": "red"}] * 4}, 413)
    assert found == ("BatchTooLarge", "one request takes 3 queries or rows at most, not 4; send more requests")
    assert "limit must be at most 5" in client.error("/api/colors/filter", {"limit": 6}, 422)[1]
    assert "k must be at most 5" in client.error("/api/colors/like", {"id": 1, "k": 6}, 422)[1]
    assert "k must be at most 5" in client.error("/api/colors/decode", {"id": 1, "k": 6, "path": "n"}, 422)[1]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/nothing/search", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/api/colors/documents/99", 404),
        ("GET", "/api/colors/documents/x", 404),
        ("GET", "/api/colors/documents/" + "9" * 30, 404),
        ("GET", "/api/colors/documents/9223372036854775808", 404),
        ("GET", "/api/colors/documents/a?by=key", 404),
        ("GET", "/nothing", 404),
        ("PATCH", SEARCH, 405),
        ("GET", "/api/colors/documents/1?by=name", 422),
    ],
)
def test_what_is_not_there_is_said(client, method, path, status):
    found, _, content = client.ask(method, path, {"query": 1} if method == "POST" else None)
    assert found == status
    assert set(json.loads(content)["error"]) == {"type", "message"}


def test_a_row_is_named_once(client):
    assert "one of id and key" in client.error("/api/colors/like", {}, 422)[1]
    assert "one of id and key" in client.error("/api/colors/like", {"id": 1, "key": "a"}, 422)[1]
    assert client.error("/api/colors/like", {"id": 99}, 404)[0] == "NotFoundError"
    assert client.error("/api/colors/like", {"id": -1}, 404)[0] == "NotFoundError"
    assert client.error("/api/colors/like", {"id": 2**70}, 404)[0] == "NotFoundError"
    assert client.error("/api/colors/like", {"key": "x"}, 404)[0] == "NotFoundError"


def test_a_failure_tells_nothing_of_the_program(caplog):
    class Broken(JSONIndex):
        def search_many(self, queries, *arguments, **named):
            if threading.current_thread().name != "serve-warm":
                raise ZeroDivisionError("a secret of the program")
            return super().search_many(queries, *arguments, **named)

    index = Broken(JSONEncoder(128, backend="numpy"))
    with caplog.at_level(logging.ERROR, "hdc.serve"), serving({"colors": index}, LIMITS) as client:
        assert client.error(SEARCH, RED, 500) == ("InternalError", "the server failed; its log says where")
        assert client.get("/health")["status"] == "ok"
    assert "a secret of the program" in caplog.text


# ---------------------------------------------------------------------- time and threads


def test_what_takes_too_long_is_answered_and_keeps_its_thread():
    index = Slow()
    with serving({"colors": index}, LIMITS) as client:
        began = time.monotonic()
        kind, message = client.error(SEARCH, {**RED, "timeout_ms": 200}, 504)
        assert (kind, time.monotonic() - began < 2) == ("TimeoutError", True)
        assert message.startswith("this took longer than 0.2 s; it had begun")
        assert client.served.running.taken == 1
        index.free.set()
        wait(lambda: client.served.running.taken == 0)
        assert works(client)


def test_more_than_run_and_wait_are_refused_and_nothing_piles_up():
    index, statuses, after = Slow(), [], []
    with serving({"colors": index}, LIMITS) as client:

        def ask():
            status, headers, _ = client.ask("POST", SEARCH, RED)
            statuses.append(status)
            after.append(headers.get("retry-after"))

        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [429] * 8 + [504] * 4
        assert after.count("1") == 8
        assert index.begun == 2, "what waited until its time was over never began"
        wait(lambda: client.served.running.taken == 2)
        assert client.get("/health")["status"] == "ok"
        index.free.set()
        wait(lambda: client.served.running.taken == 0)
        assert works(client)


# ---------------------------------------------------------------------- connections


def test_headers_that_trickle_are_cut_off(client):
    start = head(SEARCH, "Content-Length: 10")[:-2]
    got, seconds = raw(client, start, *(f"X-{i}: y\r\n".encode() for i in range(30)), pause=0.2)
    assert got.startswith(b"HTTP/1.1 408 ")
    assert b"did not come within 1 s" in got
    assert seconds < 8
    got, seconds = raw(client, b"GET /hea")
    assert got.startswith(b"HTTP/1.1 408 ")
    got, seconds = raw(client, b"")
    assert seconds < 5
    assert works(client)


def test_a_second_request_that_trickles_is_cut_off_too(client):
    got, seconds = raw(client, head("/health", method="GET") + b"GET /health HT")
    assert got.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 200" in got
    assert b"HTTP/1.1 408" in got
    assert seconds < 8


def test_a_body_that_trickles_is_cut_off(client):
    got, seconds = raw(client, head(SEARCH, "Content-Length: 900"), *[b"{"] * 20, pause=0.2)
    assert got.startswith(b"HTTP/1.1 408 ")
    assert b"the body arrived too slowly" in got
    assert seconds < 8
    got, seconds = raw(client, head("/health", "Content-Length: 900", method="GET"), *[b"{"] * 40, pause=0.2)
    assert got.startswith(b"HTTP/1.1 200 ")
    assert seconds < 10, "who is not asked for a body may not send one for ever"
    assert works(client)


def test_many_who_trickle_hold_up_nobody(client):
    slow = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(100)]
    try:
        for connection in slow:
            connection.sendall(b"POST " + SEARCH.encode())
        assert works(client)
    finally:
        for connection in slow:
            connection.close()


def test_who_does_not_read_is_cut_off():
    documents = [{"n": n, "long": "x" * 200_000} for n in range(30)]
    index = JSONIndex(JSONEncoder(128, backend="numpy", strings={"exact": 1.0})).add(documents)
    with serving({"colors": index}, Limits(write_seconds=1, read_seconds=1)) as client:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", client.port))
            body = json.dumps({"limit": 30}).encode()
            connection.sendall(head("/api/colors/filter", f"Content-Length: {len(body)}") + body)
            time.sleep(6)
            connection.settimeout(20)
            got = 0
            with contextlib.suppress(ConnectionError):
                while part := connection.recv(1 << 16):
                    got += len(part)
            assert got < 6_000_000
        assert client.get("/health")["status"] == "ok"


def test_headers_are_bounded(client):
    long = f"X-Long: {'y' * 40_000}"
    for sent in (head(SEARCH, long), head("/" + "p" * 40_000, method="GET"), head("/health", long, method="GET")):
        got, _ = raw(client, sent)
        assert got.startswith(b"HTTP/1.1 431 "), got[:100]
    got, _ = raw(client, b"GET /health HTTP/1.1\r\nX: " + b"y" * 200_000)
    assert got.startswith(b"HTTP/1.1 431 ") or got == b""  # the rest of what was sent may reset the connection
    assert works(client)


def test_a_body_without_end_is_refused(client):
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    got, seconds = raw(client, head(SEARCH, "Transfer-Encoding: chunked"), *[chunk * 64] * 600)
    assert got.startswith(b"HTTP/1.1 413 ") or got == b""
    assert seconds < 20
    got, _ = raw(client, head(SEARCH, "Content-Length: 99999999999", "Expect: 100-continue"))
    assert got.startswith(b"HTTP/1.1 413 "), "before anything is sent"
    got, _ = raw(client, head(SEARCH, "Content-Length: 3000", "Connection: close"), b"{" * 3000)
    assert got.startswith(b"HTTP/1.1 413 ")
    assert works(client)


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(client, sent):
    got, _ = raw(client, sent, b"", pause=0.1)
    assert b"Traceback" not in got
    assert got[:10] in (b"HTTP/1.1 4", b"")
    assert works(client)


def test_connections_are_bounded():
    with serving({"colors": colors()}, Limits(connections=5, read_seconds=1)) as client:
        held = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(8)]
        try:
            time.sleep(0.1)
            assert client.ask("GET", "/health")[0] == 503
        finally:
            for connection in held:
                connection.close()
        wait(lambda: client.ask("GET", "/health")[0] == 200)


# ---------------------------------------------------------------------- who may ask


def test_a_page_of_another_site_may_not_ask(client):
    for name in ("evil.example", "evil.example:80", "localhost.evil.example", "", "127.0.0.1.nip.io"):
        assert client.ask("GET", "/api/indexes", Host=name)[0] == 400, name
    for name in ("localhost", f"localhost:{client.port}", "127.0.0.1", f"[::1]:{client.port}", "LOCALHOST"):
        assert client.ask("GET", "/api/indexes", Host=name)[0] == 200, name
    assert client.error(SEARCH, RED, 403, Origin="http://evil.example")[0] == "OriginError"
    assert client.error(SEARCH, RED, 403, Origin="null")[0] == "OriginError"
    assert client.error(SEARCH, RED, 403, Origin="http://[")[0] == "OriginError"
    assert client.post(SEARCH, RED, Origin=f"http://127.0.0.1:{client.port}")["hits"]
    got, _ = raw(client, b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400 ")
    assert "access-control-allow-origin" not in client.ask("POST", SEARCH, RED)[1]


def test_sites_that_are_allowed_may_ask():
    with serving({"colors": colors()}, access=Access(origins=("https://app.example",))) as client:
        status, headers, _ = client.ask("POST", SEARCH, RED, Origin="https://app.example")
        assert (status, headers["access-control-allow-origin"]) == (200, "https://app.example")
        status, headers, _ = client.ask(
            "OPTIONS",
            SEARCH,
            Origin="https://app.example",
            Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="authorization",
        )
        assert (status, headers["access-control-allow-origin"]) == (200, "https://app.example")
        assert client.ask("POST", SEARCH, RED, Origin="https://other.example")[0] == 403


def test_tokens():
    whole, reading = "a-token-for-everything", "a-token-for-reading"
    access = Access(Tokens(whole, reading, open=False), hosts=None)
    with serving({"colors": colors()}, access=access) as client:
        assert client.ask("GET", "/health")[0] == 200
        assert client.ask("GET", "/")[0] == 200
        for path in ("/api/indexes", "/metrics", "/openapi.json", "/api/colors"):
            status, headers, content = client.ask("GET", path)
            assert (status, headers["www-authenticate"]) == (401, "Bearer")
            assert b"TokenError" in content
            for wrong in ("Bearer x", "Bearer", f"Basic {whole}", whole, f"Bearer {whole}x", "Bearer \xe9"):
                assert client.ask("GET", path, Authorization=wrong)[0] == 401, wrong
            for token in (whole, reading):
                assert client.ask("GET", path, Authorization=f"Bearer {token}")[0] == 200
        assert client.ask("POST", SEARCH, RED)[0] == 401
        assert client.post(SEARCH, RED, authorization=f"bearer {reading}")["hits"]


def test_tokens_are_long_enough_and_there_where_they_must_be():
    for wrong in ("short", "with a blank é in it....", "x" * 15, "line\nbreak" * 4):
        with pytest.raises(ParameterError, match="a token has at least 16"):
            Tokens(wrong)
    with pytest.raises(ParameterError, match="needs a token: set HDC_TOKEN"):
        Tokens(open=False)


def test_a_request_is_one_line_of_the_log(caplog):
    with caplog.at_level(logging.INFO, "hdc.serve.access"), serving({"colors": colors()}, log=True) as client:
        client.post(SEARCH, RED)
        client.ask("GET", "/%0d%0aforged%20line%1b[31m")
    lines = [record.getMessage() for record in caplog.records if record.name == "hdc.serve.access"]
    assert len(lines) == 2
    assert lines[0].startswith(f"127.0.0.1 POST {SEARCH} 200 ")
    assert "\n" not in lines[1]
    assert "\x1b" not in lines[1]
    assert "forged line" in lines[1]


@pytest.mark.parametrize("given", [{"k": 0}, {"depth": 257}, {"seconds": 0}, {"seconds": "1"}, {"threads": True}])
def test_limits_are_checked(given):
    with pytest.raises(ParameterError, match=next(iter(given))):
        Limits(**given)


@pytest.mark.parametrize("name", ["", "a/b", "indexes", "capacity", ".hidden", "a?b", "a\nb", "a%2f"])
def test_names_of_indexes_are_names_in_addresses(name):
    with pytest.raises(ParameterError, match="cannot be called"):
        Served({name: colors()})
