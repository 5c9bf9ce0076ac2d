"""Open and search stores and indexes with flipped, cut, swapped and crafted files: right answers or typed errors only.

    python benchmarks/fuzz_store.py                      # everything; some minutes per index
    python benchmarks/fuzz_store.py --quick
    python benchmarks/fuzz_store.py --index binary-ivf --flips 10000

Of each kind of index a small one is made and closed. Then, one at a time:

- ``flip``: one bit of one file is flipped: all of them where ``--flips all`` or the files are tiny, else a sample;
- ``file``: a file is cut, extended, emptied, filled with noise, removed, swapped with another one, or replaced by
  that of an index of other rows;
- ``crafted``: the index is written anew, checksums and all, with settings, columns or headers that no index has:
  huge and negative numbers, names with ``../``, other types, ids and lists out of range.

Each is opened, searched, read and verified in a child process of bounded memory, and must give the right answer (of
what is crafted: any answer) or raise an HDCError or OSError. Exit status 1 after a wrong answer, another error, a
crash, a hang, or an allocation beyond ``--ceiling``.
"""

import argparse
import collections
import copy
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from children import FAST, Say, WrongError, ended, in_child

from hdc import files
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, RaBitQBinarizer, SignBinarizer
from hdc.errors import HDCError
from hdc.search.hnsw import FILE as GRAPH
from hdc.search.index import Index
from hdc.store import Store

ROWS, DIM, WIDTH = 40, 128, 16
TINY = 6_000
"""Bits up to which all are flipped, however many were asked for."""
SECONDS = 20
TYPED = (HDCError, OSError)
Counts = collections.Counter[str]

# ---------------------------------------------------------------------- the indexes


@dataclass(frozen=True)
class Subject:
    """An index: how it is made of the rows of a seed, opened, and asked everything."""

    make: Callable[[Path, int], None]
    open: Callable[[Path], Any]
    ask: Callable[[Any], list[Any]]
    kind: str
    """Of the store inside."""
    store: str = "."
    """Folder of the store inside."""


