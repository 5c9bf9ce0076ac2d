"""Write a large JSON Lines file of made-up patients: real phenopackets, repeated with changed values.

Copy i of a document has an id, a date of creation, an age and a weight of its own, and a fifth of its findings
are those of other documents; document i is the same on every run and machine. Data: ``phenopackets.jsonl.gz`` in
the folder named by ``HDC_BENCH_DATA``.
Run: ``HDC_BENCH_DATA=... python benchmarks/json_corpus.py patients.jsonl --gigabytes 1``.
"""

import argparse
import datetime
import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

CHANGED = 0.2
"""Part of the findings, or of the leaves, that are replaced."""

FIRST_DAY = datetime.date(2000, 1, 1)
DAYS = 9000


def phenopackets() -> list[dict[str, Any]] | None:
    """Return the real documents with their labels, or None, with a line that says so, if they are not there."""
    path = Path(os.environ.get("HDC_BENCH_DATA", "")) / "phenopackets.jsonl.gz"
    if not path.is_file():
        print("skipped: set HDC_BENCH_DATA to a folder that holds phenopackets.jsonl.gz")
        return None
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def enlarged(documents: list[dict[str, Any]], count: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield ``count`` changed copies of documents, or copies without end."""
    pool = [finding for document in documents for finding in document.get("phenotypicFeatures", ())]
    number = 0
    while number != count:
        yield changed(documents[number % len(documents)], pool, number)
        number += 1


def changed(document: dict[str, Any], pool: list[Any], number: int) -> dict[str, Any]:
    """Return copy ``number`` of a document; the parts that it shares with the original must not be written to."""
    random = Random(number)
    findings = document.get("phenotypicFeatures", ())
    age = f"P{random.randrange(90)}Y{random.randrange(12)}M"
    return {
        **document,
        "id": f"patient-{number}",
        "created": str(FIRST_DAY + datetime.timedelta(random.randrange(DAYS))),
        "subject": {
            **document.get("subject", {}),
            "timeAtLastEncounter": {"age": {"iso8601duration": age}},
            "weight": round(random.lognormvariate(4, 0.4), 1),
        },
        "phenotypicFeatures": [random.choice(pool) if random.random() < CHANGED else one for one in findings],
    }


def recombined(documents: list[Any], count: int) -> Iterator[Any]:
    """Yield objects with an ``id``, then copies with ids of their own and some leaves of others at the same path."""
    pool: dict[str, list[Any]] = {}
    for document in documents:
        _gather(document, "", pool)
    for number in range(count):
        document = documents[number % len(documents)]
        if number >= len(documents):
            other = _replaced(document, "", pool, Random(number))
            document = {**other, "id": f"{document['id']}.{number // len(documents)}"}
        yield document


def _gather(value: Any, path: str, pool: dict[str, list[Any]]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _gather(item, f"{path}.{key}", pool)
    elif isinstance(value, list):
        for item in value:
            _gather(item, f"{path}[]", pool)
    else:
        pool.setdefault(path, []).append(value)


def _replaced(value: Any, path: str, pool: dict[str, list[Any]], random: Random) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, f"{path}.{key}", pool, random) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, f"{path}[]", pool, random) for item in value]
    return random.choice(pool[path]) if random.random() < CHANGED else value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", help="the JSON Lines file to write")
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--documents", type=int, help="number of documents")
    size.add_argument("--gigabytes", type=float, help="least size of the file, in units of 10^9 bytes")
    arguments = parser.parse_args()
    cases = phenopackets()
    if cases is None:
        return 0
    least = (arguments.gigabytes or 0) * 1e9
    written = documents = 0
    with open(arguments.output, "wb") as file:
        for document in enlarged([case["document"] for case in cases], arguments.documents):
            written += file.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
            documents += 1
            if arguments.documents is None and written >= least:
                break
    print(f"{documents:,} documents, {written / 1e9:.2f} GB in {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
