"""The block of docs/guides/serve.md for nginx, in an nginx before a server."""

import contextlib
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from hdc.apps.json import JSONEncoder, JSONIndex
from tests.serving import Client, serving, wait

from hdc.apps.serve import Limits, Tokens  # isort: skip  # behind the skip where there are no libraries
from hdc.apps.serve.guard import LOOPBACK, Access  # isort: skip

PAGE = (Path(__file__).parent.parent / "docs" / "guides" / "serve.md").read_text(encoding="utf-8")
(BLOCK,) = re.findall(r"```nginx\n(.*?)```", PAGE, re.S)

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

NAME = {"Host": "search.example"}
ALL, READ = "a-token-that-may-do-all", "a-token-to-read-with-only"


@contextlib.contextmanager
def nginx(folder, port):
    """Run nginx with the block of the page before a server; yields its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = free.getsockname()[1]
    assert "http://127.0.0.1:8765" in BLOCK
    block = BLOCK.replace("127.0.0.1:8765", f"127.0.0.1:{port}")
    paths = "\n".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;\nevents {{}}\n"
        f"http {{ access_log off;\n{paths}\nserver {{ listen 127.0.0.1:{own};\n{block}\n}} }}\n"
    )
    with subprocess.Popen([NGINX, "-c", config, "-e", folder / "log"], stderr=subprocess.PIPE, text=True) as process:

        def answers():
            assert process.poll() is None, process.stderr.read()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", own)).close()
                return True
            return False

        try:
            wait(answers)
            yield own
        finally:
            process.terminate()


@pytest.mark.skipif(NGINX is None, reason="needs nginx: apt-get install nginx")
def test_the_block_of_the_page_serves_behind_nginx(tmp_path):
    documents = [{"id": f"p{n}", "color": ["red", "blue"][n % 2]} for n in range(20)]
    index = JSONIndex(JSONEncoder(64, seed=1, backend="numpy").fit(documents), key="id").add(documents)
    access = Access(Tokens(all=ALL, read=READ, open=False), [*LOOPBACK, NAME["Host"]])
    limits = Limits(body_bytes=1000)
    with serving({"people": index}, limits, access) as behind, nginx(tmp_path, behind.port) as port:
        front, reading = Client(port, behind.served), {**NAME, "Authorization": f"Bearer {READ}"}
        status, headers, page = front.ask("GET", "/", **NAME)
        assert (status, b"<title>" in page) == (200, True)
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert front.get("/health", **NAME)["status"] == "ok"
        search = {"query": {"color": "red"}, "k": 3}
        found = front.post("/api/people/search", search, **reading)
        assert found["hits"] == behind.post("/api/people/search", search, Authorization=f"Bearer {READ}")["hits"]
        assert len(found["hits"]) == 3
        assert front.post("/api/people/search", search, **reading, Origin="http://search.example")["hits"]
        assert front.error("/api/people/search", search, 401, **NAME)[0] == "TokenError"
        assert (
            front.error("/api/people/search", search, 403, **reading, Origin="http://evil.example")[0] == "OriginError"
        )
        added = {"documents": [{"id": "new", "color": "green"}]}
        assert front.error("/api/people/documents", added, 403, **reading)[0] == "TokenError"
        assert front.post("/api/people/documents", added, 201, **NAME, Authorization=f"Bearer {ALL}")["rows"] == 21
        long = {"words": "a" * 2000}
        assert front.error("/api/people/search", long, 413, **reading)[0] == "BodyTooLarge"
        status, _, page = front.ask("POST", "/api/people/search", b"a" * ((1 << 20) + 1), **reading)
        assert (status, b"nginx" in page) == (413, True)
        assert front.json("GET", "/api/people", status=400, Host="evil.example")["error"]["type"] == "HostError"
