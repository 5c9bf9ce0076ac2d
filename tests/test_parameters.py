"""The same mistake gets the same error, with the same words, everywhere: what test_checks says of the module itself."""

from functools import partial

import numpy as np
import pytest

import hdc
from hdc import bounds, checks, words
from hdc.apps.capacity import accuracy, experiments, intervals, search, theory
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.json.reading import Limits, plan, read
from hdc.apps.retrieval import (
    BinaryIndex,
    EmbeddingIndex,
    RaBitQBinarizer,
    RecurrentBinarizer,
    ScalarBinarizer,
    SignBinarizer,
)
from hdc.apps.retrieval.evaluation import exact
from hdc.apps.retrieval.files.codes import open_codes
from hdc.apps.retrieval.files.vectors import open_vectors
from hdc.errors import ParameterError
from hdc.search.options import FlatOptions, HNSWOptions, IVFOptions

NO_INTEGERS = [2.5, "3", None, True, np.float64(2), [3], np.array([3]), float("nan"), b"3"]

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
    "RaBitQBinarizer component_bits": (partial(fitted, RaBitQBinarizer), "component_bits", 1),
    "ScalarBinarizer code_size": (partial(fitted, ScalarBinarizer), "code_size", 8),
    "ScalarBinarizer seed": (partial(fitted, ScalarBinarizer), "seed", 0),
    **{
        f"RecurrentBinarizer {name}": (partial(fitted, RecurrentBinarizer), name, least)
        for name, least in (("dim", 64), ("loops", 0), ("rounds", 0), ("epochs", 0), ("patience", 1), ("seed", 0))
    },
    "binarizer search k": (partial(SignBinarizer().fit(VECTORS).search, VECTORS, CODES), "k", 1),
    "exact k": (partial(exact.exact, [], VECTORS), "k", 1),
    "Limits document_bytes": (Limits, "document_bytes", 1),
    "Limits ratio": (Limits, "ratio", 1),
    "plan part_bytes": (partial(plan, []), "part_bytes", 1),
}

OPTIONAL = ("bounds", "capacity", "SignBinarizer dim", "ScalarBinarizer code_size", "FlatOptions", "binary")
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
    "center": partial(fitted, SignBinarizer),
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
    "binarizer.save": lambda path: SignBinarizer().fit(VECTORS).save(path),
    "binarizer.load": SignBinarizer.load,
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
