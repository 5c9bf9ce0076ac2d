"""Export RaBitQ codes as FAISS's ``IndexIVFRaBitQ``: the same bits and the same estimates, for float queries.

Both libraries estimate the product of a residual ``r = x - c`` with ``q - c`` by ``factor (s . P (q - c))``, where s is
the signs of ``P r`` or the grid vector. So each code here has an equal code in FAISS; only the constants differ. With
``E(v) = factor (s . P v)``, the product with q is ``E(q) + (r . c - E(c)) + c . q``, and codes here store
``r . c - E(c)``. FAISS stores, for 1 bit, ``|r|^2 - |x|^2 = -|c|^2 - 2 r . c`` for inner products and ``|r|^2`` for
distances; for more bits, ``r . c`` or ``|r|^2``, and the factor of y / 2. (Layout: faiss/impl/RaBitQUtils.h,
``SignBitFactors``, ``SignBitFactorsWithError``, ``ExtraBitsFactors``; RaBitQuantizer.cpp, ``compute_code_size``;
RaBitQuantizerMultiBit.cpp, ``pack_multibit_codes``.) Stored numbers keep their rounding: both estimates agree to the
rounding of float32.

FAISS does not rotate in these indexes. So an ``IndexPreTransform`` rotates queries and, unless the metric is a
distance, normalizes them first. FAISS keeps queries as floats (``qb = 0``); this library rounds them to 4-bit integers
for codes of 1 bit per component, and to 16-bit integers for more.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers import GivenRaBitQBinarizer, RaBitQBinarizer
from hdc.apps.retrieval.binarizers.estimating import E0
from hdc.apps.retrieval.engines.exchange import Numbered
from hdc.apps.retrieval.engines.faiss_lists import by_list, fill_list, nearest_lists, owning
from hdc.apps.retrieval.engines.tables import library
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.errors import BackendUnavailableError
from hdc.search.codes import CODES
from hdc.search.options import IVFOptions
from hdc.words import Words, to_bytes, unpack, word_count

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

PART = 1 << 13
"""Codes to translate per block: the unpacked bits of a code take d bytes, several times over."""


def rabitq_to_faiss(index: EmbeddingIndex, *, ids: npt.ArrayLike | None = None) -> Any:
    """Return a ``faiss.IndexPreTransform`` of an ``IndexIVFRaBitQ`` with the lists and codes of an index.

    Its scores are those of an index without originals: cosines or inner products, descending, or squared distances,
    ascending. (Inner products are with queries of length 1.) To change the probes, 16 as here, set
    ``faiss.extract_index_ivf(made).nprobe``.

    Parameters
    ----------
    index : EmbeddingIndex
        Index of a :class:`RaBitQBinarizer`, or of codes imported from FAISS.
    ids : (n,) integers, optional
        As in :func:`~hdc.apps.retrieval.engines.faiss_index.to_faiss`.

    Raises
    ------
    DTypeError, DimensionError, ParameterError
        If the ids do not fit the description above.
    FileFormatError
        If the index is damaged.
    BackendUnavailableError
        If FAISS is not installed, or its release has no RaBitQ codes of several bits.
    """
    faiss = library("faiss", "faiss")
    model = index.model
    assert isinstance(model, RaBitQBinarizer | GivenRaBitQBinarizer)
    form = _Form(model)
    rows = Numbered(index, ids)
    lists = _lists(faiss, form)
    for start in range(0, len(rows), PART):
        part = slice(start, start + PART)
        codes = rows.take(CODES, part)
        own, content = rows.ids[part], form.codes(codes)
        for number, held in by_list(model.cells(codes)):
            fill_list(faiss, lists, number, own[held], content[held])
    lists.ntotal = len(rows)
    return _rotated(faiss, lists, form)


def _lists(faiss: Any, form: "_Form") -> Any:
    """Return an empty ``IndexIVFRaBitQ``.

    One index finds lists and another has their centers, so the quantizer is an ``IndexRefine``. It takes the lists from
    the first and reorders them by the second, which does not matter. It reads centers from the second.
    """
    centers = faiss.IndexFlatIP(form.d)
    centers.add(np.ascontiguousarray(form.centers / np.float32(form.scale)))
    nearest = nearest_lists(faiss, form.model, rotated=True)
    quantizer = faiss.IndexRefine(nearest, centers)
    nearest.this.disown(), centers.this.disown()
    quantizer.own_fields = quantizer.own_refine_index = True
    metric = faiss.METRIC_L2 if form.by_distance else faiss.METRIC_INNER_PRODUCT
    try:
        lists = faiss.IndexIVFRaBitQ(quantizer, form.d, form.model.lists_, metric, True, form.levels)
    except (AttributeError, TypeError):
        raise BackendUnavailableError("this FAISS release has no RaBitQ; pip install 'faiss-cpu>=1.13'") from None
    lists.is_trained, lists.qb, lists.nprobe = True, 0, min(IVFOptions().probes, form.model.lists_)
    return owning(lists, quantizer)


def _rotated(faiss: Any, lists: Any, form: "_Form") -> Any:
    """Put the transforms of queries in front of an index."""
    made = faiss.IndexPreTransform(lists)
    lists.this.disown()
    rotation = faiss.LinearTransform(form.d, form.d, True)
    faiss.copy_array_to_vector(form.rotation.ravel(), rotation.A)
    faiss.copy_array_to_vector(-form.rotation @ form.origin, rotation.b)
    rotation.is_trained = True
    rotation.set_is_orthonormal()
    steps = [rotation, *([faiss.NormalizationTransform(form.d, 2.0)] if form.unit else [])]
    for step in steps:
        made.prepend_transform(step)
        step.this.disown()
    made.own_fields = True
    return made


class _Form:
    """The parameters of a model that translate its codes.

    A mapped vector here is ``scale`` times as long as the vector minus ``origin``.
    """

    def __init__(self, model: RaBitQBinarizer | GivenRaBitQBinarizer) -> None:
        self.model, self.d, self.levels = model, model.dim_, model.levels
        space = model.space_
        self.by_distance, self.unit = space.metric == "l2", space.of_unit_queries
        self.scale, self.square = space.scale, np.float32(space.square)
        self.origin = np.zeros(self.d, dtype=np.float32) if space.center is None else space.center
        self.rotation = np.ascontiguousarray(model._rotate(np.eye(self.d, dtype=np.float32)).T)
        self.centers: Floats = model._centers

    def codes(self, codes: Words) -> Bytes:
        """Return ``(n, words)`` codes as FAISS's bytes."""
        n, words = len(codes), word_count(self.d)
        planes = codes[:, : self.levels * words].reshape(n, self.levels, words)
        factors = self.model.factors(codes)
        centers = self.centers[factors.cells]
        signs = unpack(planes[:, 0], self.d).astype(np.float32) * 2 - 1
        signs *= (factors.scale / np.float32(np.sqrt(self.d)))[:, None]
        parts = [to_bytes(planes[:, 0], self.d, bitorder="little")]
        known = self._constant(factors.offset, signs, centers)
        known = known if self.by_distance else -np.einsum("nd,nd->n", centers, centers) / self.scale**2 - 2 * known
        parts += [_bytes(known), _bytes(factors.scale / self.scale)]
        if self.levels == 1:
            return np.concatenate(parts, axis=1)
        spread = np.sqrt(np.maximum(0, factors.scale**2 - self.model.norms(codes) ** 2))
        error = spread / np.float32(np.sqrt(self.d - 1)) * np.float32(E0)
        parts += [_bytes(error * (2 if self.by_distance else 1) / self.scale), self._extra(planes)]
        scale, offset = self.model.whole(codes)
        known = self._constant(offset, _grid(planes, self.d) * scale[:, None], centers)
        parts += [_bytes(known), _bytes((-4 if self.by_distance else 2) * scale / self.scale)]
        return np.concatenate(parts, axis=1)

    def _constant(self, offset: Floats, estimate: Floats, centers: Floats) -> Floats:
        """Return the constants of codes with these ``(n, d)`` estimates: ``r . c``, or ``|r|^2`` for distances."""
        own = np.einsum("nd,nd->n", estimate, centers)
        if self.by_distance:
            squares = np.einsum("nd,nd->n", centers, centers)
            return np.asarray((self.square - 2 * (offset + own) - squares) / self.scale**2)
        return np.asarray(offset / self.scale + own / self.scale**2)

    def _extra(self, planes: Words) -> Bytes:
        """Return the bits after the signs, component by component, the lowest bit first."""
        bits = unpack(planes[:, :0:-1], self.d).transpose(0, 2, 1).reshape(len(planes), -1)
        return np.packbits(bits, axis=1, bitorder="little")


def _grid(planes: Words, d: int) -> Floats:
    """Return the grid vectors of planes, which have odd integers."""
    y = np.zeros((len(planes), d), dtype=np.float32)
    for plane in range(planes.shape[1]):
        y += (unpack(planes[:, plane], d).astype(np.float32) * 2 - 1) * 2 ** (planes.shape[1] - 1 - plane)
    return y


def _bytes(values: npt.NDArray[Any]) -> Bytes:
    """Return numbers as ``(n, 4)`` bytes of float32."""
    return np.ascontiguousarray(values, dtype="<f4").view(np.uint8).reshape(len(values), 4)
