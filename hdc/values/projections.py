"""Real vectors as hypervectors: random projections, sparse ones, and random Fourier features."""

import math
from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.checks import choice, integer, numbers
from hdc.errors import DimensionError, UnsupportedError
from hdc.kernels import Array
from hdc.models.cyclic import MCR
from hdc.models.map import MAPB, MAPI
from hdc.models.summed import Summed
from hdc.values.encoder import COMPONENTS, ValueEncoder, as_given, in_blocks, positive
from hdc.values.phasors import turned_back, vectors_of
from hdc.values.spectra import KERNELS, rounded, squared_off

MOST_FEATURES = 1 << 24

Real = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Features(ValueEncoder):
    """Base of encoders of vectors with a fixed number of real features."""

    features: int

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "features", integer(self.features, "features", 1, MOST_FEATURES))
        if not self._form:
            raise UnsupportedError(
                f"{type(self).__name__} makes signs (MAP-I, MAP-B) or real numbers (MBAT, HRR, FHRR and others), and "
                f"{self.vsa.model} has neither; models of angles (MCR) take RandomFourier"
            )

    @property
    def _form(self) -> str:
        """The output of projections: their signs, or components themselves; "" if neither is possible."""
        if isinstance(self.vsa, MAPI | MAPB):
            return "sign"
        return "real" if isinstance(self.vsa, Summed) else ""

    @property
    def _outputs(self) -> int:
        return self.vsa.dim if self._form == "sign" else self.vsa.storage

    def encode(self, values: Any) -> Array:
        """Return the codes of vectors.

        Computed in float64. Backends agree on all signs but those of projections that are 0 to rounding.

        Parameters
        ----------
        values : (..., features) array of numbers

        Returns
        -------
        (..., storage) array
            Gradients flow where it is made of real numbers or angles.

        Raises
        ------
        DimensionError
            If the last axis does not have the features.
        ParameterError
            If a number is NaN or infinite.
        """
        given, xp = self._reals(values), self.vsa.xp
        if given.ndim == 0 or given.shape[-1] != self.features:
            raise DimensionError(f"values have shape {tuple(given.shape)}; the last axis must have {self.features}")
        flat = in_blocks(xp, self._coded, given.reshape(-1, self.features), self._outputs, COMPONENTS)
        return flat.reshape(*given.shape[:-1], self.vsa.storage)

    def _coded(self, rows: Array) -> Array:
        return self._finished(self._projected(rows))

    @abstractmethod
    def _projected(self, rows: Array) -> Array:
        """Return the projections of rows, ``(n, outputs)`` float64, each of about the length of the row."""

    def _finished(self, projections: Array) -> Array:
        """Return codes of projections."""
        vsa, xp = self.vsa, self.vsa.xp
        if isinstance(vsa, MAPB):
            return vsa.kernels.bits.pack(projections < 0)
        if isinstance(vsa, MAPI):
            return xp.where(projections < 0, -vsa.identity, vsa.identity)
        length = vsa.square if isinstance(vsa, Summed) else 1.0
        return xp.astype(projections * math.sqrt(length / self._outputs), vsa.dtype, copy=False)

    def _pairs(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Real, Real]:
        one, other = numbers(x, "x"), numbers(y, "y")
        for side in (one, other):
            if side.ndim == 0 or side.shape[-1] != self.features:
                raise DimensionError(f"vectors have shape {side.shape}; the last axis must have {self.features}")
        return one, other


