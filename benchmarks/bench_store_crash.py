"""Kill writers of a store at random moments, then flip bits of every byte of a small one; count what is lost or missed.

    python benchmarks/bench_store_crash.py                # 300 kills, every byte
    python benchmarks/bench_store_crash.py --kills 1000 --seed 7

A writer adds, replaces, updates, removes and compacts in an order that its seed gives, and reports each change
after the store acknowledged it. What is found after SIGKILL must be the acknowledged changes, and at most the one
that was going on, as a whole. Exit status 1 if anything else is found.
"""

import argparse
import collections
import copy
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hdc import files
from hdc.errors import FileFormatError
from hdc.store import Store, layout, log

KIND = "crash-test"
COLUMNS = {"codes": ("uint64", 8), "norms": ("float32", 1)}

MOST_CHANGES = 6
"""A writer is killed after a random number of changes up to this, and a random part of the time of one or two."""

CHANGES = {"append": 0.3, "put": 0.35, "replace": 0.15, "remove": 0.17, "compact": 0.03}


@dataclass
class Model:
    """What a store should hold: id to (number that its columns are made of, key, document)."""

    rows: dict[int, tuple[int, str | None, bytes | None]] = field(default_factory=dict)
    next_id: int = 0


@dataclass
class Change:
    """A change of a store: columns made of ``values``, for the rows ``ids``."""

    kind: str
    ids: list[int]
    values: list[int]
    keys: list[str | None]
    documents: list[bytes | None]


def columns(values: list[int]) -> dict[str, npt.ArrayLike]:
    """Return rows all of whose parts depend on one number each, so that half a row shows."""
    numbers = np.array(values, np.uint64).reshape(-1, 1)
    return {
        "codes": numbers * np.uint64(0x9E3779B97F4A7C15) + np.arange(8, dtype=np.uint64),
        "norms": numbers.astype(np.float32),
    }


def plan(model: Model, seed: int, number: int) -> Change:
    """Return the change that comes ``number``-th in the order of a seed."""
    rng = np.random.default_rng([seed, number])
    kind = str(rng.choice(list(CHANGES), p=list(CHANGES.values())))
    values = rng.integers(0, 1 << 20, int(rng.integers(1, 400))).tolist()
    if kind in ("replace", "remove", "compact"):
        ids = rng.permutation(sorted(model.rows))[: len(values)].tolist()
        values = values[: len(ids)]
        entries = [model.rows[i][1:] for i in ids]
        return Change(kind, ids, values, [key for key, _ in entries], [document for _, document in entries])
    keys: list[str | None] = [f"key {i}" for i in rng.permutation(2000)[: len(values)]]
    if kind == "append":
        keys = [None] * len(values)
    held = {key: i for i, (_, key, _) in model.rows.items() if key is not None}
    new = iter(range(model.next_id, model.next_id + len(values)))
    ids = [held[key] if key in held else next(new) for key in keys]
    return Change(kind, ids, values, keys, [b"%d" % value * 20 for value in values])


def change_model(model: Model, change: Change) -> None:
    """Make a change in the model."""
    if change.kind == "remove":
        for i in change.ids:
            del model.rows[i]
    elif change.kind != "compact":
        rows = zip(change.values, change.keys, change.documents, strict=True)
        model.rows.update(zip(change.ids, rows, strict=True))
        model.next_id = max([model.next_id, *(i + 1 for i in change.ids)])


def change_store(store: Store, change: Change) -> None:
    """Make a change in the store."""
    if change.kind == "append":
        store.append(columns(change.values), documents=change.documents)
    elif change.kind == "put":
        store.put(columns(change.values), keys=change.keys, documents=change.documents)
    elif change.kind == "replace":
        store.replace(change.ids, columns(change.values))
    elif change.kind == "remove":
        store.remove(ids=change.ids)
    else:
        store.compact()


def content(store: Store) -> dict[int, tuple[int, str | None, bytes | None]]:
    """Return what the store holds, as the model has it.

    Raises
    ------
    FileFormatError
        If the columns of a row do not belong together.
    """
    alive = store.alive()
    live = np.flatnonzero(np.ones(len(store.ids()), bool) if alive is None else alive)
    values = store.rows("norms")[live, 0].astype(int).tolist()
    if not np.array_equal(store.rows("codes")[live], columns(values)["codes"]):
        raise FileFormatError("the columns of a row do not belong together")
    ids = store.ids()[live].tolist()
    return {i: (value, *store.entry(i)[:2]) for i, value in zip(ids, values, strict=True)}


def write_until_killed(folder: Path, model: Model, seed: int, first: int, report: int) -> None:
    """Change the store on and on, writing a byte to ``report`` at the beginning and for each acknowledged change."""
    with Store.open(folder, KIND, writable=True) as store:
        os.write(report, b"!")
        for number in range(first, sys.maxsize):
            change = plan(model, seed, number)
            change_store(store, change)
            os.write(report, b".")
            change_model(model, change)


