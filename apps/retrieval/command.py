"""``hdc embed``: train, index, search and eval, with the verbs that all indexes share."""

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from hdc.apps import verbs
from hdc.apps.retrieval import auto_command, shards_command, train_command
from hdc.apps.retrieval.changes import APPLICATION, add_keys, add_vectors, check_dim, open_file
from hdc.apps.retrieval.train_command import numbers
from hdc.errors import ParameterError

if TYPE_CHECKING:
    from hdc.apps.retrieval.files.vectors import VectorFile

PRECISIONS = ("int8", "uint8", "binary", "ubinary")
"""Same as :data:`hdc.apps.retrieval.vectors.quantized.PRECISIONS`, which printing help does not import."""

SLOWER = 32
"""With NumPy, scoring by a model takes this many times as long as comparing codes."""


def register(subparsers: Any) -> None:
    """Add ``embed`` and its subcommands to the parser of ``hdc``."""
    parser = subparsers.add_parser("embed", help="search float embeddings by small binary codes")
    commands = parser.add_subparsers(metavar="command", required=True)
    auto_command.register(commands)
    train_command.register(commands)
    _register_index(commands)
    _register_search(commands)
    verbs.register(commands, APPLICATION)
    shards_command.register(commands)
    _register_eval(commands)


def _register_index(commands: Any) -> None:
    parser = commands.add_parser(
        "index",
        help="make a searchable index of vectors",
        description="Encode vectors, block by block, into an index. Run the same command again to resume after an "
        "interruption. Ids are row numbers, from 0.",
    )
    add_vectors(parser)
    add_keys(parser)
    parser.add_argument("--model", help="folder written by hdc embed train")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="instead of a model: VECTORS is a .npy file that sentence-transformers or Cohere quantized this way",
    )
    parser.add_argument("--ranges", metavar="FILE", help="--precision int8 or uint8: .npy of minima and maxima")
    parser.add_argument("-o", "--output", required=True, metavar="INDEX", help="index to create or replace")
    parser.add_argument(
        "--kind", choices=("flat", "ivf", "hnsw", "graph"), help="kind of index (flat, or ivf if the model has lists)"
    )
    parser.add_argument("--lists", type=int, help="ivf: number of lists (4 times the root of the vectors)")
    parser.add_argument(
        "--keep", choices=("int8", "float16", "float32"), help="also keep the vectors, and rescore candidates exactly"
    )
    parser.add_argument("--block", type=int, default=16384, help="vectors per durable block (16384)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="encoding processes (1, with many threads)")
    verbs.add_cluster(parser)
    verbs.add_shared(parser)
    parser.add_argument("--seed", type=int, help="ivf: random seed of the lists found here (0)")
    verbs.add_backend(parser)
    parser.set_defaults(run=run_index)


def _register_search(commands: Any) -> None:
    parser = commands.add_parser("search", help="find the vectors nearest to each query")
    parser.add_argument("index", metavar="INDEX", help="index built by hdc embed index or auto")
    parser.add_argument(
        "queries",
        nargs="?",
        metavar="QUERIES",
        help="vectors (.npy of one or many, .npz or Parquet); with --encoder, texts, one per line",
    )
    parser.add_argument("--column", help="Parquet or .npz: column of the vectors (the only one)")
    parser.add_argument(
        "--text", action="append", default=[], help="text to search for, instead of QUERIES; repeatable"
    )
    parser.add_argument("--encoder", metavar="MODULE:NAME", help="your function from a list of texts to vectors")
    parser.add_argument("-k", type=int, default=10, help="number of hits per query (10)")
    _add_effort(parser)
    parser.add_argument("--prefix", type=int, metavar="BITS", help="find candidates by the first BITS of each code")
    parser.add_argument("--json", action="store_true", help="print JSON, one line per query")
    parser.add_argument("-o", "--output", metavar="FILE", help="write scores and ids to a file: .npz or .parquet")
    verbs.add_backend(parser)
    parser.set_defaults(run=run_search)


def _register_eval(commands: Any) -> None:
    parser = commands.add_parser(
        "eval",
        help="measure the recall, nDCG, size and speed of indexes",
        description="Compare indexes of the same vectors and metric with exact float search.",
    )
    add_vectors(parser)
    parser.add_argument("queries", metavar="QUERIES", help="file of query vectors")
    parser.add_argument("indexes", nargs="+", metavar="INDEX", help="index built by hdc embed index from these vectors")
    parser.add_argument("-k", type=int, default=10, help="measure recall@K (10)")
    parser.add_argument(
        "--candidates",
        type=numbers,
        default=[None],
        metavar="N,...",
        help="numbers of candidates to measure (10 times k)",
    )
    parser.add_argument(
        "--probes", type=numbers, default=[None], metavar="N,...", help="ivf: numbers of probes to measure (16)"
    )
    parser.add_argument(
        "--effort", type=numbers, default=[None], metavar="N,...", help="hnsw, graph: efforts to measure (64)"
    )
    parser.add_argument("--truth", metavar="FILE", help="store the exact neighbors in this .npz file, or reuse them")
    parser.add_argument(
        "--judgments", metavar="QRELS", help="relevance judgments: query, document, grade; or TREC's four columns"
    )
    parser.add_argument("--binary", action="store_true", help="treat every grade above 0 as 1")
    parser.add_argument("--first", type=int, help="number of the first query and document in QRELS (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--plot", metavar="FILE", help="plot recall against size and speed (.png, .svg, .pdf)")
    parser.set_defaults(run=run_eval)


def _add_effort(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--candidates", type=int, help="hits found by codes and then rescored (10 times k)")
    parser.add_argument("--probes", type=int, help="ivf: lists to search (16)")
    parser.add_argument("--effort", type=int, help="hnsw, graph: width of the graph search (64)")


def run_index(arguments: argparse.Namespace) -> int:
    """Run ``hdc embed index``."""
    from hdc.apps.retrieval.index.building import build

    output = arguments.output
    if arguments.precision is not None:
        return _index_quantized(arguments)
    if arguments.model is None or arguments.ranges is not None:
        raise ParameterError(
            "--ranges needs --precision" if arguments.model else "pass --model, or --precision for ready-made codes"
        )
    if arguments.seed is not None and arguments.kind != "ivf":
        raise ParameterError("--seed is for the lists that --kind ivf finds here; a model brings its own lists")
    report = build(
        open_file(arguments, keyed=True),
        arguments.model,
        output,
        kind=arguments.kind,
        keep=arguments.keep,
        lists=arguments.lists,
        block=arguments.block,
        workers=arguments.workers,
        cluster=arguments.cluster,
        shared=arguments.shared,
        seed=arguments.seed or 0,
        backend=arguments.backend or verbs.COMPILED,
    )
    return _print_made(report, output)


def _index_quantized(arguments: argparse.Namespace) -> int:
    """Run ``hdc embed index --precision``."""
    from hdc.apps.retrieval.index.building_quantized import build_quantized

    others = ("model", "column", "key_column", "lists", "keep", "cluster", "shared", "seed")
    given = [name for name in others if getattr(arguments, name) is not None]
    if given or arguments.workers != 1:
        wrong = ", ".join("--" + name.replace("_", "-") for name in given or ["workers"])
        raise ParameterError(f"--precision indexes ready-made codes and encodes nothing; leave {wrong} out")
    report = build_quantized(
        arguments.vectors,
        arguments.precision,
        arguments.output,
        ranges=arguments.ranges,
        keys=arguments.keys,
        kind=arguments.kind,
        backend=arguments.backend or verbs.COMPILED,
    )
    return _print_made(report, arguments.output)


def _print_made(report: Any, output: str) -> int:
    count = verbs.counted_rows(report.vectors, "vector")
    print(f"{count} in {output} ({verbs.size_of(output) / 1e6:.1f} MB, {report.kind})")
    return 0


def run_search(arguments: argparse.Namespace) -> int:
    """Run ``hdc embed search``."""
    from hdc.apps.retrieval.files import results
    from hdc.apps.retrieval.index.embedding import EmbeddingIndex
    from hdc.apps.retrieval.index.folders import CODES_FOLDER
    from hdc.apps.retrieval.index.shards import searched
    from hdc.search.shards import shard_paths

    queries = _queries(arguments)
    writer = None if arguments.output is None else results.writer(arguments.output)
    places = shard_paths(arguments.index)
    codes, times = os.path.join(places[0], CODES_FOLDER), SLOWER * queries.rows * len(places)
    backend = arguments.backend or verbs.backend_for(codes, EmbeddingIndex.KIND, times)
    with searched(arguments.index, backend=backend) as index:
        block = queries.read()
        check_dim(queries, index)
        options = {name: getattr(arguments, name) for name in ("candidates", "probes", "effort", "prefix")}
        scores, ids = index.search(block.vectors, arguments.k, **options)  # the rest as the index remembers it
        keys = index.keys(ids)
    if writer is not None:
        writer(scores, ids, keys)
        print(f"{len(ids)} queries in {arguments.output}")
    elif arguments.json:
        verbs.show(results.json_lines(scores, ids, keys))
    else:
        verbs.show(results.text_lines(scores, ids, keys))
    return 0


def _queries(arguments: argparse.Namespace) -> "VectorFile":
    """Return the query vectors, made by the user's encoder if there is one."""
    from hdc.apps.retrieval.files import queries

    if (arguments.queries is None) != bool(arguments.text):
        raise ParameterError("pass a file of queries or --text, not both")
    if arguments.text and arguments.encoder is None:
        raise ParameterError("--text needs --encoder module:function, which turns texts into vectors")
    if arguments.text:
        return queries.encode_texts(arguments.text, arguments.encoder)
    if arguments.encoder is None:
        return queries.open_queries(arguments.queries, arguments.column)
    if arguments.column is not None:
        raise ParameterError("--column is for files of vectors; with --encoder, the file contains texts")
    return queries.encode_lines(arguments.queries, arguments.encoder)


def run_eval(arguments: argparse.Namespace) -> int:
    """Run ``hdc embed eval``."""
    from dataclasses import asdict

    from hdc.apps.retrieval.evaluation import comparison, plots, report
    from hdc.apps.retrieval.files.vectors import open_vectors

    if arguments.judgments is None and (arguments.binary or arguments.first is not None):
        raise ParameterError("--binary and --first need --judgments")
    if arguments.plot:
        plots.check()
    rows = comparison.compare(
        open_file(arguments),
        open_vectors(arguments.queries),
        arguments.indexes,
        arguments.k,
        candidates=arguments.candidates,
        probes=arguments.probes,
        effort=arguments.effort,
        truth=arguments.truth,
        judgments=None if arguments.judgments is None else _judgments(arguments),
        first=1 if arguments.first is None else arguments.first,
    )
    if arguments.json:
        verbs.show([json.dumps(asdict(row)) for row in rows])
    else:
        verbs.show(report.table(rows, arguments.k))
    if arguments.plot:
        plots.save(rows, arguments.k, arguments.plot)
    return 0


def _judgments(arguments: argparse.Namespace) -> dict[str, dict[str, int]]:
    from hdc.apps.retrieval.evaluation.judgments import read_judgments

    return read_judgments(arguments.judgments, binary=arguments.binary)
