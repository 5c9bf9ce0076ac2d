"""Checks of plain parameters, shared by all code: the same mistake raises the same error everywhere.

Each function returns the value in its plain Python form, or raises :class:`~hdc.errors.ParameterError` with the
parameter's name, what was expected, and what was given. Arrays of hypervectors, codes and vectors are checked where
their shapes are known.
"""

import math
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from hdc.errors import DimensionError, DTypeError, ParameterError, UnknownNameError

Name = TypeVar("Name", bound=str)

BETWEEN = "a number strictly between 0 and 1"
"""Expected values of an error rate, a confidence or a share."""

SHOWN = 80
"""Most characters of a wrong value in an error."""


def integer(value: Any, what: str, least: int | None = None, most: int | None = None) -> int:
    """Return ``value`` as an int; NumPy's integers count, bools and floats do not.

    Raises
    ------
    ParameterError
        If it is no integer, is less than ``least``, or more than ``most``.

    Examples
    --------
    >>> from hdc.checks import integer
    >>> integer(2.5, "k", 1)
    Traceback (most recent call last):
    hdc.errors.ParameterError: k must be an integer of at least 1, not 2.5
    """
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        found = int(value)
        if least is None or found >= least:
            if most is None or found <= most:
                return found
            least = None
    raise wrong(value, what, f"an integer{_range(least, most if least is None else None)}")


def number(value: Any, what: str, least: float | None = None, most: float | None = None) -> float:
    """Return a finite real number as a float; NumPy's numbers count, bools do not.

    Raises
    ------
    ParameterError
        If it is no finite number, is less than ``least``, or more than ``most``.
    """
    found = _real(value)
    if math.isfinite(found) and (least is None or found >= least) and (most is None or found <= most):
        return found
    raise wrong(value, what, f"a number{_range(least, most)}")


def fraction(value: Any, what: str) -> float:
    """Return a number strictly between 0 and 1; raises as :func:`number`."""
    found = _real(value)
    if 0 < found < 1:
        return found
    raise wrong(value, what, BETWEEN)


def choice(value: Any, what: str, choices: Collection[Name]) -> Name:
    """Return the one of some names that ``value`` is.

    Raises
    ------
    ParameterError
        If it is none of them; the text lists them.
    """
    if isinstance(value, str):
        for known in choices:
            if value == known:
                return known
    raise wrong(value, what, f"one of {', '.join(choices)}")


def known(value: Any, what: str, names: Collection[str]) -> str:
    """Return a name that is registered: of a model, task or law, where more may come.

    Raises
    ------
    UnknownNameError
        If it is none of ``names``; the text lists them.
    """
    if isinstance(value, str) and value in names:
        return value
    raise UnknownNameError(f"unknown {what} {shown(value)}; known: {', '.join(names)}")


