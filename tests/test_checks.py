"""One module checks plain parameters: the same mistake gets the same error, with the same words, everywhere."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hdc
from hdc import bounds, checks, words
from hdc.apps.capacity import accuracy, experiments, intervals, search, theory
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.json.reading import Limits, plan, read
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, RaBitQBinarizer, RecurrentBinarizer, SignBinarizer
from hdc.apps.retrieval.evaluation import exact
from hdc.apps.retrieval.files.codes import open_codes
from hdc.apps.retrieval.files.vectors import open_vectors
from hdc.errors import DimensionError, DTypeError, ParameterError, UnknownNameError
from hdc.search.options import FlatOptions, HNSWOptions, IVFOptions

NO_INTEGERS = [2.5, "3", None, True, np.float64(2), [3], np.array([3]), float("nan"), b"3"]
NO_NUMBERS = ["x", None, True, [0.5], float("nan"), 10**400, 1j]
NO_TEXTS = [3, None, b"x", ["x"], "\ud800"]
NO_FLAGS = [1, 0, "yes", None, np.array([True])]


def shown(value):
    return "a int" if value == 10**400 else checks.shown(value)


class TestWords:
    @pytest.mark.parametrize("value", NO_INTEGERS)
    def test_integers(self, value):
        with pytest.raises(ParameterError) as caught:
            checks.integer(value, "k", 1)
        assert str(caught.value) == f"k must be an integer of at least 1, not {checks.shown(value)}"

    def test_bounds_of_integers(self):
        assert checks.integer(np.int8(3), "k", 3, 3) == 3
        assert type(checks.integer(np.uint64(3), "k")) is int
        for value, expected in ((2, "of at least 3"), (9, "of at most 8")):
            with pytest.raises(ParameterError, match=f"k must be an integer {expected}, not {value}"):
                checks.integer(value, "k", 3, 8)
        with pytest.raises(ParameterError, match="k must be an integer, not 'x'"):
            checks.integer("x", "k")
        with pytest.raises(ParameterError, match="k must be an integer of at most 5, not 6"):
            checks.integer(6, "k", most=5)

    @pytest.mark.parametrize("value", [*NO_NUMBERS, -0.5, 1.5])
    def test_numbers(self, value):
        with pytest.raises(ParameterError) as caught:
            checks.number(value, "balance", 0, 1)
        assert str(caught.value).startswith("balance must be a number from 0 to 1, not ")
        with pytest.raises(ParameterError, match="error must be a number strictly between 0 and 1, not"):
            checks.fraction(1 if value in (-0.5, 1.5) else value, "error")

    def test_good_numbers(self):
        assert [checks.number(value, "x", 0, 1) for value in (0, 1, 0.5, np.float32(0.25), np.int64(1))] == [
            *(0.0, 1.0, 0.5, 0.25, 1.0)
        ]
        assert checks.number(-1e300, "x") == -1e300
        assert checks.fraction(np.float32(0.5), "x") == 0.5
        for least, most, expected in (
            (1e-6, 1e6, "from 1e-06 to 1e"),
            (None, 2, "of at most 2"),
            (2, None, "of at least 2"),
        ):
            with pytest.raises(ParameterError, match=f"x must be a number {expected}"):
                checks.number("x", "x", least, most)

    @pytest.mark.parametrize("value", [*NO_TEXTS, "other", ""])
    def test_names(self, value):
        with pytest.raises(ParameterError) as caught:
            checks.choice(value, "kind", ("flat", "ivf"))
        assert str(caught.value) == f"kind must be one of flat, ivf, not {value!r}"
        with pytest.raises(UnknownNameError) as caught:
            checks.known(value, "model", ("MAP-B",))
        assert str(caught.value) == f"unknown model {value!r}; known: MAP-B"

    @pytest.mark.parametrize("value", NO_TEXTS)
    def test_texts(self, value):
        message = "lone surrogate" if value == "\ud800" else "key must be a text \\(str\\), not"
        with pytest.raises(ParameterError, match=message):
            checks.text(value, "key")
        with pytest.raises(ParameterError, match=message.replace("key", "each of keys")):
            checks.texts(["a", value], "keys")
        assert checks.texts(("a", "ß"), "keys") == ["a", "ß"]

    @pytest.mark.parametrize("value", NO_FLAGS)
    def test_flags(self, value):
        with pytest.raises(ParameterError, match="own must be True or False, not"):
            checks.flag(value, "own")
        assert checks.flag(np.True_, "own") is True

    def test_paths(self, tmp_path):
        assert checks.path("a/b") == Path("a/b")
        assert checks.path(tmp_path) == tmp_path
        assert os.fspath(checks.path(os.fsdecode(b"\xff"))) == os.fsdecode(b"\xff")
        for value in (3, None, b"x", "", ["x"]):
            with pytest.raises(ParameterError, match="path must be the name of a file or folder"):
                checks.path(value)
        with pytest.raises(ParameterError, match=r"path must be a name without NUL characters, not 'a\\x00b'"):
            checks.path("a\0b")
        with pytest.raises(ParameterError, match="path must be a name in the encoding of the file system"):
            checks.path("\ud800")

    def test_lists(self):
        assert checks.listed(iter("ab"), "x") == ["a", "b"]
        for value in ("ab", b"ab", {"a": 1}, 3, None, np.array(3)):
            with pytest.raises(ParameterError, match="x must be a list, not"):
                checks.listed(value, "x")

    def test_ids(self):
        assert checks.ids([[1, 2], [3, 4]]).tolist() == [1, 2, 3, 4]
        assert checks.ids(5).tolist() == [5]
        assert checks.ids([]).dtype == np.int64
        assert checks.ids(np.array([7], np.uint64)).tolist() == [7]
        for value in ([1.0], ["a"], [True], [[1], [2, 3]], None, [2**63], [2**70], [None], "3", {1}):
            with pytest.raises(ParameterError, match="ids must be a list of integers, not"):
                checks.ids(value)

    def test_arrays_of_numbers(self):
        assert checks.integers([[1, 2.0]], "n", 1).tolist() == [[1, 2]]
        assert checks.numbers([5, 10**30], "x").tolist() == [5, 1e30]
        for value in ("3", [True], [1, None], 0, [1.5], [float("inf")], [[1], [2, 3]]):
            with pytest.raises(ParameterError, match="n must be an integer of at least 1, not"):
                checks.integers(value, "n", 1)
        assert checks.shape_of(a=np.ones((2, 1)), b=np.ones(3), c=None) == (2, 3)
        with pytest.raises(DimensionError, match=r"do not broadcast: a \(2,\), b \(3,\)"):
            checks.shape_of(a=np.ones(2), b=np.ones(3), c=np.ones(()))
        with pytest.raises(DTypeError, match="x must be an array, not"):
            checks.array([[1], [2, 3]], "x")

    def test_objects(self):
        with pytest.raises(ParameterError, match="vsa must be a VSA, not 3"):
            checks.instance(3, "vsa", hdc.VSA)
        with pytest.raises(ParameterError, match="f must be callable, not 3"):
            checks.function(3, "f")
        with pytest.raises(ParameterError, match="m must be a mapping, such as a dict, not 3"):
            checks.mapping(3, "m")

    @given(st.recursive(st.none() | st.text() | st.binary() | st.integers(), st.lists))
    def test_what_is_shown_is_one_short_line(self, value):
        line = checks.shown(value)
        assert len(line) <= checks.SHOWN
        assert "\n" not in line

    def test_what_cannot_be_shown(self):
        class Silent:
            def __repr__(self):
                raise RuntimeError

        deep = []
        for _ in range(100_000):
            deep = [deep]
        for value in (Silent(), 10**5000, deep):
            assert checks.shown(value) == f"a {type(value).__name__}"
        while deep:  # taken apart from outside: dropped at once, it would overflow the stack of some Pythons
            deep = deep.pop()
        assert checks.shown(np.zeros((2, 3))) == "an array of float64 and shape (2, 3)"


RNG = np.random.default_rng(0)
VECTORS = RNG.standard_normal((40, 16)).astype(np.float32)
CODES = words.pack(VECTORS > 0)
DOCUMENTS = [{"name": f"n{i}", "age": i} for i in range(5)]
ENCODER = JSONEncoder(64, backend="numpy").fit(DOCUMENTS)
VSA = hdc.MAPB(128, backend="numpy")
MEMORY = hdc.ItemMemory(VSA, "abc")
BOUND = {"task": "membership", "model": "MAP-B", "items": 5, "universe": 100, "error": 0.1}
SETTING = {"model": "MAP-I", "dim": 16, "items": 2, "universe": 9, "backend": "numpy"}


def binary(**options):
    index = BinaryIndex(16, backend="numpy")
    index.add(CODES)
    return index.search(CODES[:2], **options)


def embedding(**options):
    index = EmbeddingIndex.create(None, SignBinarizer(64).fit(VECTORS))
    index.add(VECTORS)
    return index.search(VECTORS[:2], **options)


def json(method, *given, **options):
    return getattr(JSONIndex(ENCODER).add(DOCUMENTS), method)(*given, **options)


def encoder(**options):
    JSONEncoder(**{"dim": 64, **options}).check()


def fitted(kind, **options):
    kind(**options).fit(VECTORS)


def bound(function=bounds.dimension, **change):
    function(**{**BOUND, **change})


def vector_file(tmp_path):
    np.save(tmp_path / "v.npy", VECTORS)
    return open_vectors(tmp_path / "v.npy")


INTEGERS = {
    "MAPI dim": (hdc.MAPI, "dim", 1),
    "MBAT dim": (hdc.MBAT, "dim", 1),
    "Bloom ones": (partial(hdc.Bloom, 64), "ones", 0),
    "Bloom load": (partial(hdc.Bloom, 64), "load", 0),
    "create dim": (partial(hdc.create, "MAP-B"), "dim", 1),
    "create seed": (partial(hdc.create, "MAP-B", 64), "seed", None),
    "random n": (partial(VSA.random, seed=0), "n", 0),
    "random seed": (partial(VSA.random, 1), "seed", None),
    "permute shift": (partial(VSA.permute, VSA.symbol("a")), "shift", None),
    "nearest k": (partial(VSA.nearest, VSA.symbols(["a"]), VSA.symbols(["a"])), "k", 1),
    "contains size": (partial(VSA.contains, VSA.symbol("a"), VSA.symbols(["a"])), "size", 1),
    "memory search k": (partial(MEMORY.search, VSA.symbols(["a"])), "k", 1),
    "cleanup k": (partial(MEMORY.cleanup, VSA.symbol("a")), "k", 1),
    "Multiset decode size": (partial(hdc.Multiset(VSA).decode, VSA.symbol("a"), MEMORY), "size", 1),
    "Sequence get position": (partial(hdc.Sequence(VSA).get, VSA.symbol("a"), memory=MEMORY), "position", 0),
    "Sequence decode length": (partial(hdc.Sequence(VSA).decode, VSA.symbol("a"), MEMORY), "length", 0),
    "NGrams n": (partial(hdc.NGrams, VSA), "n", 1),
    "Hopfield dim": (hdc.Hopfield, "dim", 1),
    "unpack dim": (partial(words.unpack, np.zeros(1, np.uint64)), "dim", 1),
    "bounds items": (bound, "items", 1),
    "capacity universe": (VSA.capacity, "universe", 1),
    "accuracy dim": (partial(accuracy.accuracy, "pairs", "MAP-I", items=2, universe=9), "dim", 2),
    "dimension_for items": (partial(accuracy.dimension_for, "pairs", "MAP-I", universe=9), "items", 1),
    "best items": (partial(theory.best, "membership", universe=9), "items", 1),
    "wilson trials": (partial(intervals.wilson, 0.5), "trials", 1),
    "run trials": (partial(experiments.run, "bundle", SETTING), "trials", 1),
    "minimum trials": (partial(search.minimum_dimension, "bundle", **SETTING), "trials", 1),
    "BinaryIndex dim": (BinaryIndex, "dim", 1),
    "BinaryIndex levels": (partial(BinaryIndex, 16), "levels", 1),
    "BinaryIndex search k": (binary, "k", 1),
    "FlatOptions candidates": (FlatOptions, "candidates", 1),
    "IVFOptions probes": (IVFOptions, "probes", 1),
    "HNSWOptions effort": (HNSWOptions, "effort", 1),
    "EmbeddingIndex search k": (embedding, "k", 1),
    "JSONIndex search k": (partial(json, "search", {"age": 3}), "k", 1),
    "JSONIndex like k": (partial(json, "like", 1), "k", 1),
    "JSONEncoder dim": (encoder, "dim", 1),
    "JSONEncoder seed": (encoder, "seed", None),
    "decode k": (partial(ENCODER.decode, ENCODER.transform(DOCUMENTS)[0], "name"), "k", 1),
    "SignBinarizer dim": (partial(fitted, SignBinarizer), "dim", 1),
    "SignBinarizer seed": (partial(fitted, SignBinarizer), "seed", 0),
    "RaBitQBinarizer lists": (partial(fitted, RaBitQBinarizer), "lists", 1),
    "RaBitQBinarizer seed": (partial(fitted, RaBitQBinarizer), "seed", 0),
    **{
        f"RecurrentBinarizer {name}": (partial(fitted, RecurrentBinarizer), name, least)
        for name, least in (("dim", 64), ("loops", 0), ("rounds", 0), ("epochs", 0), ("patience", 1), ("seed", 0))
    },
    "binariser search k": (partial(SignBinarizer().fit(VECTORS).search, VECTORS, CODES), "k", 1),
    "exact k": (partial(exact.exact, [], VECTORS), "k", 1),
    "Limits document_bytes": (Limits, "document_bytes", 1),
    "Limits ratio": (Limits, "ratio", 1),
    "plan part_bytes": (partial(plan, []), "part_bytes", 1),
}

OPTIONAL = ("bounds", "capacity", "SignBinarizer dim", "FlatOptions", "binary")
"""Where None is a value, or is told in other words."""


@pytest.mark.parametrize("case", INTEGERS)
def test_integers_everywhere(case):
    call, name, least = INTEGERS[case]
    expected = f"{name} must be an integer" + ("" if least is None else f" of at least {least}")
    arrays = case.startswith(("bounds", "accuracy", "capacity"))  # arrays of integers are values, and 2.0 is whole
    for value in NO_INTEGERS:
        if (value is None and case.startswith(OPTIONAL)) or (
            arrays and isinstance(value, list | np.floating | np.ndarray)
        ):
            continue
        with pytest.raises(ParameterError) as caught:
            call(**{name: value})
        assert str(caught.value) == f"{expected}, not {checks.shown(value)}"
    if least is not None:
        with pytest.raises(ParameterError) as caught:
            call(**{name: least - 1})
        assert str(caught.value) == f"{expected}, not {least - 1}"


NUMBERS = {
    "balance": (encoder, "from 0 to 1"),
    "bandwidth": (encoder, "from 1e-06 to 1e+06"),
    "whitening": (partial(fitted, RecurrentBinarizer), "from 0 to 1e+06"),
    "temperature": (partial(fitted, RecurrentBinarizer), "from 0 to 1e+06"),
    "share": (partial(intervals.wilson, trials=9), "from 0 to 1"),
    "error": (bound, "strictly between 0 and 1"),
    "target": (partial(ENCODER.capacity, DOCUMENTS), "strictly between 0 and 1"),
    "confidence": (partial(intervals.wilson, 0.5, 9), "strictly between 0 and 1"),
    "resolution": (partial(search.minimum_dimension, "bundle", **SETTING), "strictly between 0 and 1"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_everywhere(name):
    call, expected = NUMBERS[name]
    for value in ["x", None, True, float("nan"), -1]:
        if name == "error" and value is None:
            continue
        with pytest.raises(ParameterError) as caught:
            call(**{name: value})
        assert str(caught.value) == f"{name} must be a number {expected}, not {checks.shown(value)}"


CHOICES = {
    "matrix": (partial(hdc.MBAT, 64), "haar, hadamard, permutation"),
    "precision": (partial(hdc.MAPI, 64, backend="numpy"), "int8, float32, float64"),
    "binding": (partial(hdc.Bloom, 64), "shift, segment"),
    "form": (partial(hdc.Hopfield, 16), "low-rank, dense"),
    "shape": (partial(bound, task="nested", model="MAP-I", depth=2), "tree, chain"),
    "kind": (partial(BinaryIndex, 16), "flat, ivf, hnsw"),
    "output": (encoder, "float, packed"),
    "numbers": (encoder, "grid, smooth"),
    "arrays": (encoder, "auto, bag, sequence, soft, both"),
    "missing": (partial(json, "search", {"age": 3}), "ignore, count"),
    "transform": (JSONEncoder(64).set_output, "default, pandas, polars"),
    "on_error": (partial(read, []), "raise, skip"),
    "format": (partial(read, []), "auto, lines, json"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_names_everywhere(name):
    call, known = CHOICES[name]
    for value in ["x", 3, True, b"flat", ["flat"]]:
        with pytest.raises(ParameterError) as caught:
            call(**{name: value})
        assert str(caught.value) == f"{name} must be one of {known}, not {value!r}"


FLAGS = {
    "signed": partial(hdc.Hopfield, 16),
    "own": partial(bound, task="bindings", model="MAP-I"),
    "rarity": encoder,
    "centre": partial(fitted, SignBinarizer),
    "rotate": partial(fitted, SignBinarizer),
    "asymmetric": partial(SignBinarizer().fit(VECTORS).search, VECTORS, CODES, 1),
    "enabled": hdc.warn_beyond_capacity,
}


@pytest.mark.parametrize("name", FLAGS)
def test_flags_everywhere(name):
    for value in [1, "yes", None, 0.0]:
        with pytest.raises(ParameterError) as caught:
            FLAGS[name](**{name: value})
        assert str(caught.value) == f"{name} must be True or False, not {value!r}"


PATHS = {
    "memory.save": MEMORY.save,
    "memory.load": hdc.ItemMemory.load,
    "files.load": partial(hdc.files.load, kind="x"),
    "files.save": lambda path: hdc.files.save(path, "x", {}, {}),
    "Store.create": lambda path: hdc.store.Store.create(path, "x", {"a": ("uint64", 1)}),
    "Store.open": partial(hdc.store.Store.open, kind="x"),
    "BinaryIndex": lambda path: BinaryIndex(16, path=path),
    "BinaryIndex.open": BinaryIndex.open,
    "BinaryIndex.save": lambda path: BinaryIndex(16).save(path),
    "EmbeddingIndex.create": lambda path: EmbeddingIndex.create(path, SignBinarizer().fit(VECTORS)),
    "EmbeddingIndex.open": EmbeddingIndex.open,
    "JSONIndex.create": lambda path: JSONIndex.create(path, ENCODER),
    "JSONIndex.open": JSONIndex.open,
    "JSONIndex.save": lambda path: json("save", path),
    "binariser.save": lambda path: SignBinarizer().fit(VECTORS).save(path),
    "binariser.load": SignBinarizer.load,
    "open_vectors": open_vectors,
    "open_codes": open_codes,
    "read": lambda path: list(read([path])),
    "plan": lambda path: plan([path]),
    "results": lambda path: experiments.run("bundle", SETTING, 1, results=path),
}


@pytest.mark.parametrize("name", PATHS)
def test_paths_everywhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in ("a\0b", b"x", 3):
        with pytest.raises(ParameterError) as caught:
            PATHS[name](value)
        assert " must be " in str(caught.value)
        assert str(caught.value).endswith(f", not {value!r}")
    assert list(tmp_path.iterdir()) == []


def test_seeds_and_rows_of_files(tmp_path):
    file = vector_file(tmp_path)
    for call, name in ((partial(file.sample, 3), "seed"), (partial(file.sample, seed=0), "most")):
        with pytest.raises(ParameterError, match=f"{name} must be an integer of at least"):
            call(**{name: -1})
    for name in ("start", "rows"):
        with pytest.raises(ParameterError, match=f"{name} must be an integer of at least"):
            list(file.blocks(**{name: -1}))


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: hdc.Record(VSA).encode("a"), "fields must be a mapping, such as a dict, not 'a'"),
        (lambda: hdc.Sequence(VSA).encode(VSA.symbol("a")), "one vector was given; put it in a list"),
        (lambda: hdc.Multiset(VSA).encode(VSA.symbol("a")), "one vector was given; put it in a list"),
        (lambda: hdc.NGrams(VSA).encode(VSA.symbol("a")), "one vector was given; put it in a list"),
        (lambda: hdc.ItemMemory("MAP-B"), "vsa must be a VSA, not 'MAP-B'"),
        (lambda: hdc.Record("MAP-B"), "vsa must be a VSA, not 'MAP-B'"),
        (lambda: hdc.Record(VSA).get(VSA.symbol("a"), "a", {}), "memory must be a ItemMemory, not {}"),
        (lambda: hdc.ItemMemory(VSA, 5), "names must be a sequence of names, not int"),
        (lambda: hdc.Multiset(VSA).encode(5), "names must be a sequence of names, not int"),
        (lambda: hdc.Hopfield(16).intersection_size(3), "other must be a Hopfield, not 3"),
        (lambda: json("keys", "a"), "ids must be a list of integers, not 'a'"),
        (lambda: json("remove", [1.5]), "ids must be a list of integers, not [1.5]"),
        (lambda: json("documents", None), "ids must be a list of integers, not None"),
        (lambda: json("find", 3), "key"),
        (lambda: json("remove", keys=[3]), "key"),
        (lambda: json("filter", 3), "where must be a list, not 3"),
        (
            lambda: JSONIndex(ENCODER).add(DOCUMENTS[0]),
            "and a dict was given",
        ),
        (lambda: JSONIndex("encoder"), "encoder must be a JSONEncoder, not 'encoder'"),
        (lambda: EmbeddingIndex.create(None, "model"), "model must be a Binarizer, not 'model'"),
        (lambda: read("in.jsonl"), "paths must be a list, not 'in.jsonl'"),
        (lambda: (hdc.MBAT(64).role("a") @ hdc.MBAT(64).role("b")) ** 10**9, "have more than 65536 factors"),
    ],
)
def test_other_mistakes(mistake, message):
    with pytest.raises(hdc.HDCError) as caught:
        mistake()
    assert message in str(caught.value)
