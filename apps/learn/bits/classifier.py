"""BitClassifier: class vectors of a few bits, compared with packed rows."""

import os
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.bits import file as model_file
from hdc.apps.learn.bits.density import Density
from hdc.apps.learn.bits.early import Stops, stops, to_the_end
from hdc.apps.learn.bits.encoders import Encoder, Signs
from hdc.apps.learn.bits.flips import PARTS, flip_encoder, flip_planes
from hdc.apps.learn.bits.parts import added_to, kept, mean_of, owners_of, whole_biases
from hdc.apps.learn.bits.planes import as_weights, quantize
from hdc.apps.learn.bits.tables import tables_of
from hdc.checks import choice, flag, fraction, instance, integer, listed, number, path
from hdc.dispatch import class_kernels, numpy_backend
from hdc.errors import DimensionError, ParameterError
from hdc.words import Words, as_words, word_count

Counts = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

FACTOR_BITS = 24
"""Factors are below 2 to this power. With at most 2^24 components of at most 15, scores are below 2^53."""

BLOCK_BYTES = 1 << 24

READERS = ("reader.c", "reader.js")


class Early(NamedTuple):
    """Classes that were found by reading prefixes.

    Attributes
    ----------
    classes : (n,) array
    share : float
        Mean share of the words that were read.
    """

    classes: npt.NDArray[Any]
    share: float


