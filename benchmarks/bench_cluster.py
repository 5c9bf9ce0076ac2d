"""Documents a second of ``hdc.apps.json.cluster`` on Dask beside processes here; a worker is killed in the middle.

The files hold changed copies of real phenopackets (``json_corpus.py``). Every build reads them twice, to learn and to
encode. Rounds interleave the contenders; the median counts. The clusters are there before (a build on one warms it up),
the processes of builds here begin with each build. Every index must be the same to the last byte, but for the times
of its commits, and so must be the one of the cluster that loses a worker half way.
Run: ``HDC_BENCH_DATA=... python benchmarks/bench_cluster.py [--megabytes 48] [--files 12] [--rounds 3]``.
"""

import argparse
import itertools
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from distributed import Client, LocalCluster
from json_corpus import enlarged, phenopackets

import hdc
from hdc.apps.json import JSONEncoder, cluster, read
from hdc.apps.json.build.index_build import Task, build
from hdc.apps.json.values.learning import ProfileBuilder

DIFFERS = ("commits", "seal")
"""Files of an index that say when it was written."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=48, help="of all files (48)")
    parser.add_argument("--files", type=int, default=12, help="each is a part (12)")
    parser.add_argument("--rounds", type=int, default=3, help="(3)")
    arguments = parser.parse_args()
    packets = phenopackets()
    if packets is None:
        return 0
    with tempfile.TemporaryDirectory(prefix="hdc-cluster-") as folder:
        paths, documents = written(Path(folder), packets, arguments.files, arguments.megabytes)
        print(", ".join(f"{name} {version(name)}" for name in ("dask", "distributed", "numpy", "numba")))
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {documents:,} documents in {len(paths)} files,")
        print(f"{arguments.megabytes:.0f} MB; dim 2048, packed vectors; workers of one thread", flush=True)
        shares(Path(folder), paths)
        with started(1) as one, started(2) as two:
            compare(Path(folder), paths, documents, one, two, arguments.rounds)
            lose_one(Path(folder), paths, two)
    return 0


def written(folder: Path, packets: list[Any], files: int, megabytes: float) -> tuple[list[str], int]:
    """Write files of changed copies of documents, and return their names and how many documents there are."""
    copies, paths, documents = enlarged(packets), list[str](), 0
    for number in range(files):
        paths.append(str(folder / f"part-{number:03}.jsonl"))
        with open(paths[-1], "w", encoding="utf-8") as file:
            while file.tell() < megabytes * 1e6 / files:
                for document in itertools.islice(copies, 32):
                    file.write(json.dumps(document) + "\n")
                    documents += 1
    return paths, documents


@contextmanager
def started(workers: int) -> Iterator[Client]:
    """Start a cluster of some processes of one thread, and end it."""
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0") as made,
        Client(made, set_as_default=False) as client,
    ):
        yield client


def compare(folder: Path, paths: list[str], documents: int, one: Any, two: Any, rounds: int) -> None:
    """Build the same index in every way, in turn, and print how fast each was."""

    def here(jobs: int) -> Callable[[str], Any]:
        return lambda output: build(output, Task(tuple(paths), JSONEncoder(), jobs=jobs))

    def there(client: Any) -> Callable[[str], Any]:
        return lambda output: cluster.index(paths, output, cluster=client)

    contenders = {
        "here, 1 process": here(1),
        "Dask, 1 worker": there(one),
        "here, 2 processes": here(2),
        "Dask, 2 workers": there(two),
    }
    for client in (one, two):
        cluster.index(paths[:2], str(folder / "warm"), cluster=client)
    here(1)(str(folder / "expected"))
    expected = contents(folder / "expected")
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            began = time.perf_counter()
            report = run(str(folder / "index"))
            seconds[name].append(time.perf_counter() - began)
            assert report.documents == documents
            assert contents(folder / "index") == expected, f"{name}: another index"
    print("\n| built | documents/s | seconds | of all rounds |\n|---|---|---|---|")
    for name, times in seconds.items():
        middle = statistics.median(times)
        print(f"| {name} | {documents / middle:,.0f} | {middle:.1f} | {min(times):.1f} to {max(times):.1f} |")
    print(f"\n{(rounds * len(contenders) + 1)} indexes, every one the same to the last byte", flush=True)


def lose_one(folder: Path, paths: list[str], client: Any) -> None:
    """Kill a worker when half of the parts are encoded, and check that nothing is lost or doubled."""
    pids, killed, building = client.run(os.getpid), list[float](), folder / "lossy.building" / "journal"
    began = time.perf_counter()

    def kill() -> None:
        while not building.exists() or building.read_bytes().count(b"\n") < 1 or parts_of(building) < len(paths) // 2:
            time.sleep(0.01)
        os.kill(next(iter(pids.values())), signal.SIGKILL)
        killed.append(time.perf_counter() - began)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    cluster.index(paths, str(folder / "lossy"), cluster=client)
    seconds = time.perf_counter() - began
    assert killed, "the build was over before a worker could be killed"
    assert contents(folder / "lossy") == contents(folder / "expected"), "something is lost or doubled"
    print(f"a worker of two killed after {killed[0]:.1f} s of {seconds:.1f}: the same to the last byte")


def shares(folder: Path, paths: list[str]) -> None:
    """Print the processor time of a document on workers and here: how many workers one index keeps busy."""
    hdc.threads(1)
    parts, encoder = [[record.document for record in read([path])] for path in paths[:3]], JSONEncoder()
    cluster.encode(parts[0][:100], encoder)  # compiled kernels are loaded
    counts, counting = timed(lambda: [cluster.count(part, encoder) for part in parts])
    builders, receiving = timed(lambda: [ProfileBuilder.from_bytes(data) for data in counts])
    _, merging = timed(lambda: reduce(ProfileBuilder.merge, builders))
    fitted = cluster.fit(encoder, counts)
    encoded, encoding = timed(lambda: [cluster.encode(part, fitted) for part in parts])
    _, adding = timed(lambda: cluster.gather(encoded, str(folder / "gathered"), fitted))
    each = 1e6 / sum(map(len, parts))
    there, here = each * (counting + encoding), each * (receiving + merging + adding)
    print(f"processor time per document: {there:.0f} µs on workers (count {each * counting:.0f}, encode", end=" ")
    print(f"{each * encoding:.0f}; not parsing),\n{here:.0f} µs here (merge", end=" ")
    print(f"{each * (receiving + merging):.0f}, add {each * adding:.0f}): {there / here:.1f} to 1")
    sizes = [sum(map(len, counts)), sum(map(len, encoded)), sum(map(os.path.getsize, paths[:3]))]
    print("counts {:.1f} MB, encoded {:.1f} MB, files {:.1f} MB".format(*(size / 1e6 for size in sizes)), flush=True)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a function gives, and the processor seconds it took: the same on a machine with other work."""
    began = time.process_time()
    made = work()
    return made, time.process_time() - began


def parts_of(journal: Path) -> int:
    """Return the number of the part that is being added."""
    return int(journal.read_bytes().split(b"\n")[-2].split()[0])


def contents(index: Path) -> dict[str, bytes]:
    """Return every byte of an index, but for when it was written."""
    files = (file for file in index.rglob("*") if file.is_file() and file.name not in DIFFERS)
    return {str(file.relative_to(index)): file.read_bytes() for file in files}


if __name__ == "__main__":
    sys.exit(main())
