"""Fuzzed JSON Lines through ``hdc json index --on-error skip`` and search: nothing good lost, no traceback.

A line is a real document mutated as a value (fields dropped, swapped, replaced by odd ones), as text (bytes changed,
cut, doubled), or random bytes. Good is what a strict reader of its own accepts: Python's ``json`` on UTF-8, no key
twice, no NaN or Infinity, no double overflow, nesting of at most 256 levels, integers of at most 4300 digits. Every
good line must be in the index as it is (lone surrogates read as U+FFFD), every other among the rejects.
Documents: ``phenopackets.jsonl.gz`` in the folder named by ``HDC_BENCH_DATA``, else the data of ``hdc demo``.
Run: ``python benchmarks/fuzz_json.py [--documents 100000] [--searches 1000]``.
"""

import argparse
import copy
import gzip
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

from json_corpus import phenopackets

from hdc.apps.json import JSONIndex
from hdc.errors import HDCError

LEVELS = 256
ODD = [
    None, True, 0, -0.0, 1e308, -1e-320, 10**40, 2**63, "", " ", "\0", "\ud800", "é\u0301", "𝔘", "\u202e", "a" * 5000,
    [], {}, [[]], {"": {}}, "NaN", "1e999", "2020-02-30", "P1Y2M", {"a": [1, "1", 1.0, True]},
]  # fmt: skip
BROKEN = [
    b"", b" ", b"{", b"[1,", b"nul", b"NaN", b"[Infinity]", b"1e999", b'{"a":1,"a":2}', b"\xff\xfe", b'"\xed\xa0\x80"',
    b"[" * 257 + b"]" * 257, b"[" * 256 + b"]" * 256, b"9" * 4301, b"9" * 4300, b"'a'", b"{'a':1}", b"01", b"+1", b".5",
    b"1.", b"\xef\xbb\xbf1", b'"\\x"', b'"\t"', b"1 2", b"{}{}", b"// x", b'{"a":}', b'"\\ud800"',
    b'{"k":"\\udc00\\ud800"}',
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=1000)
    arguments = parser.parse_args()
    random = Random(0)
    real = documents()
    lines = [fuzzed(real, random) for _ in range(arguments.documents)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "fuzzed.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        command = [sys.executable, "-m", "hdc.apps.cli", "json", "index", "fuzzed.jsonl", "-o", "index"]
        command += ["--on-error", "skip", "--rejects", "rejects", "--dim", "512"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
        failures = ["traceback"] if "Traceback" in done.stderr or done.returncode else []
        failures += compared(folder, lines)
        searched = searches(folder / "index", lines, arguments.searches, random)
    answered, refused = searched
    print(f"{answered + refused} searches: {answered} answered, {refused} refused with a typed error; no traceback")
    print(done.stdout + done.stderr, end="")
    for failure in failures[:20]:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


def documents() -> list[Any]:
    cases = phenopackets()
    if cases is not None:
        return [case["document"] for case in cases]
    data = gzip.decompress((files("hdc.apps.demo") / "data" / "operations.jsonl.gz").read_bytes())
    return [json.loads(line) for line in data.splitlines()]


def fuzzed(real: list[Any], random: Random) -> bytes:
    """Return one line without an end of line."""
    kind = random.random()
    if kind < 0.05:
        return random.choice(BROKEN)
    if kind < 0.1:
        return random.randbytes(random.randrange(200)).replace(b"\n", b" ").replace(b"\r", b" ")
    document = json.loads(json.dumps(random.choice(real)))
    for _ in range(random.randrange(4)):
        document = mutated(document, real, random)
    text = json.dumps(document, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    if kind < 0.4:
        for _ in range(random.randrange(1, 4)):
            text = damaged(text, random)
    return text.replace(b"\n", b" ").replace(b"\r", b" ")


def mutated(value: Any, real: list[Any], random: Random) -> Any:
    """Return a value changed somewhere."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        act = random.random()
        if act < 0.2:
            value.pop(key)
        elif act < 0.3:
            value[random.choice(["", "odd key", "a.b", "[]", "$", "\ud800", key.upper()])] = value.pop(key)
        else:
            value[key] = mutated(value[key], real, random)
        return value
    if isinstance(value, list) and value and random.random() < 0.8:
        place = random.randrange(len(value))
        value[place] = mutated(value[place], real, random)
        return value[: random.randrange(len(value) + 1)] if random.random() < 0.1 else value
    return copy.deepcopy(random.choice(ODD))


def damaged(text: bytes, random: Random) -> bytes:
    """Return bytes changed, cut or doubled somewhere."""
    place = random.randrange(len(text) + 1)
    other = random.randrange(len(text) + 1)
    first, last = sorted((place, other))
    return random.choice(
        [
            text[:place] + random.randbytes(1) + text[place + 1 :],
            text[:place],
            text[:place] + text[place + 1 :],
            text[:last] + text[first:last][:300] + text[last:],
            text[:place] + random.choice(BROKEN)[:50] + text[place:],
        ]
    )


def strict(line: bytes) -> tuple[bool, Any]:
    """Return whether a line is good, and what it says; by other means than the package's reader."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in items]
        if len({*names}) < len(names):
            raise ValueError("twice")
        return dict(items)

    def number(text: str) -> float:
        if math.isinf(float(text)):
            raise ValueError("overflow")
        return float(text)

    def constant(text: str) -> Any:
        raise ValueError(text)

    try:
        text = line.decode("utf-8")
        value = json.loads(text, object_pairs_hook=pairs, parse_float=number, parse_constant=constant)
        value = replaced(value)
    except (ValueError, RecursionError):
        return False, None
    return depth(value) <= LEVELS, value


def replaced(value: Any) -> Any:
    """Return a value with U+FFFD for lone surrogates; keys that become equal are refused."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [replaced(item) for item in value]
    if isinstance(value, dict):
        changed = {replaced(key): replaced(item) for key, item in value.items()}
        if len(changed) < len(value):
            raise ValueError("twice")
        return changed
    return value


def depth(value: Any) -> int:
    levels, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        levels += 1
        level = [item for held in level for item in (held.values() if isinstance(held, dict) else held)]
    return levels


def compared(folder: Path, lines: list[bytes]) -> list[str]:
    """Hold the index and the rejects against the lines; return what differs."""
    failures = []
    rejected = {json.loads(line)["source"] for line in open(folder / "rejects", "rb")}  # noqa: SIM115
    with JSONIndex.open(folder / "index") as index:
        held = {index.source(number): number for number in index.ids().tolist()}
        good = blank = 0
        for number, line in enumerate(lines, 1):
            source, (accepted, value) = f"fuzzed.jsonl:{number}", strict(line)
            if line.isspace() or not line:
                blank += 1
            elif accepted:
                good += 1
                stored = index.document(held[source]) if source in held else "nothing"
                if json.dumps(stored, sort_keys=True) != json.dumps(value, sort_keys=True):
                    failures.append(f"{source}: lost or changed: {line[:80]!r}")
            elif source not in rejected:
                failures.append(f"{source}: accepted: {line[:80]!r}")
        bad = len(lines) - good - blank
        print(f"{len(lines):,} lines: {good:,} good, {bad:,} bad, {blank:,} blank")
        print(f"index: {len(index):,} accepted; rejects: {len(rejected):,}")
        if (len(index), len(rejected)) != (good, bad):
            failures.append("the counts differ")
    return failures


def searches(folder: Path, lines: list[bytes], count: int, random: Random) -> tuple[int, int]:
    """Search with good documents and their pieces, filtered or not; return how many were answered and refused.

    Anything but an answer or a typed error ends the run.
    """
    answered = refused = 0
    good = [value for line in lines for accepted, value in [strict(line)] if accepted]
    with JSONIndex.open(folder) as index:
        for _ in range(count):
            query = random.choice(good)
            piece = random.choice([query, *(query.values() if isinstance(query, dict) else ())])
            where = random.choice([None, None, "id exists", "subject.sex = FEMALE", "['odd key'] missing"])
            try:
                hits = index.search(piece, 3, where=where, missing=random.choice(["ignore", "count"]))
                for hit in hits:
                    index.explain(piece, hit)
                answered += 1
            except HDCError:
                refused += 1
    return answered, refused


if __name__ == "__main__":
    sys.exit(main())
