"""``hdc codes``: index and search packed codes, with the verbs that all indexes share."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdc.apps import verbs
from hdc.apps.retrieval.changes import FILES, add_keys, check_keys
from hdc.errors import DimensionError

if TYPE_CHECKING:
    from hdc.apps.retrieval.files.codes import CodeFile
    from hdc.apps.retrieval.index.binary import BinaryIndex

BITORDER = "bitorder"
"""Entry of an index's meta: the bit order of the bytes it was built from."""

BLOCK = 1 << 16
"""Codes per durable block."""

TRAINING = 50_000
"""Most codes that IVF lists are trained on."""


def register(subparsers: Any) -> None:
    """Add ``codes`` and its subcommands to the parser of ``hdc``."""
    parser = subparsers.add_parser("codes", help="search packed binary codes")
    commands = parser.add_subparsers(metavar="command", required=True)
    parser = commands.add_parser(
        "index",
        help="build a searchable index of codes",
        description=f"Build an index of codes, block by block. Ids are row numbers, from 0. {verbs.RESUMES}",
    )
    _add_codes(parser)
    add_keys(parser)
    parser.add_argument("-o", "--output", required=True, metavar="INDEX", help="index to create or replace")
    parser.add_argument("--bits", type=int, help="number of bits that count (all)")
    parser.add_argument("--kind", choices=("flat", "ivf", "hnsw"), default="flat", help="kind of index (flat)")
    parser.add_argument("--lists", type=int, help="ivf: number of lists (4 times the root of the codes)")
    parser.add_argument("--seed", type=int, default=0, help="ivf: random seed of the lists (0)")
    verbs.add_backend(parser)
    parser.set_defaults(run=run_index)
    parser = commands.add_parser("search", help="find the codes nearest to each query by Hamming distance")
    parser.add_argument("index", metavar="INDEX", help="index built by hdc codes index")
    _add_codes(parser, "queries")
    parser.add_argument("-k", type=int, default=10, help="number of hits per query (10)")
    parser.add_argument("--probes", type=int, help="ivf: lists to search (16)")
    parser.add_argument("--effort", type=int, help="hnsw: width of the graph search (64)")
    parser.add_argument("--json", action="store_true", help="print JSON, one line per query")
    parser.add_argument("-o", "--output", metavar="FILE", help="write distances and ids to a file: .npz or .parquet")
    verbs.add_backend(parser)
    parser.set_defaults(run=run_search)
    verbs.register(commands, APPLICATION)


def _add_codes(parser: argparse.ArgumentParser, name: str = "codes") -> None:
    parser.add_argument(name, metavar=name.upper(), help="packed bits: .npy of uint8 or uint64, or Parquet")
    parser.add_argument("--column", help="Parquet: column of the codes (the only one of bytes)")
    parser.add_argument(
        "--bitorder",
        choices=("little", "big"),
        help="first bit of each byte: the lowest (little), or the highest, as numpy.packbits writes it (big); by "
        "default as the index was made",
    )


