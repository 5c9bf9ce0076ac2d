"""Which index of codes a model needs: its dimensions, its kind, and what it keeps of vectors."""

from typing import Any

import numpy as np

from hdc.apps.retrieval.binarizers import Binarizer, RaBitQBinarizer, ScalarBinarizer
from hdc.apps.retrieval.binarizers.estimating import EstimatingBinarizer
from hdc.apps.retrieval.index.binary import KINDS, BinaryIndex, Kind
from hdc.dispatch import graph_kernels
from hdc.errors import FileFormatError, ParameterError, UnsupportedError
from hdc.words import WORD_BITS, word_count

ROUNDING = 1e-3
"""A center of unit vectors may be longer than 1 by so much."""


WALKED = "walked"
"""Entry of the meta of an index whose codes, and lists, are searched by way of a graph."""


def settings_of(model: Binarizer, kind: Kind | None, keep: str | None) -> tuple[int, dict[str, Any]]:
    """Return the dimensions and the settings of the :class:`BinaryIndex` of a model's codes.

    Raises
    ------
    ParameterError
        If the model was fitted to longer vectors than unit vectors.
    UnsupportedError
        If codes of the model are not searched in that way.
    """
    dim, levels = model.bits // model.levels, model.levels
    if isinstance(kind, str) and kind == "graph":
        _check_graph(model, keep)
        kind = None
    if isinstance(model, ScalarBinarizer):
        if kind in KINDS and kind != "flat":
            raise UnsupportedError(f"scalar codes are scanned, kind='flat', and not compared by bits as {kind!r} does")
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
    """Raise FileFormatError if an index of codes is none of a model's codes."""
    if codes.levels * word_count(codes.dim) != model.words:
        raise FileFormatError(f"the model makes codes of {model.words} words, and the index has others")
    if codes.originals is not None and tuple(codes.originals.settings[1:]) != _originals(model, "int8")[1:]:
        raise FileFormatError(f"the model takes {model.n_features_in_} components, and originals differ")


def _originals(model: Binarizer, dtype: str) -> tuple[str, int] | tuple[str, int, bool]:
    """Return how originals are kept: with their lengths, where these count."""
    kept = dtype, model.n_features_in_
    return kept if model.space_.metric == "cosine" else (*kept, True)


def _check_kind(kind: Kind | None, model: EstimatingBinarizer) -> None:
    """Raise UnsupportedError if an index of the model's codes is of another kind."""
    made = "ivf" if model.lists_ > 1 else "flat"
    if kind in KINDS and kind != made:
        raise UnsupportedError(
            f"RaBitQ codes are not compared by their bits, as {kind!r} does; a {type(model).__name__} of "
            f"lists={model.lists_} makes kind={made!r}"
        )


def _check_graph(model: Binarizer, keep: str | None) -> None:
    """Raise UnsupportedError if vectors of the model are not walked."""
    if not isinstance(model, RaBitQBinarizer) or model.lists_ < 2:
        raise UnsupportedError(
            "kind='graph' walks RaBitQ codes, and is built with their lists; fit a RaBitQBinarizer(lists=n), with "
            "one list for 250 to 1000 vectors"
        )
    if keep != "int8":
        raise UnsupportedError(f"kind='graph' compares vectors kept as int8; give keep='int8', not {keep!r}")
    graph_kernels(model.kernels)


def _check_lengths(model: Binarizer) -> None:
    """Raise ParameterError if the model takes vectors as they are, and was fitted to longer ones than an index has."""
    if not model.space_.as_given:
        return
    longest = model.longest_center if isinstance(model, RaBitQBinarizer) else float(np.linalg.norm(model.mean_))
    if longest > 1 + ROUNDING:
        raise ParameterError(
            f"the model was fitted to vectors of length {longest:.3g} or more, and an index compares unit vectors; "
            "fit it to x / np.linalg.norm(x, axis=1, keepdims=True)"
        )
