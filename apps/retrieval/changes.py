"""The embedding index's side of the verbs that all indexes share, and command-line options for files of vectors."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdc.apps.verbs import COMPILED, Application
from hdc.errors import DimensionError, ParameterError

if TYPE_CHECKING:
    from hdc.apps.retrieval.files.vectors import VectorFile
    from hdc.apps.retrieval.index.embedding import EmbeddingIndex

FILES = "a .npy file or a Parquet file"


def add_vectors(parser: argparse.ArgumentParser, name: str = "vectors") -> None:
    """Add the argument for a file of vectors, and its column."""
    parser.add_argument(name, metavar=name.upper(), help="vectors: .npy or Parquet, may be larger than memory")
    parser.add_argument("--column", help="Parquet: column of the vectors (the only one of lists of floats)")


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Add the options for the keys of rows."""
    parser.add_argument("--keys", metavar="FILE", help="text file of keys, one line per row")
    parser.add_argument("--key-column", help="Parquet: column of keys")


def open_file(
    arguments: argparse.Namespace, *, name: str = "vectors", keyed: bool = False, labeled: bool = False
) -> "VectorFile":
    """Open the file of vectors that the user named; labels are read the same way as keys."""
    from hdc.apps.retrieval.files.vectors import open_vectors

    options = {"keys": arguments.keys, "key_column": arguments.key_column} if keyed else {}
    if labeled:
        options = {"keys": arguments.labels, "key_column": arguments.label_column}
    return open_vectors(getattr(arguments, name), column=arguments.column, **options)


def check_dim(vectors: "VectorFile", index: Any) -> None:
    """Raise DimensionError if the vectors and the index have different numbers of components."""
    if vectors.dim != index.model.n_features_in_:
        raise DimensionError(
            f"{vectors.path}: vectors have {vectors.dim} components, expected {index.model.n_features_in_} as in "
            "the index"
        )


def check_keys(keys: Any, replace: bool) -> None:
    """Raise ParameterError if ``put`` was given no keys to replace rows by."""
    if replace and keys is None:
        raise ParameterError("put replaces rows by key; pass --keys or --key-column")


def _open(path: str, writable: bool, backend: str) -> "EmbeddingIndex":
    from hdc.apps.retrieval.index.building import opened
    from hdc.apps.retrieval.index.folders import CODES_FOLDER
    from hdc.search.list_files import list_files_in

    # IVF lists kept on disk are rewritten after a change, in the layout of the kernels that search them.
    compiled = writable and bool(list_files_in(Path(path) / CODES_FOLDER))
    return opened(path, writable=writable, backend=COMPILED if compiled else backend)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    add_vectors(parser)
    add_keys(parser)


def _change(index: "EmbeddingIndex", arguments: argparse.Namespace, replace: bool) -> Any:
    vectors = open_file(arguments, keyed=True)
    check_dim(vectors, index)
    block = vectors.read()
    check_keys(block.keys, replace)
    return index.put(block.vectors, block.keys or []) if replace else index.add(block.vectors, block.keys)


def _details(index: "EmbeddingIndex") -> dict[str, Any]:
    model, originals = index.model, index.codes.originals
    return {
        "kind": f"embed, {index.kind}",
        "binarizer": type(model).__name__,
        "metric": model.space_.metric,
        "dim": model.n_features_in_,
        "bits": model.bits,
        "keeps": None if originals is None else originals.dtype,
        "trained": index.trained,
    }


def _export(index: "EmbeddingIndex", path: str) -> None:
    from hdc.apps.retrieval.files.exporting import export

    space = index.model.space_
    export(index.codes, path, space.center if space.metric == "l2" else None)


APPLICATION = Application(
    row="vector",
    inputs=f"{FILES} of vectors into memory. After an error, nothing is added",
    output="file to write: .parquet or .npz with ids, keys, and the vectors that the index keeps (of length 1 unless "
    "it keeps lengths), else their codes",
    open=_open,
    add_inputs=_add_inputs,
    change=_change,
    details=_details,
    export=_export,
)