class BitClassifier:
    """Predict classes with integers and bits only, the same in Python, C and JavaScript.

    The score of a prototype is ``factor * dot + bias``: the dot product of its quantized vector with the row, times a
    whole number, plus another one, below 2^53 and exact. The class is that of the prototype with the greatest score,
    the first of equal ones. Make one by :meth:`of` or :meth:`load`; it never changes.

    Parameters
    ----------
    encoder : Density, Fourier or Signs
    planes : (prototypes, bits, words) uint64 array
    factors, biases : (prototypes,) int64 arrays
    unit : float
        What scores are multiplied by to be those of the weights.
    prototype_classes : (prototypes,) int64 array
    classes : (classes,) array
    backend : str
        ``"auto"`` or one of :func:`hdc.list_backends` whose arrays are NumPy's.

    Examples
    --------
    >>> import numpy as np
    >>> from hdc.apps.learn.bits import BitClassifier, Signs
    >>> model = BitClassifier.of(Signs(4), [[1, 1, -1, -1], [-1, 2, -1, 2]], [0, 1], ["a", "b"], bits=1)
    >>> model.predict([[3, 1, -2, -0.5], [-1, 1, -1, 1]]).tolist()
    ['a', 'b']
    >>> model.bytes
    48
    """

    def __init__(
        self,
        encoder: Encoder,
        planes: Words,
        factors: Counts,
        biases: Counts,
        unit: float,
        prototype_classes: Counts,
        classes: npt.NDArray[Any],
        backend: str = "auto",
    ) -> None:
        self.encoder = encoder
        self.planes = kept(planes)
        self.factors = kept(factors)
        self.biases = kept(biases)
        self.unit = unit
        self.prototype_classes = kept(prototype_classes)
        self.classes_ = kept(classes)
        self.backend = backend
        self._backend = numpy_backend(backend, "inference on bits")
        self._best = class_kernels(self._backend).best
        self._all = to_the_end(self.planes.shape[2], self.biases)

    @classmethod
    def of(
        cls,
        encoder_tables: Encoder | None,
        weights: Any,
        prototype_classes: Any,
        classes: Any,
        bits: int = 1,
        *,
        intercept: Any = None,
        mean: Any = None,
        cosine: bool = True,
        backend: str = "auto",
    ) -> Self:
        """Quantize a trained classifier.

        Parameters
        ----------
        encoder_tables : Density, Fourier, Signs or None
            Makes rows of features; None if rows are encoded already, or are components whose signs count.
        weights : (prototypes, dim) array of numbers
            Their components are those of the rows: a set bit of a row is a component of -1.
        prototype_classes : (prototypes,) array of integers
            The number of each prototype's class.
        classes : (classes,) sequence
            Texts, whole numbers, real numbers, or bools.
        bits : 1, 2 or 4
            For each component; see :func:`quantize`.
        intercept : (classes,) array of numbers, optional
            Added to the scores of a class: to cosines, or to dot products.
        mean : (dim,) array of numbers from -1 to 1, optional
            Mean of the rows, as components; the loss of one bit depends on it, see :func:`quantize`.
        cosine : bool
            Whether scores are cosines of rows with the weights, or else dot products with components of ±1.
        backend : str
            ``"auto"`` or one of :func:`hdc.list_backends` whose arrays are NumPy's.

        Raises
        ------
        DTypeError, DimensionError, ParameterError
            If an argument is not such an array, or an intercept is too great beside the weights: more than 2^52 units
            of scores.
        """
        rows = as_weights(weights)
        dim = rows.shape[1]
        encoder = Signs(dim) if encoder_tables is None else instance(encoder_tables, "encoder_tables", Encoder)
        if encoder.dim != dim:
            raise DimensionError(f"weights have {dim} components, and encoder_tables make {encoder.dim}")
        names = model_file.as_classes(classes)
        owners = owners_of(prototype_classes, len(rows), len(names))
        planes, scale, shift = quantize(rows, bits, mean)
        if flag(cosine, "cosine"):
            length = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64) * dim)
            scale, shift = (np.divide(x, length, out=np.zeros_like(x), where=length > 0) for x in (scale, shift))
        greatest = float(scale.max())
        unit = greatest / ((1 << FACTOR_BITS) - 1) if greatest > 0 else 1.0
        factors = np.rint(scale / unit).astype(np.int64)
        biases = whole_biases(shift + added_to(intercept, owners, len(names)), unit)
        return cls(encoder, planes, factors, biases, unit, owners, names, backend)

    @classmethod
    def of_classifier(cls, learned: Any, bits: int = 1, X: Any = None, *, weight_bits: int | None = None) -> Self:
        """Quantize a fitted ``HDClassifier``.

        Parameters
        ----------
        learned : HDClassifier
            Of MAP-B: with an encoder that :func:`tables_of` supports; or of hypervectors, which you then pass to
            :meth:`predict_rows`, or to :meth:`predict` as components whose signs count.
        bits : 1, 2 or 4
        X : (n, features) array of numbers, optional
            Rows whose mean is used, by default the training rows. If the learner takes hypervectors, ``(n, words)``
            uint64.
        weight_bits : 8, 16 or None
            As in :func:`tables_of`.

        Raises
        ------
        UnsupportedError, ParameterError
            As :func:`tables_of` and :meth:`of`.
        """
        encoder, weights = learned.encoder_, np.asarray(learned.weights_)
        tables = None if encoder is None else tables_of(encoder, weight_bits)
        named = weights / np.sqrt(weights.shape[1]), learned.prototype_classes_, learned.classes_
        dim = weights.shape[1]
        mean = (
            np.clip(np.sqrt(dim) * learned.row_mean_, -1, 1) if X is None else mean_of(tables, X, dim, learned.backend)
        )
        return cls.of(
            tables, *named, bits, intercept=learned.intercept_, mean=mean, cosine=False, backend=learned.backend
        )

    @property
    def dim(self) -> int:
        """Number of components."""
        return self.encoder.dim

    @property
    def bits(self) -> int:
        """Bits of a component of a class vector."""
        return int(self.planes.shape[1])

    @property
    def bytes(self) -> int:
        """Memory of the model: the tables of the encoder, planes, and 16 bytes a prototype."""
        return self.encoder.bytes + self.planes.nbytes + 16 * len(self.planes)

    def __repr__(self) -> str:
        return (
            f"BitClassifier({type(self.encoder).__name__}, {len(self.classes_)} classes, {len(self.planes)} prototypes "
            f"of {self.dim} components of {self.bits} bit{'s' * (self.bits > 1)}, {self.bytes} bytes)"
        )

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the classes of rows of features, ``(n,)``.

        Parameters
        ----------
        X : (n, features) array of numbers
            NaN is missing; infinities count as the ends of a feature's range.

        Raises
        ------
        DTypeError, DimensionError
            If X does not have that shape and dtype.
        """
        return self._named(self._found(self.encoder.check(X), self._all)[0])

    def predict_rows(self, rows: Any) -> npt.NDArray[Any]:
        """Return the classes of encoded rows, ``(n,)``.

        Parameters
        ----------
        rows : (n, words) uint64 array

        Raises
        ------
        DTypeError, DimensionError, PaddingError
            If they do not have that shape and dtype.
        """
        return self._named(self._best_of(self._rows(rows), self._all)[0])

    def early(self, X: Any, confidence: float = 0.99) -> Early:
        """Like :meth:`predict`, looking at an eighth, a quarter, a half of the words, as long as the lead is small.

        The winner of all words is missed with at most the probability ``1 - confidence`` over random orders of the
        components; :mod:`hdc.apps.learn.bits.early` has the bound. Rows are encoded whole: it is comparisons that are
        saved, which pays with many prototypes.

        Raises
        ------
        DTypeError, DimensionError
            If X is not an array of rows of features.
        ParameterError
            If ``confidence`` is not between 0 and 1, there are more than 2048 prototypes, or the components are no
            sample of one another, as those of a Density with thresholds in order.
        """
        return self._shared(self._found(self.encoder.check(X), self._stops(confidence)))

    def early_rows(self, rows: Any, confidence: float = 0.99) -> Early:
        """Like :meth:`early`, of encoded rows; raises as it and :meth:`predict_rows`."""
        return self._shared(self._best_of(self._rows(rows), self._stops(confidence)))

    def scores(self, X: Any) -> Reals:
        """Return scores as :meth:`scores_rows`, of rows of features; raises as :meth:`predict`."""
        checked = self.encoder.check(X)
        return self._scores(len(checked), lambda part: self.encoder.encode_block(checked[part], self._backend))

    def scores_rows(self, rows: Any) -> Reals:
        """Return the scores of encoded rows, those of the best prototype of each class; raises as :meth:`predict_rows`.

        Returns
        -------
        (n, classes) float64 array
            Cosines, or what ``cosine=False`` says, with what quantizing lost; -inf for a class without prototypes.
        """
        checked = self._rows(rows)
        return self._scores(len(checked), lambda part: checked[part])

    def flipped(self, share: float, seed: int = 0, parts: Sequence[str] = PARTS) -> Self:
        """Return a model in which a share of the bits is flipped, drawn without repetition.

        Parameters
        ----------
        share : float
            From 0 to 1.
        seed : int
        parts : sequence of {"classes", "tables"}
            ``"classes"``: the planes of class vectors. ``"tables"``: roles and ties, or weights and offsets. What cuts
            features into steps, thresholds, factors and biases are left unchanged.

        Raises
        ------
        ParameterError
            If the share is not from 0 to 1, or a part is another.
        """
        share, rng = number(share, "share", 0, 1), np.random.default_rng(integer(seed, "seed", 0))
        chosen = {choice(part, "each of parts", PARTS) for part in listed(parts, "parts")}
        planes, encoder = self.planes, self.encoder
        if "classes" in chosen:
            planes = flip_planes(planes, self.dim, share, rng)
        if "tables" in chosen:
            encoder = flip_encoder(encoder, share, rng)
        rest = self.factors, self.biases, self.unit, self.prototype_classes, self.classes_, self.backend
        return type(self)(encoder, planes, *rest)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the model file that :meth:`load`, ``reader.c`` and ``reader.js`` read.

        Raises
        ------
        ParameterError
            If a class is a text with NUL, or the file would have 4 GiB.
        OSError
            If the file cannot be written; an existing file is then untouched.
        """
        parts = self.encoder, self.planes, self.factors, self.biases, self.unit, self.prototype_classes, self.classes_
        model_file.write(path, model_file.Model(*parts))

    @classmethod
    def load(cls, path: str | os.PathLike[str], backend: str = "auto") -> Self:
        """Read what :meth:`export` wrote.

        Raises
        ------
        FileFormatError
            If the file is of another kind, from a newer release, or damaged.
        OSError
            If it cannot be read.
        """
        return cls(*model_file.read(path), backend)

    @staticmethod
    def write_readers(folder: str | os.PathLike[str]) -> list[Path]:
        """Copy ``reader.c`` and ``reader.js`` into a folder, and return their paths.

        Raises
        ------
        OSError
            If they cannot be written.
        """
        target = path(folder, "folder")
        target.mkdir(parents=True, exist_ok=True)
        written = []
        for name in READERS:
            (target / name).write_bytes((files("hdc.apps.learn.bits") / name).read_bytes())
            written.append(target / name)
        return written

    def _rows(self, rows: Any) -> Words:
        words = as_words(rows, self.dim, "rows")
        if words.ndim != 2:
            raise DimensionError(f"rows must be of shape (n, {word_count(self.dim)}), not {words.shape}")
        return words

    def _best_of(self, rows: Words, when: Stops) -> tuple[Counts, Counts]:
        best, read = self._best(rows, self.planes, self.factors, when.biases, when.words, when.spans, self.dim)
        return best, read

    def _found(self, rows: Reals, when: Stops) -> tuple[Counts, Counts]:
        """Return prototypes, and the words read, of checked rows of features, block by block."""
        step = max(1, BLOCK_BYTES // (8 * word_count(self.dim)))
        if len(rows) <= step:
            return self._best_of(self.encoder.encode_block(rows, self._backend), when)
        found = np.empty((2, len(rows)), np.int64)
        for start in range(0, len(rows), step):
            part = self.encoder.encode_block(rows[start : start + step], self._backend)
            found[:, start : start + step] = self._best_of(part, when)
        return found[0], found[1]

    def _named(self, best: Counts) -> npt.NDArray[Any]:
        return np.asarray(self.classes_[self.prototype_classes[best]])

    def _shared(self, found: tuple[Counts, Counts]) -> Early:
        best, read = found
        return Early(self._named(best), float(read.mean() / self.planes.shape[2]) if len(read) else 1.0)

    @cached_property
    def _stops_of(self) -> dict[float, Stops]:
        return {}

    def _stops(self, confidence: float) -> Stops:
        chosen = fraction(confidence, "confidence")
        if isinstance(self.encoder, Density) and self.encoder.ordered:
            raise ParameterError(
                "the first components of thermometers only tell low values apart, so that no prefix is a sample; "
                "to stop early, take level codes or random Fourier features"
            )
        if chosen not in self._stops_of:
            self._stops_of[chosen] = stops(
                self.planes, self.factors, self.biases, self.prototype_classes, self.dim, chosen
            )
        return self._stops_of[chosen]

    def _scores(self, n: int, rows_of: Any) -> Reals:
        p, bits, words = self.planes.shape
        out = np.full((n, len(self.classes_)), -np.inf)
        flat, weights = self.planes.reshape(-1, words), 1 << np.arange(bits, dtype=np.int64)[::-1]
        step = max(1, BLOCK_BYTES // (8 * words + 24 * len(flat)))
        for start in range(0, n, step):
            differing = self._backend.bits.hamming(rows_of(slice(start, start + step)), flat).reshape(-1, p, bits)
            dots = self.dim * (2**bits - 1) - 2 * (differing.astype(np.int64) @ weights)
            whole = (self.factors * dots + self.biases) * self.unit
            for prototype, owner in enumerate(self.prototype_classes):
                column = out[start : start + step, owner]
                np.maximum(column, whole[:, prototype], out=column)
        return out
