"""The shared checks of parameters: every border, every kind that is refused, and the texts of errors."""

import math
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hdc import checks, errors


def refused(check, *given, match, error=errors.ParameterError):
    with pytest.raises(error, match=match):
        check(*given)


def test_integers():
    for value in (3, np.int8(3), np.uint64(3)):
        found = checks.integer(value, "k", 3, 3)
        assert (found, type(found)) == (3, int)
    assert checks.integer(-5, "k") == -5
    assert checks.integer(5, "k", most=5) == 5
    for value in (True, np.True_, 3.0, "3", None, np.array([3])):
        refused(checks.integer, value, "k", match="^k must be an integer, not ")
    refused(checks.integer, 2, "k", 3, match="^k must be an integer of at least 3, not 2$")
    refused(checks.integer, 2, "k", 3, 9, match="^k must be an integer of at least 3, not 2$")
    refused(checks.integer, 10, "k", 3, 9, match="^k must be an integer of at most 9, not 10$")
    refused(checks.integer, "x", "k", 3, 9, match="^k must be an integer of at least 3, not 'x'$")
    refused(checks.integer, 1, "k", None, 0, match="^k must be an integer of at most 0, not 1$")


def test_real_numbers():
    for value in (2, 2.0, np.float32(2), np.int16(2)):
        found = checks.number(value, "x", 2, 2)
        assert (found, type(found)) == (2.0, float)
    assert checks.number(-1.5, "x") == -1.5
    for value in (True, "2", None, math.nan, math.inf, -math.inf, 10**400, Fraction(1, 2)):
        refused(checks.number, value, "x", match="^x must be a number, not ")
    refused(checks.number, 1.9, "x", 2.0, match="^x must be a number of at least 2, not 1.9$")
    refused(checks.number, 3.1, "x", 2.0, 3.0, match="^x must be a number from 2 to 3, not 3.1$")
    refused(checks.number, 3.1, "x", None, 3, match="^x must be a number of at most 3, not 3.1$")


def test_fractions():
    assert checks.fraction(np.float64(0.25), "p") == 0.25
    for value in (0, 1, 0.0, 1.0, -0.5, 1.5, True, "0.5", math.nan):
        refused(checks.fraction, value, "p", match="^p must be a number strictly between 0 and 1, not ")


def test_names():
    assert checks.choice("b", "kind", ("a", "b")) == "b"
    assert checks.known("b", "model", ("a", "b")) == "b"
    for value in ("c", "", 1, None, ["a"]):
        refused(checks.choice, value, "kind", ("a", "b"), match="^kind must be one of a, b, not ")
        refused(checks.known, value, "model", ("a", "b"), match="^unknown model .*; known: a, b$",
                error=errors.UnknownNameError)  # fmt: skip


def test_flags():
    for value in (True, False, np.True_, np.False_):
        assert checks.flag(value, "f") is bool(value)
    for value in (0, 1, "x", None, np.int8(1)):
        refused(checks.flag, value, "f", match="^f must be True or False, not ")


def test_texts():
    assert checks.text("a\u20ac", "key") == "a\u20ac"
    for value in (b"a", 1, None):
        refused(checks.text, value, "key", match=r"^key must be a text \(str\), not ")
    refused(checks.text, "ab\ud800c", "key", match=r"^key has the lone surrogate '\\ud800'")
    assert checks.texts(("a", "b"), "keys") == ["a", "b"]
    refused(checks.texts, ["a", 1], "keys", match=r"^each of keys must be a text \(str\), not 1$")
    assert checks.listed(iter("ab"), "keys") == ["a", "b"]
    for value in ("ab", b"ab", {"a": 1}, 7, np.array(3)):
        refused(checks.listed, value, "keys", match="^keys must be a list, not ")


class Named(os.PathLike):
    def __init__(self, name):
        self.name = name

    def __fspath__(self):
        return self.name


