"""RaBitQ codes that FAISS made, as an index of ours: the same lists, bits and factors, and no vectors needed.

FAISS's ``IndexIVFRaBitQ`` and ``IndexRaBitQ`` keep signs, or grid vectors y, of ``r = P x - c``, and a few numbers per
code (see :mod:`~hdc.apps.retrieval.engines.faiss_rabitq`). With ``E(v) = scale (y . v)`` they estimate the product of r
with a query less the center by ``E(P q) - E(c)``. A :class:`GivenRaBitQBinarizer` estimates a product with the query by
``E(P q) + offset + c . P q``: so the offset is what their numbers say of r, less ``E(c)``. For distances, that product
is half of ``|q|^2`` less the squared distance. P is what the ``IndexPreTransform`` before it does, and lists are found
as their quantizer finds them.
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
    """Return an index of the RaBitQ codes of a FAISS index, which finds what it finds at equal probes.

    Scores are theirs, of queries as floats (``qb = 0``): cosines or inner products, or squared distances times -1. More
    vectors can be added; they get codes by the same operator and centers.

    Parameters
    ----------
    theirs : faiss.Index
        ``IndexIVFRaBitQ`` or ``IndexRaBitQ`` of 1 to 9 bits, in maps to ids, and behind an ``IndexPreTransform`` of
        rotations, a centering (for distances) and a step to length 1 (the metric is then ``"cosine"``). Lists are those
        of an ``IndexFlat``, an ``IndexHNSWFlat``, which is asked for exact nearest ones here, or
        :func:`~hdc.apps.retrieval.engines.faiss_rabitq.rabitq_to_faiss`.
    keys : mapping of ids to texts, optional
        FAISS keeps none. Ids below 0, or from 2**32 on, become keys, and rows are counted in their order.
    path : path, optional
        A new folder, which is there as a whole or not at all.
    backend : str

    Raises
    ------
    UnsupportedError
        If it is another index, or what is before it changes distances: a projection to fewer components, say.
    ParameterError
        If it is not trained, its numbers are not finite, or two rows have one key.
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
        raise ParameterError(f"the {type(inner).__name__} is not trained; train it, and add vectors to it")
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
    """What is around an index of RaBitQ codes: maps of ids, and what vectors go through.

    Attributes
    ----------
    inner : faiss.IndexIVFRaBitQ or faiss.IndexRaBitQ
    ids : (n,) int64 array or None
        What the outermost map calls the rows of what is inside.
    """

    def __init__(self, faiss: Any, theirs: Any) -> None:
        self.faiss, self.ids, self._steps = faiss, None, []
        self._owner = theirs  # what is cast down does not own its memory
        if not isinstance(theirs, faiss.Index):
            raise UnsupportedError(f"{type(theirs).__name__} is no index of FAISS with RaBitQ codes")
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
                f"{type(inner).__name__} is not taken over as RaBitQ codes; IndexIVFRaBitQ and IndexRaBitQ are. For "
                f"others: {WAY_OUT}"
            )
        self.inner = inner

    def mapping(self, by_distance: bool) -> dict[str, Any]:
        """Return metric, rotation and origin of a model that maps vectors alike."""
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
                    f"a {type(step).__name__} from {step.d_in} to {step.d_out} components before the codes is not "
                    f"taken over: rotations, centering and a step to length 1 are; {WAY_OUT}"
                )
        if np.abs(matrix @ matrix.T - np.eye(d)).max() > ROUNDING:
            raise UnsupportedError(f"what is before the codes changes distances, and is no rotation; {WAY_OUT}")
        metric = "cosine" if unit else "l2" if by_distance else "ip"
        if bias.any() and metric != "l2":
            raise UnsupportedError(f"products of vectors less a center are not those of metric={metric!r}; {WAY_OUT}")
        rotates = any(isinstance(step, faiss.LinearTransform) for step in self._steps)
        return {"metric": metric, "rotation": matrix if rotates else None, "origin": -matrix.T @ bias}


def _lists(faiss: Any, inner: Any) -> dict[str, Any]:
    """Return centers, and how lists are found."""
    if isinstance(inner, faiss.IndexRaBitQ):
        return {"centers": faiss.vector_to_array(inner.center)[None]}
    if not inner.by_residual:
        raise UnsupportedError(f"codes of whole vectors in lists, by_residual=False, are not taken over; {WAY_OUT}")
    quantizer = faiss.downcast_index(inner.quantizer)
    if quantizer.ntotal != inner.nlist:
        raise ParameterError(f"the index has {inner.nlist} lists, and its quantizer {quantizer.ntotal} centers")
    return {"centers": quantizer.reconstruct_n(0, inner.nlist), "nearest": nearest_of_quantizer(faiss, quantizer)}


def _content(faiss: Any, inner: Any) -> tuple[Bytes, Ids, Ids]:
    """Return what FAISS has of all rows, ``(n, code_size)``, their lists and ids."""
    if isinstance(inner, faiss.IndexRaBitQ):
        rows = faiss.vector_to_array(inner.codes).reshape(inner.ntotal, inner.code_size)
        return rows, np.zeros(len(rows), dtype=np.int64), np.arange(len(rows), dtype=np.int64)
    numbers, content, ids = content_of(faiss, inner)
    cells = np.repeat(np.array(numbers, dtype=np.int64), [len(rows) for rows in content])
    return np.concatenate([np.empty((0, inner.code_size), dtype=np.uint8), *content]), cells, ids


@dataclass(frozen=True)
class _Reading:
    """Translates FAISS's bytes to codes of a model."""

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
        """Return ``r . c``, or minus half of ``|r|^2 + |c|^2`` for distances, which cosines tell as products, too."""
        squares = (self.model.state["centers"][cells] ** 2).sum(axis=1)
        unit = self.by_distance and self.model.metric == "cosine"
        return np.asarray(np.float32(0.5 if unit else 0) - (known + squares) / 2)

    def _word(self, known: Floats, planes: Words, scale: Floats, cells: Ids, weights: Any) -> Words:
        """Return words of scale and offset."""
        factors = np.zeros(len(planes), dtype=WHOLE)
        factors["scale"], factors["offset"] = scale, known - self.model.constants(planes, scale, cells, weights)
        if not all(np.isfinite(factors[name]).all() for name in WHOLE.fields or ()):
            raise ParameterError("a factor of a code is no finite number; the FAISS index is damaged")
        return factors.view("<u8").astype(np.uint64)[:, None]

    def _planes(self, extra: Bytes) -> Words:
        """Return the planes after the signs of bits that come component by component, the lowest first."""
        d, more = self.model.dim_, self.model.levels - 1
        bits = np.unpackbits(extra, axis=1, count=d * more, bitorder="little").reshape(-1, d, more)
        return np.concatenate([pack(bits[:, :, place] > 0) for place in range(more - 1, -1, -1)], axis=1)


def _numbers(content: Bytes) -> Floats:
    """Return the columns of float32 that are in bytes: ``(numbers, n)``."""
    return np.ascontiguousarray(content).view("<f4").T.astype(np.float32)
