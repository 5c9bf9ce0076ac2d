"""A server on a free port of this machine, in a thread, and what asks it."""

import contextlib
import http.client
import json
import threading
import time

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httptools", reason="needs the extra serve")

from hdc.apps.serve import Limits, Served, create_app
from hdc.apps.serve.command import socket_at
from hdc.apps.serve.connections import Server


class Client:
    """Asks a server, each time with a new connection."""

    def __init__(self, port, served):
        self.port, self.served = port, served

    def ask(self, method, path, body=None, **headers):
        """Return status, headers and content of an answer; a body that is no bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, sent, named)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def json(self, method, path, body=None, status=200, **headers):
        """Return the value of an answer that must have a status."""
        found, _, content = self.ask(method, path, body, **headers)
        assert found == status, content
        return json.loads(content)

    def post(self, path, body, status=200, **headers):
        return self.json("POST", path, body, status, **headers)

    def get(self, path, status=200, **headers):
        return self.json("GET", path, None, status, **headers)

    def error(self, path, body, status, **headers):
        """Return type and message of an error."""
        found = self.post(path, body, status, **headers)
        assert found.keys() == {"error"}
        assert found["error"].keys() == {"type", "message"}
        assert "Traceback" not in found["error"]["message"]
        return found["error"]["type"], found["error"]["message"]


@contextlib.contextmanager
def serving(indexes, limits=None, access=None, *, log=False, warm=True, **options):
    """Serve indexes until the end of the block; yields a client, once they are warm if that is wanted."""
    with socket_at("127.0.0.1", 0) as listening, Served(indexes, limits or Limits(), **options) as served:
        server = Server(create_app(served, access, log=log), served.limits)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            wait(lambda: server.started or not thread.is_alive())
            wait(lambda: not warm or all(opened.state != "warming" for opened in served) or not thread.is_alive())
            yield Client(listening.getsockname()[1], served)
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()


def wait(condition, seconds=60):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)
