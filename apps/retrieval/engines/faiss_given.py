"""Import RaBitQ codes from FAISS: the same lists, bits and factors, without the vectors.

FAISS's ``IndexIVFRaBitQ`` and ``IndexRaBitQ`` store signs, or grid vectors y, of ``r = P x - c``, and a few numbers per
code (see :mod:`~hdc.apps.retrieval.engines.faiss_rabitq`). With ``E(v) = scale (y . v)`` they estimate the product of r
with ``P q - c`` by ``E(P q) - E(c)``. A :class:`GivenRaBitQBinarizer` estimates the product with the query by
``E(P q) + offset + c . P q``. So the offset is the constant of r that FAISS's numbers give, minus ``E(c)``. For
distances, that product is half of ``|q|^2`` minus the squared distance. P is the ``IndexPreTransform`` in front of the
index. Lists are found as FAISS's quantizer finds them.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.estimating import E0
from hdc.apps.retrieval.binarizers.rabitq_factors import WHOLE
from hdc.apps.retrieval.binarizers.rabitq_given import ROUNDING, GivenRaBitQBinarizer, norm_word
from hdc.apps.retrieval.engines.exchange import BATCH, Ids, names_of
from hdc.apps.retrieval.engines.faiss_lists import content_of, nearest_of_quantizer
from hdc.apps.retrieval.engines.tables import library
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.errors import ParameterError, UnsupportedError
from hdc.search.folders import filled
from hdc.words import Words, from_bytes, pack

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

WAY_OUT = "search it with FAISS, or add the vectors to an EmbeddingIndex"


def rabitq_from_faiss(
    theirs: Any,
    *,
    keys: Mapping[int, str] | None = None,
    path: str | os.PathLike[str] | None = None,
    backend: str = "auto",
) -> EmbeddingIndex:
    """Return an index of the RaBitQ codes in a FAISS index, with the same results at equal probes.

    Scores are FAISS's for float queries (``qb = 0``): cosines, inner products or negated squared distances. You can add
    vectors, which get codes by the same rotation and centers.

    Parameters
    ----------
    theirs : faiss.Index
        ``IndexIVFRaBitQ`` or ``IndexRaBitQ`` of 1 to 9 bits. It may be in id maps, and behind an ``IndexPreTransform``
        of rotations, centering (for distances) and normalization (the metric is then ``"cosine"``). The quantizer of
        its lists is an ``IndexFlat``, an ``IndexHNSWFlat`` (searched exactly here) or one of
        :func:`~hdc.apps.retrieval.engines.faiss_rabitq.rabitq_to_faiss`.
    keys : mapping of ids to texts, optional
        Keys of the rows; FAISS stores none. Ids below 0 or from 2**32 on become keys, and rows are numbered in order.
    path : path, optional
        A new folder for the index; after an error it does not exist.
    backend : str

    Raises
    ------
    UnsupportedError
        If it is of another type, or a transform changes distances, for example a projection to fewer components.
    ParameterError
        If it is not trained, its numbers are not finite, or two rows have the same key.
    PaddingError
        If bits beyond the last component are set.
    BackendUnavailableError
        If FAISS is not installed.

    Examples
    --------
    >>> import faiss
    >>> import numpy as np
    >>> from hdc.apps.retrieval.engines.faiss_given import rabitq_from_faiss
    >>> x = np.random.default_rng(0).standard_normal((1000, 64)).astype(np.float32)
    >>> theirs = faiss.index_factory(64, "RR64,IVF8,RaBitQ")
    >>> theirs.train(x)
    >>> theirs.add(x)
    >>> index = rabitq_from_faiss(theirs)
    >>> index.metric, index.lists, len(index)
    ('l2', 8, 1000)
    >>> index.search(x[:3], k=1)[1].ravel()
    array([0, 1, 2])
    """
    faiss = library("faiss", "faiss")
    layers = _Layers(faiss, theirs)
    inner: Any = layers.inner
    if not inner.is_trained:
        raise ParameterError(f"the {type(inner).__name__} is not trained; train it and add vectors")
    levels, by_distance = int(getattr(inner.rabitq, "nb_bits", 1)), inner.metric_type == faiss.METRIC_L2
    model = GivenRaBitQBinarizer.of(
        **_lists(faiss, inner), **layers.mapping(by_distance), component_bits=levels, backend=backend
    )
    content, cells, ids = _content(faiss, inner)
    if layers.ids is not None:
        ids = layers.ids[ids]
    kept, names = names_of(ids, keys)
    order = np.argsort(ids, kind="stable")
    reading = _Reading(model, by_distance)

    def fill(made: EmbeddingIndex) -> None:
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            codes = reading.codes(content[part], cells[part])
            own = None if names is None else [names[row] for row in part.tolist()]
            made.store.append(made.codes.columns(codes, None), own, ids=None if kept is None else kept[part])

    def create(folder: Path | None) -> EmbeddingIndex:
        return EmbeddingIndex.create(folder, model)

    return filled(path, create, fill, lambda folder: EmbeddingIndex.open(folder, writable=True, backend=backend))


class _Layers:
    """The layers around an index of RaBitQ codes: id maps, and transforms of vectors.

    Attributes
    ----------
    inner : faiss.IndexIVFRaBitQ or faiss.IndexRaBitQ
    ids : (n,) int64 array or None
        The outermost ids of the rows of ``inner``; None without an id map.
    """

    def __init__(self, faiss: Any, theirs: Any) -> None:
        self.faiss, self.ids, self._steps = faiss, None, []
        self._owner = theirs  # a downcast index does not own its memory
        if not isinstance(theirs, faiss.Index):
            raise UnsupportedError(f"theirs must be a FAISS index with RaBitQ codes, not {type(theirs).__name__}")
        inner: Any = faiss.downcast_index(theirs)
        while isinstance(inner, faiss.IndexIDMap | faiss.IndexIDMap2 | faiss.IndexPreTransform):
            if isinstance(inner, faiss.IndexPreTransform):
                chain = inner.chain
                self._steps += [faiss.downcast_VectorTransform(chain.at(n)) for n in range(chain.size())]
            else:
                own: Ids = faiss.vector_to_array(inner.id_map)
                self.ids = own if self.ids is None else self.ids[own]
            inner = faiss.downcast_index(inner.index)
        if not isinstance(inner, tuple(getattr(faiss, name) for name in ("IndexIVFRaBitQ", "IndexRaBitQ"))):
            raise UnsupportedError(
                f"theirs must be an IndexIVFRaBitQ or IndexRaBitQ, not {type(inner).__name__}; {WAY_OUT}"
            )
        self.inner = inner

    def mapping(self, by_distance: bool) -> dict[str, Any]:
        """Return metric, rotation and origin of a model that maps vectors as the transforms do."""
        faiss, d = self.faiss, self._owner.d
        matrix, bias, unit = np.eye(d), np.zeros(d), False
        for step in self._steps:
            if isinstance(step, faiss.NormalizationTransform) and step.norm == 2 and not bias.any():
                unit = True
            elif isinstance(step, faiss.CenteringTransform):
                bias = bias - faiss.vector_to_array(step.mean)
            elif isinstance(step, faiss.LinearTransform) and (step.d_in, step.d_out) == (d, d):
                own = faiss.vector_to_array(step.A).reshape(d, d).astype(np.float64)
                matrix, bias = own @ matrix, own @ bias
                bias += faiss.vector_to_array(step.b) if step.have_bias else 0
            else:
                raise UnsupportedError(
                    f"a {type(step).__name__} from {step.d_in} to {step.d_out} components in front of the codes is not "
                    f"supported: rotations, centering and normalization are; {WAY_OUT}"
                )
        if np.abs(matrix @ matrix.T - np.eye(d)).max() > ROUNDING:
            raise UnsupportedError(f"the transform in front of the codes is not a rotation; {WAY_OUT}")
        metric = "cosine" if unit else "l2" if by_distance else "ip"
        if bias.any() and metric != "l2":
            raise UnsupportedError(f"centering is supported for distances, not for metric={metric!r}; {WAY_OUT}")
        rotates = any(isinstance(step, faiss.LinearTransform) for step in self._steps)
        return {"metric": metric, "rotation": matrix if rotates else None, "origin": -matrix.T @ bias}


def _lists(faiss: Any, inner: Any) -> dict[str, Any]:
    """Return the centers, and the rows that find the nearest lists."""
    if isinstance(inner, faiss.IndexRaBitQ):
        return {"centers": faiss.vector_to_array(inner.center)[None]}
    if not inner.by_residual:
        raise UnsupportedError(f"lists of by_residual=False are not supported; {WAY_OUT}")
    quantizer = faiss.downcast_index(inner.quantizer)
    if quantizer.ntotal != inner.nlist:
        raise ParameterError(f"the index has {inner.nlist} lists, but its quantizer has {quantizer.ntotal} centers")
    return {"centers": quantizer.reconstruct_n(0, inner.nlist), "nearest": nearest_of_quantizer(faiss, quantizer)}


def _content(faiss: Any, inner: Any) -> tuple[Bytes, Ids, Ids]:
    """Return FAISS's bytes of all rows, ``(n, code_size)``, their lists and their ids."""
    if isinstance(inner, faiss.IndexRaBitQ):
        rows = faiss.vector_to_array(inner.codes).reshape(inner.ntotal, inner.code_size)
        return rows, np.zeros(len(rows), dtype=np.int64), np.arange(len(rows), dtype=np.int64)
    numbers, content, ids = content_of(faiss, inner)
    cells = np.repeat(np.array(numbers, dtype=np.int64), [len(rows) for rows in content])
    return np.concatenate([np.empty((0, inner.code_size), dtype=np.uint8), *content]), cells, ids


