"""Integers as residues: phasors whose angles are multiples of a turn over each modulus (Kymn et al. 2023)."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.checks import integer, listed, numbers, shown
from hdc.dtypes import is_array, kind
from hdc.errors import ParameterError
from hdc.kernels import Array
from hdc.similarity import blocks
from hdc.values.encoder import COMPONENTS, Estimate, ValueEncoder, as_given, nothing
from hdc.values.phasors import check_phases, phasors_of, vectors_of

MOST_DECODED = 1 << 24
"""Most numbers that decode searches, because it stores a score of each."""

MOST_MODULUS = 1 << 31

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Integer(ValueEncoder):
    """Whole numbers modulo a product, on a model of angles; different numbers are unrelated.

    ``bind(encode(a), encode(b))`` is the code of ``a + b``, ``vsa.inverse(encode(a))`` that of ``-a``, and a number is
    the same as itself plus the product of the moduli.

    Parameters
    ----------
    vsa : VSA
        With :attr:`~hdc.VSA.phases`: FHRR, HRR, GHRR; or MCR, exact if its levels are a multiple of the product.
    name : name
        Opens the streams.
    moduli : sequence of int
        At least 2 each, no two with a common divisor.

    Raises
    ------
    UnsupportedError
        If the model makes no vectors of angles.
    ParameterError

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("FHRR", 512)
    >>> count = hdc.Integer(vsa, "count", [3, 5, 7])
    >>> total = vsa.bind(count.encode(60), count.encode(17))
    >>> int(count.decode(total).value), int(count.decode(vsa.inverse(count.encode(1))).value)
    (77, 104)
    """

    moduli: Any

    code: ClassVar[str] = "integer"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_phases(self.vsa, "Integer")
        moduli = tuple(integer(m, "each of moduli", 2, MOST_MODULUS) for m in listed(self.moduli, "moduli"))
        if not moduli:
            raise ParameterError("an Integer needs at least one modulus, and none was given")
        if math.lcm(*moduli) != math.prod(moduli):
            raise ParameterError(f"no two moduli may have a common divisor, and {shown(moduli)} have; take primes")
        object.__setattr__(self, "moduli", moduli)

    @property
    def range(self) -> int:
        """How many numbers are different: the product of the moduli."""
        return math.prod(self.moduli)

    @cached_property
    def _factors(self) -> Counts:
        """Turns of each modulus by which an angle grows per 1, ``(moduli, phases)``; more moduli change no others."""
        words = self.vsa.kernels.bits.random_words(self._keys(*self.moduli), self.vsa.phases)
        return np.stack([atoms.scale_to(row, m) for row, m in zip(words, self.moduli, strict=True)])

    @cached_property
    def _native(self) -> Array:
        return self._lasting(2 * math.pi * self._factors / np.array(self.moduli)[:, None])

    def encode(self, values: Any) -> Array:
        """Return the codes of whole numbers.

        Parameters
        ----------
        values : int, or (...) array of integers
            Any integers; those beyond the range wrap around.

        Returns
        -------
        (..., storage) array

        Raises
        ------
        ParameterError
            If one is not an integer.
        """
        given, xp = self._integers(values), self.vsa.xp
        residues = [xp.astype(xp.remainder(given, modulus), xp.float64) for modulus in self.moduli]
        return vectors_of(self.vsa, xp.stack(residues, axis=-1), self._native)

    def _integers(self, values: Any) -> Array:
        arrays, xp = self.vsa.kernels.arrays, self.vsa.xp
        if is_array(values) and not isinstance(values, np.ndarray):
            given = arrays.check(values, "values")
            if kind(xp, given) != "i":
                raise ParameterError(f"values must be integers, not {given.dtype}")
            return xp.astype(given, xp.int64, copy=False)
        try:
            given = np.asarray(values)
        except ValueError:  # lists of different lengths
            raise ParameterError(f"values must be integers, not {shown(values)}") from None
        beyond = given.dtype.kind == "O" and all(type(one) is int for one in given.flat)  # 64 bits
        if given.size and not beyond and given.dtype.kind not in "iu":
            raise ParameterError(f"values must be integers, not {shown(values)}")
        return arrays.from_numpy(np.asarray(given % self.range, dtype=np.int64))

    def decode(self, x: Array) -> Estimate:
        """Find the number whose code is most similar: by one Fourier transform over the residues, and their remainders.

        Parameters
        ----------
        x : (..., storage) array

        Returns
        -------
        Estimate
            ``value`` is int64, from 0 to ``range - 1``. ``error`` bounds the chance that chance alone makes another
            number look as similar, for normal scores.

        Raises
        ------
        ParameterError
            If the range is more than 2^24.
        """
        if self.range > MOST_DECODED:
            raise ParameterError(
                f"decode searches among {MOST_DECODED} numbers at most, not {self.range}; unbind, or "
                "compare with the codes of candidates"
            )
        xp, given = self.vsa.xp, self.vsa.check(x)
        batch = given.shape[:-1]
        if 0 in batch:
            return nothing(given, xp, dtype=xp.int64)
        across, up = (part.reshape(-1, self.vsa.phases) for part in phasors_of(self.vsa, given))
        found = [
            self._decoded(across[rows], up[rows])
            for rows in blocks(len(across), self.range + self.vsa.phases, COMPONENTS)
        ]
        value, similarity = (xp.concat(list(column), axis=0) for column in zip(*found, strict=True))
        error = self._chance(similarity)
        return Estimate(*(column.reshape(batch) for column in (value, error, similarity)))

    def _chance(self, similarity: Array) -> Array:
        """Bound the chance that one of the other numbers scores more: ``(range - 1) exp(-z²/2) / 2``, at most 1."""
        xp, positive = self.vsa.xp, self.vsa.xp.clip(similarity, 0.0, 1.0)
        squared = 2 * self.vsa.phases * positive**2 / (2 - positive**2)
        return xp.clip((self.range - 1) / 2 * xp.exp(-squared / 2), 0.0, 1.0)

    @cached_property
    def _bins(self) -> tuple[Array, Array]:
        """Components in the order of their residues, and the start of each residue, ``(range + 1,)``."""
        flat = np.ravel_multi_index(tuple(self._factors), self.moduli)
        order = np.argsort(flat, kind="stable")
        starts = np.searchsorted(flat[order], np.arange(self.range + 1))
        return self._lasting(order), self._lasting(starts)

    def _decoded(self, across: Array, up: Array) -> tuple[Array, Array]:
        xp, (order, starts) = self.vsa.xp, self._bins
        sums = []
        for part in (across, up):
            running = xp.cumulative_sum(xp.take(part, order, axis=-1), axis=-1)
            running = xp.concat([xp.zeros_like(running[:, :1]), running], axis=-1)
            sums.append(xp.take(running, starts[1:], axis=-1) - xp.take(running, starts[:-1], axis=-1))
        box = (sums[0] + 1j * sums[1]).reshape(len(across), *self.moduli)
        scores = xp.real(xp.fft.fftn(box, axes=tuple(range(1, box.ndim)))).reshape(len(across), -1)
        length = xp.sqrt(xp.sum(across * across + up * up, axis=-1) * self.vsa.phases)
        best = xp.max(scores, axis=-1)
        value = self._joined(xp.argmax(scores, axis=-1))
        return value, xp.where(length > 0, xp.clip(best / xp.where(length > 0, length, 1.0), -1.0, 1.0), 0.0)

    def _joined(self, flat: Array) -> Array:
        """Return the numbers of residues, which are the digits of ``flat`` (Chinese remainder theorem)."""
        total, below = 0, self.range
        for modulus in self.moduli:
            below //= modulus
            others = self.range // modulus
            unit = others * pow(others, -1, modulus) % self.range
            total = total + (flat // below) % modulus * unit
        return self.vsa.xp.remainder(total, self.range)

    def expected_similarity(self, distance: npt.ArrayLike) -> Any:
        """Return the similarity of two codes at a distance, in expectation: 1 for a multiple of the range, else 0."""
        return as_given((np.remainder(numbers(distance, "distance"), self.range) == 0).astype(np.float64))
