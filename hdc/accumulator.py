"""Accumulator: a running bundle, for members that arrive one by one, in parts, or from many processes."""

import os
from typing import Any, Self

from hdc import files
from hdc.bounds.warning import check_load
from hdc.checks import instance, integer
from hdc.dtypes import is_array
from hdc.errors import EmptyBundleError, FileFormatError, MismatchError, ParameterError
from hdc.kernels import Array
from hdc.registry import from_spec
from hdc.tally import Tally
from hdc.vsa import VSA

KIND = "accumulator"

BLOCK_BYTES = 1 << 26
"""Bytes of members to add per block (64 MiB), because arrays may be mapped from files larger than memory."""


class Accumulator:
    """The bundle of all vectors added so far, in memory that does not grow with their number.

    :meth:`vector` returns what ``vsa.bundle`` returns for all members at once: the same bits and integers in the same
    dtype, whatever the order and the parts in which they came; ties of MAP-B and the or of Bloom included. Floats are
    added in float64 and agree to rounding; no gradients flow through. Integer sums that would leave int64 raise an
    error and never wrap.

    A change is made whole or, after an error, not at all. One thread may change an accumulator while others read it;
    to add in many threads or processes, give each its own and :meth:`merge` them.

    Parameters
    ----------
    vsa : VSA
        Any model. One whose bundle is a sum or an or needs to know nothing of this class; others define
        :meth:`hdc.VSA.tally`.

    Raises
    ------
    ParameterError
        If ``vsa`` is not a model.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 1000)
    >>> words = hdc.Accumulator(vsa)
    >>> words.add(vsa.symbols(["red", "green", "blue"]))
    >>> words.add(vsa.symbol("pink"), weights=2)
    >>> words.subtract(vsa.symbol("green"))
    >>> len(words)
    3
    >>> expected = vsa.bundle(vsa.symbols(["red", "blue", "pink"]), weights=[1, 1, 2])
    >>> bool((words.vector() == expected).all())
    True
    """

    def __init__(self, vsa: VSA) -> None:
        self.vsa: VSA = instance(vsa, "vsa", VSA)
        self._state: tuple[int, Tally | None] = (0, None)

    def __len__(self) -> int:
        """Return the number of members: of those added, less those subtracted, whatever their weights."""
        return self._state[0]

    def __repr__(self) -> str:
        return f"Accumulator({self.vsa!r}, {len(self)} members)"

    # ------------------------------------------------------------------ changes

    def add(self, x: Array, weights: Any = None) -> None:
        """Add members.

        Parameters
        ----------
        x : (..., n, storage) array, or one vector (storage,)
            All leading axes are members of the one bundle. May be mapped from a file larger than memory.
        weights : array or list of numbers that broadcasts to x.shape[:-1], optional
            As ``vsa.bundle`` takes them.

        Raises
        ------
        DTypeError, DeviceError, DimensionError, PaddingError
            If the members, or the weights, are none of the model.
        ParameterError
            If the weights are out of the model's range.
        WideningError
            If a sum would leave int64.
        """
        self._change(x, weights, 1)

    def subtract(self, x: Array, weights: Any = None) -> None:
        """Take members out again, with the weights they were added with: undoes :meth:`add`.

        Float sums are then what they were to rounding. Nobody checks that these vectors were added.

        Raises
        ------
        UnsupportedError
            If the model cannot: a Bloom bundle does not record how many members set a bit. CountingBloom does.
        ParameterError
            If there are fewer members than you remove; to add an opposite, use ``add(x, weights=-1)``.
        DTypeError, DeviceError, DimensionError, PaddingError, WideningError
            As :meth:`add`.
        """
        self._change(x, weights, -1)

    def merge(self, other: "Accumulator") -> None:
        """Add all members of another accumulator, which stays unchanged.

        Raises
        ------
        MismatchError
            If it is of another model, or its arrays are of another library or device.
        WideningError
            If a sum would leave int64.
        """
        if not isinstance(other, Accumulator):
            raise MismatchError(f"merge takes another accumulator, not {type(other).__name__}; use add for vectors")
        self.vsa.check_same(other.vsa)
        if (self.vsa.xp, self.vsa.device) != (other.vsa.xp, other.vsa.device):
            raise MismatchError(
                f"one accumulator is on {self.vsa.kernels.name} ({self.vsa.device}) and the other on "
                f"{other.vsa.kernels.name} ({other.vsa.device}); save one and load it where the other is"
            )
        (count, mine), (more, theirs) = self._state, other._state
        self._state = count + more, self._joined(mine, theirs, 1)

    def _change(self, x: Any, weights: Any, sign: int) -> None:
        count, tally = self._state
        if not is_array(x) or x.ndim == 0:
            self.vsa.check(x, "members")  # raises
        members = x[None] if x.ndim == 1 else x
        w = None if weights is None else self.vsa.check_weights(weights, members, "buif").reshape(-1)
        rows = members.reshape(-1, members.shape[-1])
        if count + sign * len(rows) < 0:
            raise ParameterError(
                f"{len(rows)} members cannot be taken out of {count}; to add their opposites use add(x, weights=-1)"
            )
        step = max(1, BLOCK_BYTES // max(1, rows.shape[-1] * rows.dtype.itemsize))
        for start in range(0, max(1, len(rows)), step):
            part = slice(start, start + step)
            block = self.vsa.check(rows[part], "members")
            if len(block):
                block = block.detach() if hasattr(block, "detach") else block  # else a graph of gradients would grow
                new = self.vsa.tally(block, None if w is None else w[part])
                tally = self._joined(tally, new, sign)
        self._state = count + sign * len(rows), tally

    def _joined(self, a: Tally | None, b: Tally | None, sign: int) -> Tally | None:
        return (a or b) if a is None or b is None else self.vsa.join_tallies(a, b, sign)

    # ------------------------------------------------------------------ reading

    def vector(self) -> Array:
        """Return the bundle of all members: ``(storage,)``.

        Raises
        ------
        EmptyBundleError
            If there are none.
        """
        count, tally = self._state
        if tally is None or count == 0:
            raise EmptyBundleError("this accumulator has no members; add some first")
        self._check_load(count)
        return self.vsa.read_tally(tally)

    def _check_load(self, count: int) -> None:
        check_load(self.vsa, count)

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the accumulator to one file (see :mod:`hdc.files`), replacing it as a whole or not at all.

        Raises
        ------
        OSError
            If the file cannot be written; an existing one is then untouched.
        """
        count, tally = self._state
        kept = Tally({}) if tally is None else tally
        meta = {"spec": self.vsa.algebra(), "count": count, "facts": dict(kept.facts)}
        to_numpy = self.vsa.kernels.arrays.to_numpy
        files.save(path, KIND, meta, {name: to_numpy(array) for name, array in kept.arrays.items()})

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, backend: str = "auto", device: str = "cpu") -> Self:
        """Read an accumulator that :meth:`save` wrote, on whichever backend.

        Raises
        ------
        FileFormatError
            If the file is damaged, is something else, or its contents are not those of its model.
        OSError
            If it cannot be read.
        """
        meta, arrays = files.load(path, KIND)
        try:
            found = cls(from_spec(meta["spec"], backend=backend, device=device))
            count = integer(meta["count"], "count", least=0)
            if arrays:
                found._state = count, _read(found.vsa, meta["facts"], arrays)
            if count:
                found.vsa.check(found.vector(), "bundle")
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise FileFormatError(f"{path} does not hold a usable accumulator: {error}") from error
        return found


def _read(vsa: VSA, facts: dict[str, Any], arrays: dict[str, Any]) -> Tally:
    """Read the tally in a file; it must have the form of an atom's tally."""
    form, kernels = vsa.tally(vsa.symbols([None])), vsa.kernels.arrays
    wanted = {name: kernels.to_numpy(array) for name, array in form.arrays.items()}
    if {name: type(fact) for name, fact in facts.items()} != {name: type(fact) for name, fact in form.facts.items()}:
        raise ParameterError(f"facts {facts}, and {vsa.model} has {dict(form.facts)}")
    if {name: array.shape for name, array in arrays.items()} != {name: array.shape for name, array in wanted.items()}:
        raise ParameterError(
            f"arrays {', '.join(arrays)} are not {', '.join(wanted)} of {vsa.model}, or of another shape"
        )
    for name, array in arrays.items():
        if array.dtype.str[1:] in ("i8", "u8") and wanted[name].dtype.str[1:] in ("i8", "u8"):
            arrays[name] = array.view(wanted[name].dtype)
        elif array.dtype != "float64":
            raise ParameterError(f"array {name!r} of {vsa.model} cannot have dtype {array.dtype}")
    return Tally({name: kernels.from_numpy(array) for name, array in arrays.items()}, facts)
