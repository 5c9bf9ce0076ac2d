"""Load on ``hdc serve``: many clients on loopback, while a writer commits; latency, errors, memory, processor time.

The server is a process of its own; the clients are connections of this one, each with one request under way. Every
answer is compared, byte by byte, with that of the index in this process; the writer adds documents that no query
finds. Before the load, one client alone measures what HTTP adds to the bare search. Run from the checkout, with the
extra ``serve`` installed::

    python benchmarks/bench_serve.py                              # 50 clients, 100,000 requests
    python benchmarks/bench_serve.py --requests 2000 --wrk 20
"""

import argparse
import asyncio
import http.client
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from hdc.apps.demo.command import load_index
from hdc.apps.json import JSONEncoder, JSONIndex

QUERIES: tuple[Any, ...] = (
    {"operation": "delete message", "input": [{"name": "QueueUrl", "required": True}]},
    {"service": "Amazon SQS"},
    {"operation": "send"},
    {"http": {"method": "POST"}, "operation": "describe instances"},
)
"""What is searched for; the first one is measured alone."""

K = 10
ALONE = 500
"""Requests of one client alone, and bare searches beside them."""

TICKS = os.sysconf("SC_CLK_TCK")


def request_of(query: Any, port: int) -> bytes:
    """Return a request as it goes over the wire."""
    body = orjson.dumps({"query": query, "k": K})
    head = f"POST /api/operations/search HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def hits_of(index: JSONIndex, query: Any) -> bytes:
    """Return how an answer must begin: the hits, as the server writes them."""
    entries = []
    for hit in index.search(query, K):
        entry = hit.to_dict()
        entries.append({**entry, "document": orjson.Fragment(hit.text)})
    return orjson.dumps({"hits": entries})[:-1]


@contextmanager
def server(folder: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Serve an index; yields the process and the port."""
    command = [sys.executable, "-m", "hdc.apps.start", "serve", folder, "--port", "0", "--no-access-log"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline()
        yield process, int(address.split("127.0.0.1:")[1].split("/")[0])
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
        print(f"the server ended with status {status}")


def used(pid: int) -> tuple[float, float]:
    """Return the resident MiB of a process, and the seconds of processor time it has had."""
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return resident, (int(fields[11]) + int(fields[12])) / TICKS


class Client:
    """Clients that ask until enough was asked."""

    def __init__(self, port: int, expected: list[bytes], requests: int, most_seconds: float = 3600) -> None:
        self.port, self.expected, self.left = port, expected, requests
        self.end = time.perf_counter() + most_seconds
        self.sent = [request_of(query, port) for query in QUERIES]
        self.seconds: list[float] = []
        self.errors: list[str] = []
        self.generations: set[int] = set()

    async def ask(self, number: int) -> None:
        """Ask, one request after the other."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while self.left > 0 and time.perf_counter() < self.end:
            self.left -= 1
            number = (number + 1) % len(QUERIES)
            began = time.perf_counter()
            writer.write(self.sent[number])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            self.seconds.append(time.perf_counter() - began)
            if not head.startswith(b"HTTP/1.1 200 ") or not body.startswith(self.expected[number]):
                self.errors.append(repr(head.split(b"\r\n")[0] + body[:200]))
            else:
                self.generations.add(int(body.split(b'"generation":')[-1].rstrip(b"}")))
        writer.close()

    async def run(self, clients: int) -> float:
        """Return how long it took."""
        began = time.perf_counter()
        await asyncio.gather(*(self.ask(number) for number in range(clients)))
        return time.perf_counter() - began


def percentiles(seconds: list[float]) -> str:
    """Return percentiles in milliseconds."""
    ordered = sorted(seconds)
    points = (("p10", 0.1), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999))
    shown = [f"{name} {1000 * ordered[int(share * (len(ordered) - 1))]:.2f}" for name, share in points]
    return f"{', '.join(shown)}, max {1000 * ordered[-1]:.2f} ms"