def killed_writer(folder: Path, model: Model, seed: int, first: int, changes: int, part: float) -> int:
    """Run a writer in another process and kill it; return how many changes it saw acknowledged.

    Parameters
    ----------
    folder, model, seed, first
        As :func:`write_until_killed`.
    changes : int
        Changes to wait for.
    part : float
        Time to wait then, in average changes.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            write_until_killed(folder, model, seed, first, writing)
        finally:
            os._exit(1)
    os.close(writing)
    os.read(reading, 1)
    start = time.monotonic()
    acknowledged = b"".join(os.read(reading, 1) for _ in range(changes))
    time.sleep(part * (time.monotonic() - start) / changes)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise RuntimeError("the writer failed by itself; see above")
    while more := os.read(reading, 1 << 16):
        acknowledged += more
    os.close(reading)
    return len(acknowledged)


def wreck(folder: Path) -> list[str]:
    """Say what the killed writer left unfinished."""
    edition = folder / str(files.load(folder / "current", "store", version=layout.FORMAT)[0]["edition"])
    records, _ = log.read(edition / log.NAME)
    state = log.states(edition / log.NAME, records, None)
    found = ["record half written"] if (edition / log.NAME).stat().st_size > records[-1].end else []
    columns = [edition / name for name in COLUMNS]
    if any(path.exists() and path.stat().st_size > state.extent(path.name).length for path in columns):
        found.append("rows that do not count")
    if len(list(folder.glob("[0-9]*"))) > 1:
        found.append("edition half written")
    return found


def kill_many(folder: Path, kills: int, seed: int) -> collections.Counter[str]:
    """Kill writers of one store, one after the other; count what was found after each."""
    Store.create(folder, KIND, COLUMNS).close()
    model, number, counts = Model(), 0, collections.Counter[str]()
    rng = np.random.default_rng(seed)
    for _ in range(kills):
        changes, part = int(rng.integers(1, MOST_CHANGES + 1)), float(rng.uniform(0, 2))
        acknowledged = killed_writer(folder, copy.deepcopy(model), seed, number, changes, part)
        counts.update(wreck(folder))
        for _ in range(acknowledged):
            change = plan(model, seed, number)
            counts.update([change.kind, "acknowledged"])
            change_model(model, change)
            number += 1
        going_on = copy.deepcopy(model)
        change_model(going_on, plan(model, seed, number))
        with Store.open(folder, KIND) as reader:
            reader.verify()
            found = content(reader)
        if found == model.rows:
            counts["as acknowledged"] += 1
        elif found == going_on.rows:
            counts["and the change that was going on"] += 1
            model = going_on
        else:
            counts["LOST OR HALF VISIBLE"] += 1
            model.rows = found
        number += 1
        if len(model.rows) > 5000:
            with Store.open(folder, KIND, writable=True) as store:
                store.remove(ids=list(model.rows))
            model.rows.clear()
    return counts


def small_store(folder: Path, closed: bool) -> None:
    """Make a store that has something in every table and column; left open by a writer that dies, if not closed."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    store = Store.create(folder, KIND, COLUMNS, {"note": "flip me"})
    store.append(columns(list(range(20))), keys=[f"key {i}" for i in range(20)], documents=[b"document"] * 20)
    store.put(columns([1, 2]), keys=["key 3", "key 4"])
    store.remove(ids=[7])
    if closed:
        store.close()
    os._exit(0)


def flip_all(folder: Path, every: int = 1) -> dict[str, collections.Counter[str]]:
    """Flip one bit, then all eight, of each byte of each file in turn; count by file what opening and reading say."""
    with Store.open(folder, KIND) as reader:
        right = content(reader)
    counts: dict[str, collections.Counter[str]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole, found = path.read_bytes(), collections.Counter[str]()
        for position in range(0, len(whole), every):
            for bits in (1 << position % 8, 0xFF):
                damaged = bytearray(whole)
                damaged[position] ^= bits
                path.write_bytes(damaged)
                found[_outcome(folder, right)] += 1
            path.write_bytes(whole)
        counts[str(path.relative_to(folder))] = found
    return counts


def _outcome(folder: Path, right: dict[int, tuple[int, str | None, bytes | None]]) -> str:
    try:
        with Store.open(folder, KIND) as reader:
            try:
                found = content(reader)
                keys = {key: i for i, (_, key, _) in right.items() if key is not None}
                if found != right or any(reader.find(key) != i for key, i in keys.items()):
                    return "NOT TOLD, CONTENT WRONG"
            except FileFormatError:
                return "told when read"
            try:
                reader.verify()
            except FileFormatError:
                return "content right, told by verify"
            return "content right, not told"
    except FileFormatError:
        return "told by open"


def flips(closed: bool, every: int) -> bool:
    """Print what came of flipping bytes; return whether all is as promised."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as place:
        small_store(Path(place) / "s", closed)
        counts = flip_all(Path(place) / "s", every)
    total = sum(counts.values(), collections.Counter[str]())
    print(f"\n{'Closed store' if closed else 'Store of a killed writer'}: flips {total.total()}")
    for name, found in {**counts, "all files": total}.items():
        print(f"  {name:22}" + ", ".join(f"{outcome} {count}" for outcome, count in sorted(found.items())))
    return "NOT TOLD, CONTENT WRONG" not in total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="flip every n-th byte only")
    parser.add_argument("--folder", help="where to put the store; a temporary folder if left out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        counts = kill_many(Path(place) / "s", arguments.kills, arguments.seed)
    print(f"Writers killed: {arguments.kills}")
    for what, count in counts.most_common():
        print(f"  {what:34}{count:7}")
    whole = counts["LOST OR HALF VISIBLE"] == 0
    return 0 if all([whole, flips(True, arguments.every), flips(False, arguments.every)]) else 1


if __name__ == "__main__":
    sys.exit(main())