class _Linear(_Features):
    """Base of both projections: the similarity that they keep."""

    def expected_similarity(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Any:
        """Return the similarity of the codes of two vectors, in expectation.

        Parameters
        ----------
        x, y : (..., features) arrays, batch axes broadcast

        Returns
        -------
        float, or (...) float64 array
            The cosine c of the vectors; of signs ``1 - 2 arccos(c) / π``.
        """
        one, other = self._pairs(x, y)
        length = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
        cosine = np.clip(np.sum(one * other, axis=-1) / np.where(length > 0, length, 1.0), -1.0, 1.0)
        return as_given(np.asarray(cosine if self._form == "real" else 1 - 2 * np.arccos(cosine) / math.pi))


@dataclass(frozen=True)
class RandomProjection(_Linear):
    """Projections on random normal directions: real components, or their signs.

    On models of real numbers the code is linear in the vector, and keeps its length and cosines (Johnson and
    Lindenstrauss 1984). On MAP-I and MAP-B it is the signs, and similarity is that of angles (Charikar 2002).

    Parameters
    ----------
    vsa : VSA
        MAP-I, MAP-B, or a model of real numbers: MBAT, HRR, FHRR, VTB, TVTB, MAP-C, HLB, GHRR.
    name : name
    features : int
        Length of the vectors.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 10_000)
    >>> projection = hdc.RandomProjection(vsa, "image", 2)
    >>> similarity = vsa.similarity(projection.encode([1, 0]), projection.encode([[2, 0], [1, 1], [0, 1]]))
    >>> [round(abs(float(s)), 1) for s in similarity]
    [1.0, 0.5, 0.0]
    """

    code: ClassVar[str] = "projection"

    @cached_property
    def _matrix(self) -> Array:
        """Normal numbers, ``(features, outputs)``: one stream per feature, so more features leave others unchanged."""
        return self._lasting(atoms.normal_rows(self.vsa.kernels.bits, self._keys(*range(self.features)), self._outputs))

    def _projected(self, rows: Array) -> Array:
        return rows @ self._matrix


@dataclass(frozen=True)
class SparseProjection(_Linear):
    """Projections on sums and differences of a few features: for vectors of many of them (Achlioptas 2003).

    Each component is a sum of ``nonzeros`` features, drawn without repetition, with random signs. What is expected of
    it is that of :class:`RandomProjection`: exactly for real components; for signs if no few features make up most of a
    vector.

    Parameters
    ----------
    vsa : VSA
        MAP-I, MAP-B, or a model of real numbers: MBAT, HRR, FHRR, VTB, TVTB, MAP-C, HLB, GHRR.
    name : name
    features : int
        Length of the vectors.
    nonzeros : int, optional
        Features per component; by default about the root of their number (Li et al. 2006).
    """

    _: KW_ONLY
    nonzeros: int | None = None

    code: ClassVar[str] = "sparse projection"

    def __post_init__(self) -> None:
        super().__post_init__()
        chosen = math.ceil(math.sqrt(self.features)) if self.nonzeros is None else self.nonzeros
        object.__setattr__(self, "nonzeros", integer(chosen, "nonzeros", 1, self.features))

    @property
    def _each(self) -> int:
        return int(self.nonzeros or 0)

    @cached_property
    def _rows(self) -> tuple[Array, Array, Array]:
        """The matrix in compressed rows, one per output: values, features, starts."""
        bits, each, outputs = self.vsa.kernels.bits, self._each, self._outputs
        opened = bits.random_words(self._keys("rows"), 2 * outputs)
        features = atoms.sample_distinct(bits, opened.reshape(outputs, 2), each, self.features)
        signs = atoms.signs(bits, self._keys("signs"), outputs * each)[0] * math.sqrt(self.features / each)
        starts = np.arange(outputs + 1, dtype=np.int64) * each
        return self._lasting(signs), self._lasting(features.reshape(-1)), self._lasting(starts)

    def _projected(self, rows: Array) -> Array:
        return self.vsa.kernels.dense.csr_matmul(*self._rows, rows.T).T


@dataclass(frozen=True)
class RandomFourier(_Features):
    """Random Fourier features: similarity is a kernel of the distance of two vectors (Rahimi and Recht 2007).

    On models of angles component j has the angle ``θ_j . x``, so that binding adds vectors: a :class:`~hdc.Point` of
    many axes, for encoding. On other models of real numbers it is a cosine of the angle and a random offset; on MAP-I
    and MAP-B, its sign.

    Parameters
    ----------
    vsa : VSA
        A model of angles (FHRR, HRR, GHRR, MCR), or one that RandomProjection takes.
    name : name
    features : int
        Length of the vectors.
    kernel : str
        One of ``hdc.values.KERNELS``, for each feature; the whole is the product, of ``gaussian`` a function of the
        Euclidean distance, of ``laplace`` of the sum of distances.
    bandwidth : float
        Unit of distance.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("FHRR", 5000)
    >>> fourier = hdc.RandomFourier(vsa, "flower", 4, bandwidth=2)
    >>> similarity = vsa.similarity(fourier.encode([5, 3, 1, 0]), fourier.encode([[5, 3, 1, 0], [5, 1, 1, 0]]))
    >>> similarity.astype(float).round(1).tolist()
    [1.0, 0.6]
    >>> round(fourier.expected_similarity([5, 3, 1, 0], [5, 1, 1, 0]), 4)
    0.6065
    """

    _: KW_ONLY
    kernel: str = "gaussian"
    bandwidth: float = 1.0

    code: ClassVar[str] = "fourier"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.kernel, "kernel", KERNELS)
        object.__setattr__(self, "bandwidth", positive(self.bandwidth, "bandwidth"))

    @property
    def _form(self) -> str:
        return "phase" if self.vsa.phases else super()._form

    @property
    def _outputs(self) -> int:
        return self.vsa.phases or self.vsa.dim

    @cached_property
    def _matrix(self) -> Array:
        """Frequencies, ``(features, outputs)``; more features leave the others unchanged."""
        places = [(part, feature) for part in "uv" for feature in range(self.features)]
        drawn = self._uniform(self._outputs, *places)
        kernel = KERNELS[self.kernel]
        return self._lasting(kernel.draw(drawn[: self.features], drawn[self.features :]) / self.bandwidth)

    @cached_property
    def _offsets(self) -> Array:
        return self._lasting(2 * math.pi * self._uniform(self._outputs, "offset")[0])

    @property
    def frequencies(self) -> Real:
        """The angle of each output per unit of each feature, in radians, ``(features, outputs)``."""
        return np.asarray(self.vsa.kernels.arrays.to_numpy(self._matrix))

    @property
    def offsets(self) -> Real:
        """What is added to the angle of each output where the model has no angles, in radians, ``(outputs,)``."""
        return np.asarray(self.vsa.kernels.arrays.to_numpy(self._offsets))

    def _coded(self, rows: Array) -> Array:
        return vectors_of(self.vsa, rows, self._matrix) if self._form == "phase" else super()._coded(rows)

    def _projected(self, rows: Array) -> Array:
        angles = rows @ self._matrix + self._offsets
        precise = self.vsa.dtype == self.vsa.xp.float64
        return math.sqrt(2) * self.vsa.xp.cos(angles if precise else turned_back(self.vsa.xp, angles))

    def expected_similarity(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Any:
        """Return the similarity of the codes of two vectors, in expectation.

        Parameters
        ----------
        x, y : (..., features) arrays, batch axes broadcast

        Returns
        -------
        float, or (...) float64 array
            The kernel; of signs ``8/π² sum over odd j of K(j (x - y)) / j²``; for MCR that of rounded phases, of
            vectors that lie some bandwidths from 0.
        """
        one, other = self._pairs(x, y)

        def value(difference: Real) -> Real:
            return np.asarray(np.prod(KERNELS[self.kernel].value(difference / self.bandwidth), axis=-1))

        if self._form == "sign":
            return as_given(squared_off(value, one - other))
        if isinstance(self.vsa, MCR):
            return as_given(rounded(value, one - other, self.vsa.levels))
        return as_given(value(one - other))