def test_paths():
    for value in ("a/b", Path("a/b"), Named("a/b")):
        assert checks.path(value) == Path("a/b")
    for value in ("", b"a", Named(b"a"), 1, None):
        refused(checks.path, value, match="^path must be the name of a file or folder")
    refused(checks.path, "a\0b", "out", match="^out must be a name without NUL characters, not 'a.x00b'$")
    refused(checks.path, "a\ud800", match="^path must be a name in the encoding of the file system")


def test_kinds_of_objects():
    assert checks.function(len, "f") is len
    refused(checks.function, 3, "f", match="^f must be callable, not 3$")
    assert checks.instance(True, "n", int) is True
    refused(checks.instance, "3", "n", int, match="^n must be a int, not '3'$")
    held = {"a": 1}
    assert checks.mapping(held, "m") is held
    refused(checks.mapping, [("a", 1)], "m", match="^m must be a mapping, such as a dict, not ")


def test_ids():
    for value, expected in ((3, [3]), ([[1, 2], [3, 4]], [1, 2, 3, 4]), ([], []), (np.array([], str), [])):
        found = checks.ids(value)
        assert (found.dtype, found.tolist()) == (np.int64, expected)
    assert checks.ids(np.array([2**63 - 1], np.uint64)).tolist() == [2**63 - 1]
    for value in (np.array([2**63], np.uint64), [1.0], ["1"], [True], [[1], [1, 2]], [2**70], None):
        refused(checks.ids, value, match="^ids must be a list of integers, not ")


def test_arrays():
    held = np.arange(3)
    assert checks.array(held, "x") is held
    refused(checks.array, [[1], [1, 2]], "x", match="^x must be an array, not ", error=errors.DTypeError)
    for value in (2, [2, 3.5], np.float32([math.nan, math.inf]), [10**30]):
        found = checks.numbers(value, "x")
        np.testing.assert_array_equal(found, np.asarray(value, np.float64))
        assert found.dtype == np.float64
    for value in ("2", [True], [[1], [1, 2]], [None], [10**30, "2"], [10**400], [10**30, True]):
        refused(checks.numbers, value, "x", match="^x must be a number or an array of numbers, not ")
    assert checks.integers([2, 3.0], "n", 2).tolist() == [2.0, 3.0]
    for value in (1, [3, 1], 2.5, math.inf, math.nan, "3"):
        refused(checks.integers, value, "n", 2, match="^n must be an integer of at least 2, not ")
    assert checks.shape_of(a=np.zeros((2, 1)), b=None, c=np.zeros(3)) == (2, 3)
    with pytest.raises(errors.DimensionError, match=r"do not broadcast: a \(2,\), c \(3,\)$"):
        checks.shape_of(a=np.zeros(2), b=np.zeros(()), c=np.zeros(3))


def test_what_errors_show():
    assert checks.shown(np.zeros((2, 3), np.int8)) == "an array of int8 and shape (2, 3)"
    assert checks.shown(np.array(7)) == "array(7)"
    assert checks.shown("x" * (checks.SHOWN - 2)) == repr("x" * (checks.SHOWN - 2))
    assert checks.shown("x" * (checks.SHOWN - 1)) == "'" + "x" * (checks.SHOWN - 2) + "\u2026"
    spaced = type("Spaced", (), {"__repr__": lambda self: "a  b"})()
    assert checks.shown(spaced) == "a  b"
    lined = type("Lined", (), {"__repr__": lambda self: "a \n  b"})()
    assert checks.shown(lined) == "a b"
    exact = type("Exact", (), {"__repr__": lambda self: "a" + " " * (checks.SHOWN - 2) + "b"})()
    assert checks.shown(exact) == repr(exact)
    long = type("Long", (), {"__repr__": lambda self: "a" + " " * checks.SHOWN + "b"})()
    assert checks.shown(long) == "a b"

    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert checks.shown(Broken()) == "a Broken"
    assert checks.shown(10**5000) == "a int"