def run_index(arguments: argparse.Namespace) -> int:
    """Run ``hdc codes index``."""
    from hdc.apps.progress import tracked
    from hdc.apps.retrieval.files.codes import open_codes
    from hdc.apps.retrieval.files.vectors import file_state
    from hdc.apps.retrieval.index.binary import BinaryIndex
    from hdc.search.build import Build

    output, kind, backend = arguments.output, arguments.kind, arguments.backend or verbs.COMPILED
    codes = open_codes(arguments.codes, bits=arguments.bits, **_options(arguments))
    options = {name: vars(arguments)[name] for name in ("kind", "lists", "seed", "column", "key_column")}
    task = {
        "options": {**options, "bits": codes.bits, "bitorder": codes.bitorder},
        "inputs": [file_state(path) for path in (codes.path, codes.keys) if path is not None],
    }

    def create(folder: Path) -> BinaryIndex:
        index = BinaryIndex(codes.bits, kind=kind, path=folder, backend=backend)
        index.store.set_meta({**index.store.meta, BITORDER: codes.bitorder})
        return index

    with Build(output, BinaryIndex.KIND, inputs=[codes.path]) as place:
        told = place.begin(task)
        if told is not None:
            print(told, file=sys.stderr)
        with place.opened(lambda folder: BinaryIndex.open(folder, writable=True, backend=backend), create) as index:
            if kind == "ivf" and index.coarse is None:
                index.train(codes.sample(TRAINING, arguments.seed), arguments.lists, seed=arguments.seed)
            done, total = len(index), -(-codes.rows // BLOCK)
            for part in tracked(codes.blocks(done, BLOCK), total, done // BLOCK, unit="blocks"):
                index.add(part.codes, keys=part.keys)
            count = len(index)
        place.finish()
    size = verbs.size_of(output) / 1e6
    print(f"{verbs.counted_rows(count, 'code')} of {codes.bits} bits in {output} ({size:.1f} MB, {kind})")
    return 0


def run_search(arguments: argparse.Namespace) -> int:
    """Run ``hdc codes search``."""
    from hdc.apps.retrieval.files import results
    from hdc.apps.retrieval.index.binary import BinaryIndex

    writer = None if arguments.output is None else results.writer(arguments.output, "distance")
    given = {"probes": arguments.probes, "effort": arguments.effort}
    with _open(arguments.index, False, verbs.PLAIN) as index:
        queries = _open_for(index, arguments.queries, arguments).read()
    backend = arguments.backend or verbs.backend_for(arguments.index, BinaryIndex.KIND, len(queries.codes))
    with _open(arguments.index, False, backend) as index:
        distances, ids = index.search(queries.codes, arguments.k, **{n: v for n, v in given.items() if v is not None})
        keys = index.keys(ids)
    if writer is not None:
        writer(distances, ids, keys)
        print(f"{len(ids)} queries in {arguments.output}")
    elif arguments.json:
        verbs.show(results.json_lines(distances, ids, keys, "distance"))
    else:
        verbs.show(results.text_lines(distances, ids, keys, "distance"))
    return 0


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("bitorder", "column", "keys", "key_column")
    return {name: vars(arguments)[name] for name in names if name in vars(arguments)}


def _open_for(index: "BinaryIndex", path: str, arguments: argparse.Namespace) -> "CodeFile":
    """Open a file of codes of the same size as those of an index."""
    from hdc.apps.retrieval.files.codes import open_codes
    from hdc.words import WORD_BITS, word_count

    opened = open_codes(path, default=index.store.meta.get(BITORDER), **_options(arguments))
    if opened.bits not in (index.dim, 8 * -(-index.dim // 8), WORD_BITS * word_count(index.dim)):
        raise DimensionError(f"{path}: codes have {opened.bits} bits, expected {index.dim} as in the index")
    return replace(opened, bits=index.dim)


def _open(path: str, writable: bool, backend: str) -> "BinaryIndex":
    from hdc.apps.retrieval.index.binary import BinaryIndex

    return BinaryIndex.open(path, writable=writable, backend=backend)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    _add_codes(parser)
    add_keys(parser)


def _change(index: "BinaryIndex", arguments: argparse.Namespace, replace: bool) -> Any:
    block = _open_for(index, arguments.codes, arguments).read()
    check_keys(block.keys, replace)
    return index.put(block.codes, block.keys or []) if replace else index.add(block.codes, keys=block.keys)


def _details(index: "BinaryIndex") -> dict[str, Any]:
    trained = index.kind != "ivf" or index.coarse is not None
    return {
        "kind": f"codes, {index.kind}",
        "bits": index.dim,
        "levels": index.levels,
        "bit_order": index.store.meta.get(BITORDER),
        "trained": trained,
    }


def _export(index: "BinaryIndex", path: str) -> None:
    from hdc.apps.retrieval.files.exporting import export

    export(index, path)


APPLICATION = verbs.Application(
    row="code",
    inputs=f"{FILES} of packed bits into memory. After an error, nothing is added",
    output="file to write: .parquet or .npz with ids, keys and codes",
    open=_open,
    add_inputs=_add_inputs,
    change=_change,
    details=_details,
    export=_export,
)
