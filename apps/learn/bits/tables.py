"""Tables of a fitted ``Features``: the same bits, from integers alone."""

from typing import Any

import numpy as np

from hdc import MAPB
from hdc.apps.learn.bits.density import Density
from hdc.apps.learn.bits.encoders import Encoder
from hdc.apps.learn.bits.fourier import Fourier
from hdc.apps.learn.features.numeric import FRACTION, RANGE, FourierSigns, fourier
from hdc.apps.learn.features.records import density, level
from hdc.checks import shown
from hdc.errors import ParameterError, UnsupportedError


def tables_of(encoder: Any, weight_bits: int | None = None) -> Encoder:
    """Return the tables of a fitted encoder of numbers on MAP-B.

    Its bits are those of ``encoder.transform``, but where a number lies on a threshold to rounding: there it may fall
    to the other side. :meth:`Encoder.agreement` says how often that is so. Infinite numbers, which ``Features``
    refuses, count as the ends of ranges.

    Parameters
    ----------
    encoder : Features
        With ``numeric="fourier"``, ``"density"`` or ``"level"``; all columns are numbers.
    weight_bits : 8, 16 or None
        Of ``"fourier"``: weights of so many bits for tables of a quarter or half the size, instead of 32. They agree
        with the encoder in nearly all bits, up to eight standard deviations or twice the range from the center.

    Raises
    ------
    UnsupportedError
        If it is another encoder, or of another model.
    ParameterError
        If it is not fitted, a column is not numeric, or ``bits`` is too small for a frequency.
    """
    code, vsa = getattr(encoder, "numeric", None), getattr(encoder, "vsa", None)
    if code not in ("fourier", "density", "level") or not isinstance(vsa, MAPB):
        raise UnsupportedError(
            f"tables are made of Features(model='MAP-B') with numeric='fourier', 'density' or 'level', not of "
            f"{shown(encoder)}; encode rows with it, and take BitClassifier.predict_rows"
        )
    kinds = getattr(encoder, "kinds_", None)
    if kinds is None:
        raise ParameterError("the encoder is not fitted; call fit first")
    if set(kinds) != {"numeric"}:
        other = next(place for place, kind in enumerate(kinds) if kind != "numeric")
        raise ParameterError(f"tables are of numbers only, and column {other} is none")
    names = list(getattr(encoder, "feature_names_in_", range(len(kinds))))
    if code == "fourier":
        signs = fourier(vsa, names, encoder.scaling_, encoder.kernel, encoder.bandwidth_)
        assert isinstance(signs, FourierSigns)
        return _phases(signs) if weight_bits is None else _short(signs, weight_bits)
    record = {"density": density, "level": level}[code](vsa, names, encoder.scaling_, None)
    roles = np.stack([vsa.to_numpy(role) for role in record.roles])
    return Density.of(record.code, roles, encoder.scaling_.low, encoder.scaling_.high)


def _phases(signs: FourierSigns) -> Fourier:
    """Return the integer phases that the encoder itself has."""
    weights, offsets = (part.astype(np.float64) for part in signs.parts)
    bit = signs.turn.bit_length() - 2
    return Fourier.of_phases(
        weights.T, offsets, signs.scaling.center, 2.0**FRACTION / signs.scaling.unit, bit, 2**RANGE
    )


def _short(signs: FourierSigns, weight_bits: int) -> Fourier:
    """Return phases of shorter weights, for numbers up to eight units or twice the range from the center."""
    scaling, encoder = signs.scaling, signs.encoder
    frequencies = encoder.frequencies / scaling.unit[:, None]
    reach = np.maximum(8 * scaling.unit, 2 * np.maximum(scaling.high - scaling.center, scaling.center - scaling.low))
    ends = scaling.center - reach, scaling.center + reach
    offsets = encoder.offsets - scaling.center @ frequencies
    return Fourier.of(frequencies, offsets, *ends, missing=scaling.center, weight_bits=weight_bits)