@dataclass(frozen=True)
class _Reading:
    """Translates FAISS's bytes into codes of a model."""

    model: GivenRaBitQBinarizer
    by_distance: bool

    def codes(self, content: Bytes, cells: Ids) -> Words:
        """Return the codes ``(n, words)`` of ``(n, code_size)`` bytes in lists."""
        model, d = self.model, self.model.dim_
        size, more = -(-d // 8), -(-d * (model.levels - 1) // 8)
        signs = from_bytes(content[:, :size], d, bitorder="little")
        known, factor = _numbers(content[:, size : size + 8])
        scale = factor / np.float32(math.sqrt(d))
        words = [signs, self._word(self._known(known, cells), signs, scale, cells, (1,))]
        if model.levels > 1:
            (error,) = _numbers(content[:, size + 8 : size + 12])
            planes = np.concatenate([signs, self._planes(content[:, size + 12 : size + 12 + more])], axis=1)
            known, factor = _numbers(content[:, size + 12 + more :])
            known = self._known(known, cells) if self.by_distance else known
            scale = factor / np.float32(-4 if self.by_distance else 2)
            weights = [1 << level for level in range(model.levels - 1, -1, -1)]
            spread = error * np.float32(math.sqrt(d - 1) / E0 / (2 if self.by_distance else 1))
            norm = np.sqrt(np.maximum(0, _numbers(content[:, size + 4 : size + 8])[0] ** 2 - spread**2))
            words = [planes, words[1], self._word(known, planes, scale, cells, weights), norm_word(norm)]
        return model.code(words, cells)

    def _known(self, known: Floats, cells: Ids) -> Floats:
        """Return ``r . c``, or for distances ``-(|r|^2 + |c|^2) / 2``, plus 1/2 if vectors are normalized."""
        squares = (self.model.state["centers"][cells] ** 2).sum(axis=1)
        unit = self.by_distance and self.model.metric == "cosine"
        return np.asarray(np.float32(0.5 if unit else 0) - (known + squares) / 2)

    def _word(self, known: Floats, planes: Words, scale: Floats, cells: Ids, weights: Any) -> Words:
        """Return the words with scale and offset."""
        factors = np.zeros(len(planes), dtype=WHOLE)
        factors["scale"], factors["offset"] = scale, known - self.model.constants(planes, scale, cells, weights)
        if not all(np.isfinite(factors[name]).all() for name in WHOLE.fields or ()):
            raise ParameterError("a factor of a code is not finite; the FAISS index is damaged")
        return factors.view("<u8").astype(np.uint64)[:, None]

    def _planes(self, extra: Bytes) -> Words:
        """Return the planes after the signs from bits stored component by component, the lowest bit first."""
        d, more = self.model.dim_, self.model.levels - 1
        bits = np.unpackbits(extra, axis=1, count=d * more, bitorder="little").reshape(-1, d, more)
        return np.concatenate([pack(bits[:, :, place] > 0) for place in range(more - 1, -1, -1)], axis=1)


def _numbers(content: Bytes) -> Floats:
    """Read bytes as columns of float32: ``(numbers, n)``."""
    return np.ascontiguousarray(content).view("<f4").T.astype(np.float32)