def alone(index: JSONIndex, pid: int, port: int) -> None:
    """Measure one client, and the bare search, in turns; processor time too, which other programs do not change."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = orjson.dumps({"query": QUERIES[0], "k": K})
    asked, bare, written, before, spent = [], [], [], used(pid)[1], 0.0
    for _ in range(ALONE):
        began = time.perf_counter()
        connection.request("POST", "/api/operations/search", body)
        connection.getresponse().read()
        asked.append(time.perf_counter() - began)
        began, processor = time.perf_counter(), time.process_time()
        index.search(QUERIES[0], K)
        bare.append(time.perf_counter() - began)
        spent += time.process_time() - processor
        began = time.perf_counter()
        hits_of(index, QUERIES[0])
        written.append(time.perf_counter() - began)
    connection.close()
    print(f"one client       {percentiles(asked)}")
    print(f"the bare search  {percentiles(bare)}")
    print(f"  with documents {percentiles(written)}")
    server, search = 1e6 * (used(pid)[1] - before) / ALONE, 1e6 * spent / ALONE
    print(f"processor time: {server:.0f} us per request in the server, {search:.0f} us per bare search")
    print(f"HTTP adds        {1000 * (statistics.median(asked) - statistics.median(bare)):.2f} ms at the median")


def commit(folder: str, ended: threading.Event, every: float) -> None:
    """Add documents that no query finds, each in a commit of its own."""
    with JSONIndex.open(folder, writable=True) as writer:
        number = 0
        while not ended.wait(every):
            writer.add([{"unrelated": number}])
            number += 1
        print(f"the writer made {number} commits")


def load(folder: str, index: JSONIndex, process: "subprocess.Popen[str]", port: int, given: argparse.Namespace) -> int:
    """Let many clients ask; return how many answers were wrong."""
    expected = [hits_of(index, query) for query in QUERIES]
    warm = Client(port, expected, 2000)
    asyncio.run(warm.run(given.clients))
    ended = threading.Event()
    writer = threading.Thread(target=commit, args=(folder, ended, given.commit_seconds))
    writer.start()
    resident, processor = used(process.pid)
    client, taken = Client(port, expected, given.requests, given.most_seconds), 0.0
    print(f"{given.clients} clients, {given.requests:,} requests; before: {resident:.1f} MiB resident")
    for _ in range(given.parts):
        client.left = given.requests // given.parts
        taken += asyncio.run(client.run(given.clients))
        print(f"  {len(client.seconds):,} answered: {used(process.pid)[0]:.1f} MiB resident", flush=True)
    ended.set()
    writer.join()
    spent = used(process.pid)[1] - processor
    answered = len(client.seconds)
    print(f"after: {used(process.pid)[0]:.1f} MiB resident; {len(client.generations)} generations were seen")
    print(f"{answered / taken:,.0f} requests per second, {percentiles(client.seconds)}")
    print(f"processor time of the server: {1e6 * spent / answered:.0f} us per request")
    print(f"errors: {len(client.errors)}", *client.errors[:3], sep="\n  ")
    return len(client.errors)


def second_opinion(port: int, clients: int, seconds: int) -> None:
    """Let wrk ask."""
    if shutil.which("wrk") is None:
        print("wrk is not installed")
        return
    body = json.dumps({"query": QUERIES[0], "k": K})
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method = 'POST'\nwrk.body = [=[{body}]=]\n")
        script.flush()
        address = f"http://127.0.0.1:{port}/api/operations/search"
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "-s", script.name, address]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> int:
    """Run the benchmark; the status says whether every answer was right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--most-seconds", type=float, default=3600, help="end sooner, with fewer requests (3600)")
    parser.add_argument("--parts", type=int, default=5, help="memory is looked at after each (5)")
    parser.add_argument("--commit-seconds", type=float, default=2.0, help="between two commits (2)")
    parser.add_argument("--wrk", type=int, default=0, metavar="SECONDS", help="let wrk ask too, so long")
    given = parser.parse_args()
    print(f"load averages {os.getloadavg()}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as place:
        folder = f"{place}/operations"
        load_index("operations", JSONEncoder()).save(folder)
        with JSONIndex.open(folder) as index, server(folder) as (process, port):
            hits_of(index, QUERIES[0])
            alone(index, process.pid, port)
            wrong = load(folder, index, process, port, given) if given.requests else 0
            if given.wrk:
                second_opinion(port, given.clients, given.wrk)
    print(f"load averages {os.getloadavg()}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