def _codes(seed: int, rows: int = ROWS) -> Any:
    rng = np.random.default_rng(seed)
    centers = rng.integers(0, 2**63, (8, DIM // 64), dtype=np.uint64)
    codes = centers[np.arange(rows) % 8]
    codes[:, 0] ^= rng.integers(0, 16, rows).astype(np.uint64)
    return codes


def _vectors(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((8, WIDTH))[np.arange(ROWS) % 8] + rng.standard_normal((ROWS, WIDTH)) / 3).astype("f4")


KEYS = [f"key {i}" for i in range(ROWS)]


def _worn(index: Any, rows: Any, add: Callable[[Any, Any], object]) -> None:
    """Give an index dead rows, replaced ones, and ids that are not positions."""
    index.remove(keys=KEYS[3:6])
    index.put(rows[10:12], KEYS[7:9])
    index.compact()
    add(index, rows[:2])
    index.remove(keys=KEYS[20:21])
    index.close()


def _make_binary(kind: str, rows: int = ROWS) -> Callable[[Path, int], None]:
    def make(path: Path, seed: int) -> None:
        codes = _codes(seed, rows)
        index = BinaryIndex(DIM, kind=kind, path=path)
        if kind == "ivf":
            index.train(codes, lists=4)
        index.add(codes[:ROWS], keys=KEYS, documents=[f"document {i}".encode() for i in range(ROWS)])
        if rows > ROWS:
            index.add(codes[ROWS:])
        index.search(codes[:1], 1)
        _worn(index, codes, lambda index, rows: index.add(rows))

    return make


def _asked(index: Index, found: list[Any]) -> list[Any]:
    """Return what was found, and everything else that an index says."""
    ids = index.ids()[:200]
    answers = [np.asarray(part).tolist() for part in found]
    answers += [len(index), ids.tolist(), index.keys(ids), index.documents(ids), [index.find(key) for key in KEYS]]
    return answers


def _ask_binary(index: BinaryIndex) -> list[Any]:
    queries = _codes(1)[:9]
    found = [*index.search(queries, 5), *index.search(queries[:1], 3), *index.search(queries, 2, among=[0, 1, 9])]
    return _asked(index, [*found, index.codes(index.ids()[:200])])


def _make_embedding(model: Callable[[], Any], keep: str | None) -> Callable[[Path, int], None]:
    def make(path: Path, seed: int) -> None:
        vectors = _vectors(seed)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        index = EmbeddingIndex.create(path, model().fit(unit), keep=keep)
        index.add(vectors, KEYS)
        _worn(index, vectors, lambda index, rows: index.add(rows))

    return make


def _ask_embedding(index: EmbeddingIndex) -> list[Any]:
    queries = _vectors(1)[:9]
    return _asked(index, [*index.search(queries, 5), *index.search(queries[:1], 3)])


def _documents(seed: int) -> list[Any]:
    return [{"key": key, "value": (i * seed) % 7, "tags": ["a", "b", key][i % 3 :]} for i, key in enumerate(KEYS)]


def _make_json(path: Path, seed: int) -> None:
    documents = _documents(seed)
    index = JSONIndex.create(path, JSONEncoder(64).fit(documents), key="key")
    index.add(documents)
    documents[7]["value"] = 9
    index.remove(keys=KEYS[3:6])
    index.put(documents[7:9])
    index.compact()
    index.put([{"key": "new", "value": 1}])
    index.close()


def _ask_json(index: JSONIndex) -> list[Any]:
    hits = [*index.search({"value": 3, "tags": ["b"]}, 5), *index.like(0, 4), *index.search({"key": "key 9"}, 1)]
    return _asked(index, [[(hit.score, hit.id, hit.key) for hit in hits]])


def _make_store(path: Path, seed: int) -> None:
    store = Store.create(path, "fuzz", {"codes": ("u2", 3)}, {"note": "small"})
    codes = np.random.default_rng(seed).integers(0, 2**16, (4, 3), dtype=np.uint16)
    store.append({"codes": codes}, ["a", "b", None, "d"], [b"A", None, b"C", b"D"])
    store.put({"codes": codes[:1]}, ["b"], sources=["file:1"])
    store.remove(ids=[0])
    store.close()


def _ask_store(store: Store) -> list[Any]:
    alive = store.alive()
    live = np.flatnonzero(np.ones(len(store.ids()), bool) if alive is None else alive)
    ids = store.ids()[live].tolist()
    held = [(i, store.rows("codes")[row].tolist(), store.entry(i)) for i, row in zip(ids, live, strict=True)]
    return [held, store.meta, [store.find(key) for key in "abcd"], len(store)]


SUBJECTS = {
    "store": Subject(_make_store, lambda path: Store.open(path, "fuzz"), _ask_store, "fuzz"),
    "binary-flat": Subject(_make_binary("flat"), BinaryIndex.open, _ask_binary, BinaryIndex.KIND),
    "binary-large": Subject(_make_binary("flat", 150_000), BinaryIndex.open, _ask_binary, BinaryIndex.KIND),
    "binary-ivf": Subject(_make_binary("ivf"), BinaryIndex.open, _ask_binary, BinaryIndex.KIND),
    "binary-hnsw": Subject(_make_binary("hnsw"), BinaryIndex.open, _ask_binary, BinaryIndex.KIND),
    "sign": Subject(
        _make_embedding(lambda: SignBinarizer(64), None), EmbeddingIndex.open, _ask_embedding, BinaryIndex.KIND, "codes"
    ),
    "sign-int8": Subject(
        _make_embedding(lambda: SignBinarizer(64), "int8"),
        EmbeddingIndex.open,
        _ask_embedding,
        BinaryIndex.KIND,
        "codes",
    ),
    "rabitq-lists": Subject(
        _make_embedding(lambda: RaBitQBinarizer(lists=4), "int8"),
        EmbeddingIndex.open,
        _ask_embedding,
        BinaryIndex.KIND,
        "codes",
    ),
    "json": Subject(_make_json, JSONIndex.open, _ask_json, JSONIndex.KIND),
}

# ---------------------------------------------------------------------- what is done to them

Mutation = tuple[str, Callable[[Path], None]]
"""A name, and what damages a copy of the folder."""


def files_of(folder: Path) -> list[Path]:
    """Return the files that matter, relative to the folder; the lock says only who writes."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name != "lock")


def flips(folder: Path, count: int | None, random: Random) -> Iterator[Mutation]:
    """Yield flips of single bits: all, or a sample that treats files alike, whatever their sizes."""
    paths = [path for path in files_of(folder) if (folder / path).stat().st_size]
    for path in paths:
        bits = 8 * (folder / path).stat().st_size
        share = bits if count is None else max(TINY // len(paths), count // len(paths))
        for bit in range(bits) if bits <= share else sorted(random.sample(range(bits), share)):
            yield f"bit {bit} of {path}", _Flip(path, bit)


@dataclass(frozen=True)
class _Flip:
    path: Path
    bit: int

    def __call__(self, folder: Path) -> None:
        with open(folder / self.path, "r+b", buffering=0) as file:
            file.seek(self.bit // 8)
            (byte,) = file.read(1)
            file.seek(self.bit // 8)
            file.write(bytes([byte ^ 1 << self.bit % 8]))


def damaged_files(folder: Path, other: Path, random: Random) -> Iterator[Mutation]:
    """Yield damage of whole files."""
    paths = files_of(folder)
    for path in paths:
        content = (folder / path).read_bytes()
        size = len(content)
        for cut in sorted({0, 1, size // 3, size // 2, size - 8, size - 1} & set(range(size))):
            yield f"{path} cut to {cut} of {size}", _writes(path, content[:cut])
        for more in (b"\0", b"x", bytes(4096), content[-64:], content):
            yield f"{path} with {len(more)} bytes more", _writes(path, content + more)
        for _ in range(3):
            start, stop = sorted(random.randrange(size + 1) for _ in range(2))
            yield f"{path} without {start} to {stop}", _writes(path, content[:start] + content[stop:])
            yield (
                f"{path} zeros from {start} to {stop}",
                _writes(path, content[:start] + bytes(stop - start) + content[stop:]),
            )
            noise = random.randbytes(min(stop - start, 999))
            yield f"{path} noise at {start}", _writes(path, content[:start] + noise + content[start + len(noise) :])
        yield f"{path} as noise", _writes(path, random.randbytes(min(size, 9999)))
        if path.name != GRAPH:  # is built anew then, and may find other rows
            yield f"{path} removed", lambda place, path=path: (place / path).unlink()
        yield f"{path} as a folder", lambda place, path=path: ((place / path).unlink(), (place / path).mkdir())
        if (other / path).exists() and (other / path).read_bytes() != content:
            yield f"{path} of another index", _writes(path, (other / path).read_bytes())
        for second in paths:
            if second != path and (folder / second).read_bytes() != content:
                yield f"{path} replaced by {second}", _writes(path, (folder / second).read_bytes())
    for path in {path.parent for path in paths} - {Path()}:
        yield f"folder {path} removed", lambda place, path=path: shutil.rmtree(place / path)


def _writes(path: Path, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / path).write_bytes(content) and None


ODD: list[Any] = [
    -1, 0, 1, 65537, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63, -(2**63), 10**30, 0.5, -1e308, True, None, "", "x",
    "..", "../../x", "/etc/passwd", "a\0b", "x" * 5000, "float64", "uint64", "int8", [], {}, [[]], [-1, 2**40],
    {"a": 1},
]  # fmt: skip


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of everything in a JSON value."""
    if path:
        yield path
    for step, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if not isinstance(value, list) or step < 3:
            yield from leaves(item, (*path, step))


def crafted(subject: Subject, folder: Path, count: int, random: Random) -> Iterator[Mutation]:
    """Yield whole indexes, every checksum right, that say what no index says."""
    yield from _sampled(list(crafted_stores(subject, folder)), count, random)
    yield from _sampled(list(crafted_headers(folder)), count, random)


def _sampled(mutations: list[Mutation], count: int, random: Random) -> list[Mutation]:
    return mutations if len(mutations) <= count else random.sample(mutations, count)


def crafted_stores(subject: Subject, folder: Path) -> Iterator[Mutation]:
    """Yield stores written anew by the store itself, with other settings, other numbers or other columns."""
    with Store.open(folder / subject.store, subject.kind) as store:
        alive = store.alive()
        live = np.ones(len(store.ids()), bool) if alive is None else alive
        ids, meta = store.ids()[live], store.meta
        columns = {name: np.array(store.rows(name)[live]) for name in store.columns}
        entries = [store.entry(number) for number in ids.tolist()]

    def write(kind: str, meta: Any, columns: dict[str, Any], ids: Any) -> Callable[[Path], None]:
        def replace(place: Path) -> None:
            target = place / subject.store
            for path in list(target.iterdir()):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            shapes = {name: (array.dtype, array.shape[1]) for name, array in columns.items()}
            try:
                with Store.create(target, kind, shapes, meta) as store:
                    keys, documents, sources = zip(*entries, strict=True)
                    store.append(columns, keys, documents, sources, ids=ids)
            except TYPED as error:
                raise _NotMadeError from error

        return replace

    for path in leaves(meta):
        for value in ODD:
            changed = copy.deepcopy(meta)
            _put(changed, path, value)
            yield f"settings {path} = {value!r:.40}", write(subject.kind, changed, columns, ids)
    for path in leaves(meta):
        changed = copy.deepcopy(meta)
        if isinstance(path[-1], str):
            _drop(changed, path)
            yield f"settings without {path}", write(subject.kind, changed, columns, ids)
    for name, array in columns.items():
        yield (
            f"without column {name}",
            write(subject.kind, meta, {n: a for n, a in columns.items() if n != name} or {"x": array}, ids),
        )
        yield f"column {name} twice as wide", write(subject.kind, meta, {**columns, name: np.tile(array, 2)}, ids)
        yield f"column {name} of bytes", write(subject.kind, meta, {**columns, name: array.view(np.uint8)}, ids)
        for value in (0, -1, 1, 2**31 - 1, -(2**31), 2**63 - 1, np.nan, np.inf, -np.inf, 1e38):
            odd = array.copy()
            with np.errstate(all="ignore"):
                odd[: len(odd) // 2] = np.array(value).astype(array.dtype)
            yield f"column {name} half {value}", write(subject.kind, meta, {**columns, name: odd}, ids)
    for most in (2**31, 2**32, 2**40, 2**63 - 1):
        yield f"an id {most}", write(subject.kind, meta, columns, np.append(ids[:-1], most))
    yield "another kind", write("binary-index" if subject.kind != "binary-index" else "json-index", meta, columns, ids)


def _put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


def _drop(value: Any, path: tuple[Any, ...]) -> None:
    for step in path[:-1]:
        value = value[step]
    del value[path[-1]]


def crafted_headers(folder: Path) -> Iterator[Mutation]:
    """Yield files of :mod:`hdc.files` written anew with another header or other arrays."""
    for path in files_of(folder):
        header = header_of(folder / path)
        if header is None:
            continue
        meta, arrays = files.load(folder / path, header["kind"], version=header["version"])
        for leaf in leaves(meta):
            for value in ODD:
                changed = copy.deepcopy(meta)
                _put(changed, leaf, value)
                yield f"{path} {leaf} = {value!r:.40}", _saves(path, header, changed, arrays)
        yield f"{path} without meta", _saves(path, header, {}, arrays)
        yield f"{path} of version 99", _saves(path, {**header, "version": 99}, meta, arrays)
        yield f"{path} of another kind", _saves(path, {**header, "kind": "other"}, meta, arrays)
        for name, array in arrays.items():
            others = {n: a for n, a in arrays.items() if n != name}
            yield f"{path} without array {name}", _saves(path, header, meta, others)
            for what, odd in odd_arrays(array):
                yield f"{path} array {name} {what}", _saves(path, header, meta, {**others, name: odd})
        text = json.dumps(header)
        for what, value in (
            ("offset", -1),
            ("bytes", 2**62),
            ("bytes", -64),
            ("shape", [2**40, 2**40]),
            ("dtype", "|O8"),
        ):
            changed = json.loads(text)
            for entry in changed["arrays"]:
                entry[what] = value
            yield f"{path} {what} {value}", _rewrites(path, changed)


def odd_arrays(array: Any) -> Iterator[tuple[str, Any]]:
    """Yield arrays that may be no good in the place of another one."""
    yield "empty", array[:0]
    yield "flat", array.reshape(-1)
    yield "longer", np.concatenate([array, array]) if array.ndim else np.stack([array, array])
    yield "of bytes", np.frombuffer(array.tobytes(), np.uint8)
    yield "one dimension more", array[..., None]
    if array.size:
        for value in (-1, 0, 2**31 - 1, 2**63 - 1, np.nan, np.inf, 1e38):
            odd = array.copy()
            with np.errstate(all="ignore"):
                odd.reshape(-1)[: max(1, array.size // 2)] = np.array(value).astype(array.dtype)
            yield f"half {value}", odd


def header_of(path: Path) -> dict[str, Any] | None:
    content = path.read_bytes()
    if content[: len(files.MAGIC)] != files.MAGIC:
        return None
    length = int.from_bytes(content[12:20], "little")
    return json.loads(content[36 : 36 + length])  # type: ignore[no-any-return]


def _saves(path: Path, header: dict[str, Any], meta: Any, arrays: Any) -> Callable[[Path], None]:
    return lambda folder: files.save(folder / path, header["kind"], meta, arrays, version=header["version"])


def _rewrites(path: Path, header: dict[str, Any]) -> Callable[[Path], None]:
    """Put another header in a file, with its checksum."""

    def rewrite(folder: Path) -> None:
        content = (folder / path).read_bytes()
        length = int.from_bytes(content[12:20], "little")
        text = json.dumps(header).encode()
        opening = content[:12] + len(text).to_bytes(8, "little")
        whole = opening + files._digest(opening, text) + text
        rest = content[36 + length :].lstrip(b"\0")
        (folder / path).write_bytes(whole + bytes(-len(whole) % 64) + rest)

    return rewrite


class _NotMadeError(Exception):
    """The store refuses to write what was to be crafted."""


# ---------------------------------------------------------------------- trying them


def tried(subject: Subject, folder: Path, mutations: list[Mutation], right: list[Any] | None, ceiling: int) -> Counts:
    """Try mutations, each on a fresh copy; go on in another child after one that crashes or hangs."""
    counts: Counts = collections.Counter()
    examples: dict[str, list[str]] = {}
    start = 0
    while start < len(mutations):
        said, status = in_child(partial(_try_all, subject, folder, mutations[start:], right, ceiling), SECONDS)
        for (name, _), outcome in zip(mutations[start:], said, strict=False):
            what, text = (outcome.kind, outcome.text) if isinstance(outcome, WrongError) else outcome
            counts[what] += 1
            if what.isupper():
                examples.setdefault(what, []).append(f"{name}: {text}")
        start += len(said)
        if status and start < len(mutations) and not (said and isinstance(said[-1], WrongError)):
            what = f"{ended(status)}".upper()
            counts[what] += 1
            examples.setdefault(what, []).append(mutations[start][0])
            start += 1
    for what, names in examples.items():
        for name in names[:4]:
            print(f"    {what}: {name}")
    return counts


def _try_all(
    subject: Subject, folder: Path, mutations: list[Mutation], right: list[Any] | None, ceiling: int, say: Say
) -> None:
    with tempfile.TemporaryDirectory(dir=FAST) as place:
        copied = Path(place) / "index"
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ceiling, resource.RLIM_INFINITY))
        for _, mutate in mutations:
            if not isinstance(mutate, _Flip) or not copied.exists():
                shutil.rmtree(copied, ignore_errors=True)
                shutil.copytree(folder, copied)
            try:
                mutate(copied)
            except _NotMadeError:
                say(("not made", ""))
                continue
            except Exception as error:
                say(("NOT WRITTEN", f"{type(error).__name__}: {error}"))
                continue
            say(_outcome(subject, copied, right))
            if isinstance(mutate, _Flip):
                mutate(copied)


@np.errstate(all="ignore")  # crafted numbers overflow
def _outcome(subject: Subject, folder: Path, right: list[Any] | None) -> tuple[str, str]:
    """Open, ask and verify; say whether damage was told, and when."""
    stage = "open"
    try:
        with subject.open(folder) as index:
            stage = "search"
            answers = subject.ask(index)
            if right is not None and json.dumps(answers, default=repr) != json.dumps(right, default=repr):
                return "SILENT WRONG", _difference(right, answers)
            stage = "verify"
            index.verify()
    except TYPED:
        return (f"told by {stage}" if stage != "verify" else "harmless, told by verify"), ""
    except MemoryError as error:
        return "BEYOND THE CEILING", f"{stage}: {error}"
    except Exception as error:
        return "UNTYPED ERROR", f"{stage}: {type(error).__name__}: {error}"
    return "harmless" if right is not None else "answered", ""


def _difference(right: list[Any], answers: list[Any]) -> str:
    for number, (a, b) in enumerate(zip(right, answers, strict=False)):
        if a != b:
            return f"answer {number} is {b!r:.60}, not {a!r:.60}"
    return f"{len(answers)} answers"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--index", choices=SUBJECTS, action="append")
    parser.add_argument("--flips", help="how many bits of each index, or 'all'; 5000 if left out")
    parser.add_argument("--crafted", type=int, help="how many crafted settings and headers of each index at most")
    parser.add_argument("--ceiling", type=int, default=1024, help="MiB that may be allocated beyond the start")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    count = None if options.flips == "all" else int(options.flips or (600 if options.quick else 5000))
    most = options.crafted or (150 if options.quick else 1500)
    total: Counts = collections.Counter()
    start = time.monotonic()
    for name in options.index or SUBJECTS:
        with tempfile.TemporaryDirectory(dir=FAST) as place:
            total += fuzz(name, Path(place), count, most, options.ceiling << 20, Random(options.seed))
    bad = {what: n for what, n in total.items() if what.isupper()}
    wrong = bad.pop("SILENT WRONG", 0)
    print(
        f"\n{total.total() - total['not made']} tried, silent wrong {wrong}, other failures {sum(bad.values())}",
        end=" ",
    )
    print(f"({time.monotonic() - start:.0f} s)")
    return 1 if bad or wrong else 0


def fuzz(name: str, place: Path, count: int | None, most: int, ceiling: int, random: Random) -> Counts:
    """Make an index, damage and craft it in every way, and print what came of that."""
    subject, folder, other = SUBJECTS[name], place / "index", place / "other"

    def make(say: Say) -> None:
        subject.make(folder, 1)
        subject.make(other, 2)
        with subject.open(folder) as index:
            index.verify()
            say(subject.ask(index))

    said, status = in_child(make)
    if status:
        sys.exit(f"{name}: {said}")
    (right,) = said
    total: Counts = collections.Counter()
    for what, mutations, expected in (
        ("flip", flips(folder, count, random), right),
        ("file", damaged_files(folder, other, random), right),
        ("crafted", crafted(subject, folder, most, random), None),
    ):
        counts = tried(subject, folder, list(mutations), expected, ceiling)
        shown = ", ".join(f"{outcome} {n}" for outcome, n in sorted(counts.items()))
        print(f"{name:13} {what:8} {counts.total():6}: {shown}", flush=True)
        total += counts
    return total


if __name__ == "__main__":
    sys.exit(main())
