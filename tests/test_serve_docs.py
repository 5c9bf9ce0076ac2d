"""Each request that docs/guides/serve.md shows is sent, and is answered as shown; its limits are those there are."""

import re
import shlex
from pathlib import Path

import pytest

from tests.serving import serving

from hdc.apps.serve import Limits  # isort: skip  # behind the skip where there are no libraries
from hdc.apps.serve.opening import opened_indexes  # isort: skip

PAGE = (Path(__file__).parent.parent / "docs" / "guides" / "serve.md").read_text(encoding="utf-8")
BLOCKS = "".join(re.findall(r"```shell-session\n(.*?)```", PAGE, re.S))
SHOWN = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", BLOCKS, re.M)


@pytest.fixture(scope="module")
def client():
    with serving(opened_indexes(["demo"])) as asked:
        yield asked


@pytest.mark.parametrize("command", range(len(SHOWN)))
def test_requests_are_answered_as_shown(client, command):
    given, expected = SHOWN[command]
    curl, silent, address, *rest = shlex.split(given)
    assert (curl, silent) == ("curl", "-s")
    assert rest[:1] in ([], ["-d"])
    path = address.removeprefix("localhost:8765")
    content = client.ask("POST" if rest else "GET", path, rest[1].encode() if rest else None)[2].decode()
    parts = ["".join(part.split()) for part in expected.split("...")]
    pattern = ".*".join(map(re.escape, parts))
    assert re.fullmatch(pattern, "".join(content.split()), re.S), content


def test_every_kind_of_request_is_shown():
    assert len(SHOWN) >= 9
    for name in ("search", "filter", "like", "explain", "decode", "batch"):
        assert any(f"/api/operations/{name}" in given for given, _ in SHOWN), name


def test_limits_are_those_of_the_page():
    limits = Limits()
    rows = dict(re.findall(r"^\| ([a-z, ]+) \|[^|]*\| ([^|]+) \|", PAGE.split("## Limits")[1], re.M))
    assert rows["bytes of a body"] == f"{limits.body_bytes >> 20} MiB"
    assert rows["bytes of the headers"] == f"{limits.header_bytes >> 10} KiB"
    assert rows["levels of nesting"] == str(limits.depth)
    assert rows["hits, rows of a page"] == str(limits.k)
    assert rows["queries or rows of one request"] == str(limits.batch)
    assert rows["time of a request"] == f"{limits.seconds:g} s"
    assert rows["requests that wait for a thread"] == str(limits.waiting)
    assert rows["connections"] == str(limits.connections)
    assert rows["time to send headers and body"] == f"{limits.read_seconds:g} s"
    assert rows["time to read an answer"] == f"{limits.write_seconds:g} s"