def flag(value: Any, what: str) -> bool:
    """Return a bool; NumPy's count, numbers do not.

    Raises
    ------
    ParameterError
        If it is something else.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise wrong(value, what, "True or False")


def text(value: Any, what: str) -> str:
    """Return a str of characters that UTF-8 has.

    Raises
    ------
    ParameterError
        If it is something else, or has a lone surrogate, which no file could keep.
    """
    if not isinstance(value, str):
        raise wrong(value, what, "a text (str)")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        fault = value[error.start]
        raise ParameterError(f"{what} has the lone surrogate {fault!r}, which is no character; remove it") from None
    return value


def path(value: Any, what: str = "path") -> Path:
    """Return the path of a file or folder.

    Raises
    ------
    ParameterError
        If it is no ``str`` or ``os.PathLike`` of one, is empty, or no system could have such a name: it has a NUL.
    """
    name = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(name, str) or not name:
        raise wrong(value, what, "the name of a file or folder (str or os.PathLike)")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        raise wrong(value, what, "a name in the encoding of the file system") from None
    if "\0" in name:
        raise wrong(value, what, "a name without NUL characters")
    return Path(name)


def function(value: Any, what: str) -> Any:
    """Return a callable.

    Raises
    ------
    ParameterError
        If it is none.
    """
    if callable(value):
        return value
    raise wrong(value, what, "callable")


def instance(value: Any, what: str, kind: Any) -> Any:
    """Return an object of a class or its subclasses.

    Raises
    ------
    ParameterError
        If it is of another.
    """
    if isinstance(value, kind):
        return value
    raise wrong(value, what, f"a {kind.__name__}")


def mapping(value: Any, what: str) -> Mapping[Any, Any]:
    """Return a mapping.

    Raises
    ------
    ParameterError
        If it is something else.
    """
    if isinstance(value, Mapping):
        return value
    raise wrong(value, what, "a mapping, such as a dict")


def listed(value: Any, what: str) -> list[Any]:
    """Return the values of an iterable as a list; reject text, bytes and mappings.

    Raises
    ------
    ParameterError
        If it is one of these, or not iterable.
    """
    if not isinstance(value, str | bytes | Mapping):
        try:
            return list(value)
        except TypeError:  # not iterable, or an array without axes
            pass
    raise wrong(value, what, "a list")


def texts(value: Any, what: str) -> list[str]:
    """Return a list of texts, each checked as :func:`text`.

    Raises
    ------
    ParameterError
        If it is one text, no iterable, or one of its items is not text.
    """
    return [text(item, f"each of {what}") for item in listed(value, what)]


def ids(value: npt.ArrayLike, what: str = "ids") -> npt.NDArray[np.int64]:
    """Return integers of any shape, read in C order, as ``(n,)`` int64; one integer is a list of one.

    Raises
    ------
    ParameterError
        If they are not integers, lists of different lengths, or beyond 64 bits.
    """
    try:
        given = np.asarray(value)
    except (ValueError, TypeError, OverflowError):  # lists of different lengths, or objects that NumPy cannot read
        raise wrong(value, what, "a list of integers") from None
    if given.size == 0:
        return np.empty(0, np.int64)
    if given.dtype.kind not in "iu" or (given.dtype.kind == "u" and int(given.max()) >= 1 << 63):
        raise wrong(value, what, "a list of integers")
    return given.ravel().astype(np.int64, copy=False)


def array(value: Any, what: str) -> npt.NDArray[Any]:
    """Return an array, not copied if it is one: it may be mapped from a file.

    Raises
    ------
    DTypeError
        If it is none, but lists of different lengths, or nothing that NumPy can look into.
    """
    try:
        found: npt.NDArray[Any] = np.asanyarray(value)
    except (ValueError, TypeError, OverflowError):
        raise DTypeError(f"{what} must be an array, not {shown(value)}") from None
    return found


def numbers(
    value: npt.ArrayLike, what: str, expected: str = "a number or an array of numbers"
) -> npt.NDArray[np.float64]:
    """Return a real number, or an array of them, as float64 of the same shape; infinities and NaN are numbers here.

    Raises
    ------
    ParameterError
        If they are texts, bools or anything else, or lists of different lengths.
    """
    try:
        given = np.asarray(value)
        if given.dtype.kind in "iuf" or (given.dtype.kind == "O" and all(type(one) is int for one in given.flat)):
            return given.astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        pass
    raise wrong(value, what, expected)


def integers(value: npt.ArrayLike, what: str, least: int) -> npt.NDArray[np.float64]:
    """Return a whole number, or an array of them, as float64 of the same shape; 3.0 is one.

    Raises
    ------
    ParameterError
        If they are not numbers, or one is not whole, not finite, or less than ``least``.
    """
    expected = f"an integer{_range(least, None)}"
    array = numbers(value, what, expected)
    if np.all((array >= least) & (array == np.floor(array)) & np.isfinite(array)):
        return array
    raise wrong(value, what, expected)


def shape_of(**arrays: npt.NDArray[Any] | None) -> tuple[int, ...]:
    """Return the shape that arrays broadcast to; None takes no part.

    Raises
    ------
    DimensionError
        If they do not.
    """
    shapes = {name: array.shape for name, array in arrays.items() if array is not None}
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listing = ", ".join(f"{name} {shape}" for name, shape in shapes.items() if shape)
        raise DimensionError(f"arrays of these shapes do not broadcast: {listing}") from None


def wrong(value: Any, what: str, expected: str) -> ParameterError:
    """Return the error for a value that is not what was expected."""
    return ParameterError(f"{what} must be {expected}, not {shown(value)}")


def shown(value: Any) -> str:
    """Return a value as an error shows it: on one line, and no longer than ``SHOWN`` characters."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of {value.dtype} and shape {value.shape}"
    try:
        line = repr(value)
    except Exception:  # an integer of too many digits, or a __repr__ that fails: the error is about the value
        return f"a {type(value).__name__}"
    if "\n" in line or len(line) > SHOWN:
        line = " ".join(line.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _real(value: Any) -> float:
    """Return a real number as a float, NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _range(least: float | None, most: float | None) -> str:
    low, high = (f"{bound:g}" if isinstance(bound, float) else str(bound) for bound in (least, most))
    if least is None:
        return "" if most is None else f" of at most {high}"
    return f" of at least {low}" if most is None else f" from {low} to {high}"
