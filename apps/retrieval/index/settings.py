"""Derive the settings of a model's index of codes: its dimensions, its kind, and the originals it keeps."""

from typing import Any

import numpy as np

from hdc.apps.retrieval.binarizers import Binarizer, RaBitQBinarizer, ScalarBinarizer
from hdc.apps.retrieval.binarizers.estimating import EstimatingBinarizer
from hdc.apps.retrieval.index.binary import KINDS, BinaryIndex, Kind
from hdc.dispatch import graph_kernels
from hdc.errors import FileFormatError, ParameterError, UnsupportedError
from hdc.words import WORD_BITS, word_count

ROUNDING = 1e-3
"""Tolerance: a center of unit vectors may be this much longer than 1."""


WALKED = "walked"
"""Entry of the meta of an index that is searched by a graph."""


def settings_of(model: Binarizer, kind: Kind | None, keep: str | None) -> tuple[int, dict[str, Any]]:
    """Return the dimensions and the settings of the :class:`BinaryIndex` of a model's codes.

    Raises
    ------
    ParameterError
        If the model was fitted to vectors longer than unit vectors.
    UnsupportedError
        If ``kind`` cannot search codes of the model.
    """
    dim, levels = model.bits // model.levels, model.levels
    if isinstance(kind, str) and kind == "graph":
        _check_graph(model, keep)
        kind = None
    if isinstance(model, ScalarBinarizer):
        if kind in KINDS and kind != "flat":
            raise UnsupportedError(f"scalar codes need kind='flat'; kind={kind!r} compares codes by Hamming distance")
        dim, levels = model.words * WORD_BITS, 1
    if isinstance(model, EstimatingBinarizer):
        _check_kind(kind, model)
        dim, levels = model.words * WORD_BITS, 1
        kind = "flat" if kind in KINDS else kind
    _check_lengths(model)
    kept = None if keep is None else _originals(model, keep)
    kind = "flat" if kind is None else kind
    return dim, {"levels": levels, "kind": kind, "originals": kept, "backend": model.backend}


def check_made_by(model: Binarizer, codes: BinaryIndex) -> None:
    """Raise FileFormatError if a model cannot have made the codes of an index."""
    if codes.levels * word_count(codes.dim) != model.words:
        raise FileFormatError(f"the model makes codes of {model.words} words, but the index has others")
    if codes.originals is not None and tuple(codes.originals.settings[1:]) != _originals(model, "int8")[1:]:
        raise FileFormatError(f"the model takes {model.n_features_in_} components, but the originals have others")


def _originals(model: Binarizer, dtype: str) -> tuple[str, int] | tuple[str, int, bool]:
    """Return how originals are kept: with their lengths unless the metric is cosine."""
    kept = dtype, model.n_features_in_
    return kept if model.space_.metric == "cosine" else (*kept, True)


def _check_kind(kind: Kind | None, model: EstimatingBinarizer) -> None:
    """Raise UnsupportedError if ``kind`` is not the kind of the model's codes."""
    made = "ivf" if model.lists_ > 1 else "flat"
    if kind in KINDS and kind != made:
        raise UnsupportedError(
            f"RaBitQ codes are not compared by Hamming distance, as kind={kind!r} does; a {type(model).__name__} of "
            f"lists={model.lists_} needs kind={made!r}"
        )


def _check_graph(model: Binarizer, keep: str | None) -> None:
    """Raise UnsupportedError if a graph cannot search vectors of the model."""
    if not isinstance(model, RaBitQBinarizer) or model.lists_ < 2:
        raise UnsupportedError(
            "kind='graph' needs RaBitQ codes in lists; fit a RaBitQBinarizer(lists=n) with one list per 250 to 1000 "
            "vectors"
        )
    if keep != "int8":
        raise UnsupportedError(f"kind='graph' compares vectors kept as int8; pass keep='int8', not {keep!r}")
    graph_kernels(model.kernels)


def _check_lengths(model: Binarizer) -> None:
    """Raise ParameterError if the model does not normalize vectors and was fitted to vectors longer than 1."""
    if not model.space_.as_given:
        return
    longest = model.longest_center if isinstance(model, RaBitQBinarizer) else float(np.linalg.norm(model.mean_))
    if longest > 1 + ROUNDING:
        raise ParameterError(
            f"the model was fitted to vectors of length {longest:.3g} or more, but an index compares unit vectors; "
            "fit it to x / np.linalg.norm(x, axis=1, keepdims=True)"
        )
