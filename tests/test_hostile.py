"""Odd values for every parameter of every public function: whatever is given, errors are typed.

Each call is made with good arguments first, so that what is tried is the function and not a mistake in this table;
then each argument is replaced, one at a time, by each odd value. A call may succeed, or raise an error of this package
or of the operating system; anything else is a defect.
"""

import math
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hdc
from hdc import atoms, bounds, files, words
from hdc.apps.capacity import accuracy, experiments, intervals, schlegel, search, theory
from hdc.apps.capacity.results import Results
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.json.document.paths import parse_path
from hdc.apps.json.index.where import Condition, as_filter, parse_where
from hdc.apps.json.reading import parse, parse_bytes, plan, read, write_parquet
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex
from hdc.apps.retrieval.binarizers import RaBitQBinarizer, RecurrentBinarizer, ScalarBinarizer, SignBinarizer, load
from hdc.apps.retrieval.evaluation.judgments import read_judgments
from hdc.apps.retrieval.files.results import writer
from hdc.apps.retrieval.files.vectors import open_vectors
from hdc.apps.retrieval.index.building import build
from hdc.registry import model_class
from hdc.store import Store
from hdc.structures.base import subtracts
from hdc.testing import check_backend, check_law

HUGE = 10**30

ODD: dict[str, Any] = {
    "None": None,
    "True": True,
    "-1": -1,
    "0": 0,
    "2.5": 2.5,
    "nan": math.nan,
    "inf": math.inf,
    "huge": HUGE,
    "-huge": -HUGE,
    "2**63": 2**63,
    "'3'": "3",
    "''": "",
    "surrogate": "\ud800",
    "NUL": "a\0b",
    "b'x'": b"x",
    "[]": [],
    "[1, 'a']": [1, "a"],
    "ragged": [[1], [2, 3]],
    "nested": [[[1]]],
    "{}": {},
    "{'a': 1}": {"a": 1},
    "{1: None}": {1: None},
    "set": {1},
    "object": object(),
    "type": int,
    "0-d": np.array(1),
    "no rows": np.zeros((0,)),
    "cube": np.zeros((2, 2, 2)),
    "texts": np.array(["a", "b"]),
    "objects": np.array([None, {}], dtype=object),
    "complex": np.zeros((3, 4), dtype=complex),
    "NaNs": np.full((3, 4), math.nan, dtype=np.float32),
    "bools": np.ones((3, 4), dtype=bool),
    "dates": np.array(["2020-01-01"], dtype="datetime64[D]"),
}

Call = tuple[Callable[..., Any], dict[str, Any]]

DIM = 128
RNG = np.random.default_rng(0)
VECTORS = RNG.standard_normal((40, 16)).astype(np.float32)
DOCUMENTS = [{"name": f"n{i}", "age": i, "tags": ["a", "b"]} for i in range(5)]


def fresh(make: Callable[[], Any], method: str, **given: Any) -> Any:
    """Call a method that changes its object on a new one."""
    return getattr(make(), method)(**given)


def _warn_and_back(enabled: Any) -> None:
    hdc.warn_beyond_capacity(hdc.warn_beyond_capacity(enabled))


def changes(model: str, vsa: hdc.VSA, memory: hdc.ItemMemory) -> dict[str, Call]:
    """Return calls of the structures that any model has, and of those that change vectors, where it can."""
    record, tree, machine, one = hdc.Record(vsa), hdc.Tree(vsa), hdc.Automaton(vsa), vsa.symbol("a")
    walk = {"start": "a", "symbols": ["b"], "memory": memory, "size": 2}
    calls: dict[str, Call] = {
        f"{model} Record.encode columns": (record.encode, {"fields": {"a": ["b", None, "c"], "d": ["e", one, "f"]}}),
        f"{model} Record.encode column": (lambda value, r=record: r.encode({"a": ["b"], "c": value}), {"value": ["d"]}),
        f"{model} Record.encode_many": (record.encode_many, {"records": [{"a": "b"}, {"c": one}]}),
        f"{model} Record.get_many": (record.get_many, {"records": one[None], "field": "a", "memory": memory}),
        f"{model} Tree.encode": (tree.encode, {"tree": {"a": ["b", one]}}),
        f"{model} Tree.get": (tree.get, {"tree": one, "path": ["a"], "memory": memory}),
        f"{model} Automaton.encode": (machine.encode, {"transitions": [("a", "b", "c")]}),
        f"{model} Automaton.step": (machine.step, {"automaton": one, "state": "a", "symbol": "b", "memory": memory}),
        f"{model} Automaton.run": (machine.run, {"automaton": one, **walk}),
        f"{model} Automaton.accepts": (machine.accepts, {"automaton": one, **walk, "accepting": ["a"]}),
        f"{model} Record.capacity": (record.capacity, {"universe": 9, "error": 0.1, "bound": "gaussian"}),
    }
    if subtracts(vsa):
        bag, order, stack = hdc.Multiset(vsa), hdc.Sequence(vsa), hdc.Stack(vsa)
        calls |= {
            f"{model} Record.replace": (record.replace, {"record": one, "field": "a", "old": "b", "new": "c"}),
            f"{model} Multiset.remove": (bag.remove, {"bundle": one, "elements": ["a"]}),
            f"{model} Sequence.add": (order.add, {"sequence": one, "position": 1, "element": "a"}),
            f"{model} Tree.remove": (tree.remove, {"tree": one, "path": ["a"], "leaf": "b"}),
            f"{model} Automaton.add": (machine.add, {"automaton": one, "transitions": [("a", "b", "c")]}),
            f"{model} Stack.encode": (stack.encode, {"elements": "abc"}),
            f"{model} Stack.push": (stack.push, {"stack": one, "element": "a"}),
            f"{model} Stack.pop": (stack.pop, {"stack": one, "memory": memory}),
            f"{model} Stack.decode": (stack.decode, {"stack": one, "memory": memory, "depth": 2}),
        }
    return calls


def core() -> dict[str, Call]:
    """Return calls of the algebra, its structures and memories."""
    calls: dict[str, Call] = {
        "create": (hdc.create, {"model": "MAP-B", "dim": DIM, "seed": 1, "backend": "numpy", "device": "cpu"}),
        "from_spec": (hdc.from_spec, {"spec": hdc.MAPB(DIM).spec()}),
        "MAPI": (hdc.MAPI, {"dim": DIM, "seed": 0, "precision": "int8"}),
        "MBAT": (hdc.MBAT, {"dim": DIM, "matrix": "permutation", "precision": "float32"}),
        "Bloom": (hdc.Bloom, {"dim": DIM, "ones": 4, "load": 0, "binding": "shift"}),
        "CountingBloom": (hdc.CountingBloom, {"dim": DIM, "ones": 0, "load": 3, "binding": "shift"}),
        "threads": (hdc.threads, {"n": hdc.threads()}),
        "warn_beyond_capacity": (_warn_and_back, {"enabled": False}),
        "pack": (words.pack, {"components": [True, False]}),
        "unpack": (words.unpack, {"words": np.zeros((2, 2), np.uint64), "dim": DIM}),
        "to_bitarray": (words.to_bitarray, {"words": np.zeros(2, np.uint64), "dim": DIM}),
        "encode_name": (atoms.encode_name, {"name": "a"}),
        "check_backend": (check_backend, {"name": "numpy", "device": "cpu"}),
        "check_law": (check_law, {"vsa": hdc.MAPI(DIM), "law": "spec"}),
    }
    for model in hdc.list_models():
        vsa = hdc.create(model, model_class(model).next_dim(DIM), backend="numpy")
        if model in bounds.MODELS:
            asked = {"task": "membership", "universe": 100, "error": 0.1, "bound": "gaussian"}
            calls[f"{model}.capacity"] = vsa.capacity, asked
        x, role = vsa.symbols(["a", "b", "c"]), vsa.role("r")
        if model != "MAP-C" and type(vsa).intersection_size is not hdc.VSA.intersection_size:
            calls[f"{model}.intersection_size"] = vsa.intersection_size, {"x": x, "y": x, "sizes": (2, 3)}
        memory, record, bag, order = hdc.ItemMemory(vsa, "abc"), hdc.Record(vsa), hdc.Multiset(vsa), hdc.Sequence(vsa)
        one = x[0]
        calls |= {
            f"{model}.symbols": (vsa.symbols, {"names": ["a"]}),
            f"{model}.symbol": (vsa.symbol, {"name": "a"}),
            f"{model}.random": (vsa.random, {"n": 2, "seed": 1}),
            f"{model}.role": (vsa.role, {"name": "a"}),
            f"{model}.bind": (vsa.bind, {"role": role, "x": x}),
            f"{model}.unbind": (vsa.unbind, {"role": role, "y": x}),
            f"{model}.bundle": (vsa.bundle, {"x": x, "weights": [1, 2, 3]}),
            f"{model}.permute": (vsa.permute, {"x": x, "shift": 1}),
            f"{model}.similarity": (vsa.similarity, {"queries": x, "items": x}),
            f"{model}.nearest": (vsa.nearest, {"queries": x, "items": x, "k": 1}),
            f"{model}.contains": (vsa.contains, {"bundle": x, "items": x, "size": 3}),
            f"{model}.check_same": (vsa.check_same, {"other": vsa}),
            f"{model}.with_backend": (vsa.with_backend, {"backend": "numpy", "device": "cpu"}),
            f"{model}.from_numpy": (vsa.from_numpy, {"x": vsa.to_numpy(x)}),
            f"{model} memory": (hdc.ItemMemory, {"vsa": vsa, "names": ["a"]}),
            f"{model} memory.add": (
                partial(fresh, partial(hdc.ItemMemory, vsa), "add"),
                {"names": ["a"], "vectors": x[:1]},
            ),
            f"{model} memory[]": (memory.__getitem__, {"name": "a"}),
            f"{model} in memory": (memory.__contains__, {"name": "a"}),
            f"{model} memory.search": (memory.search, {"queries": x, "k": 1}),
            f"{model} memory.cleanup": (memory.cleanup, {"query": one, "k": 1}),
            f"{model} memory.cleanup_many": (memory.cleanup_many, {"queries": x, "k": 1}),
            f"{model} Record": (hdc.Record, {"vsa": vsa}),
            f"{model} Record.encode": (record.encode, {"fields": {"a": "b", "c": one}}),
            f"{model} Record.encode value": (lambda value, r=record: r.encode({"a": value}), {"value": "b"}),
            f"{model} Record.get": (record.get, {"record": one, "field": "a", "memory": memory}),
            f"{model} Record.decode": (record.decode, {"record": one, "fields": ["a"], "memory": memory}),
            f"{model} Multiset.encode": (bag.encode, {"elements": ["a", "b"]}),
            f"{model} Multiset.encode counts": (bag.encode, {"elements": {"a": 2}}),
            f"{model} Multiset.contains": (bag.contains, {"bundle": one, "elements": ["a"], "size": 2}),
            f"{model} Multiset.decode": (bag.decode, {"bundle": one, "memory": memory, "size": 2}),
            f"{model} Sequence.encode": (order.encode, {"elements": ["a", one]}),
            f"{model} Sequence.get": (order.get, {"sequence": one, "position": 1, "memory": memory}),
            f"{model} Sequence.decode": (order.decode, {"sequence": one, "memory": memory, "length": 2}),
        }
        calls |= changes(model, vsa, memory)
        if vsa.binds_vectors:
            grams, graph = hdc.NGrams(vsa, 2), hdc.Graph(vsa, directed=True)
            calls |= {
                f"{model} NGrams": (hdc.NGrams, {"vsa": vsa, "n": 2}),
                f"{model} NGrams.encode": (grams.encode, {"elements": "abc"}),
                f"{model} NGrams.contains": (grams.contains, {"bundle": one, "gram": "ab", "size": 2}),
                f"{model} NGrams.encode_stream": (grams.encode_stream, {"stream": "abc"}),
                f"{model} NGrams.count": (grams.count, {"stream": "abc"}),
                f"{model} NGrams.encode_counts": (grams.encode_counts, {"counts": {"ab": 2}}),
                f"{model} Graph": (hdc.Graph, {"vsa": vsa, "directed": True}),
                f"{model} Graph.encode": (graph.encode, {"edges": [("a", "b"), ("b", "c")], "weights": [1, 2]}),
                f"{model} Graph.memories": (graph.memories, {"edges": [("a", "b"), ("b", "c")]}),
                f"{model} Graph.contains": (graph.contains, {"graph": one, "edge": ("a", "b"), "size": 2}),
                f"{model} Graph.successors": (graph.successors, {"graph": one, "node": "a", "memory": memory, "k": 1}),
                f"{model} Graph.labels": (
                    graph.labels,
                    {"graph": one, "source": "a", "target": "b", "memory": memory, "k": 1},
                ),
            }
    mbat, hopfield = hdc.MBAT(DIM), hdc.Hopfield(16, ["a"])
    calls |= {
        "role power": (mbat.role("a").__pow__, {"power": 2}),
        "product power": ((mbat.role("a") @ mbat.role("b")).__pow__, {"power": 2}),
        "Hopfield": (
            hdc.Hopfield,
            {"dim": 16, "names": ["a"], "signed": True, "form": "dense", "seed": 0, "backend": "numpy"},
        ),
        "Hopfield.add": (partial(fresh, partial(hdc.Hopfield, 16), "add"), {"names": ["a"]}),
        "Hopfield.scores": (hopfield.scores, {"names": ["a"]}),
        "Hopfield.contains": (hopfield.contains, {"names": ["a"]}),
        "Hopfield.intersection_size": (hopfield.intersection_size, {"other": hopfield}),
        "Hopfield.capacity": (hopfield.capacity, {"universe": 100, "error": 0.1, "bound": "rigorous"}),
    }
    return calls


def numbers() -> dict[str, Call]:
    """Return calls of bounds and experiments."""
    ask = {"task": "membership", "model": "MAP-B", "items": 5, "universe": 100, "error": 0.1, "bound": "gaussian"}
    inverse = {name: value for name, value in ask.items() if name != "error"} | {"dim": 999}
    setting = {"model": "MAP-I", "dim": 16, "items": 2, "universe": 9, "backend": "numpy"}
    score = {"task": "pairs", "model": "MAP-I", "items": 2, "universe": 9, "dim": 64}
    return {
        "dimension": (bounds.dimension, ask),
        "error_rate": (bounds.error_rate, inverse),
        "capacity": (bounds.capacity, {name: value for name, value in ask.items() if name != "items"} | {"dim": 999}),
        "intersection": (
            bounds.dimension,
            {"task": "intersection", "model": "MAP-I", "items": 9, "error": 0.1}
            | {"tolerance": 1, "other": 9, "overlap": 3},
        ),
        "bindings": (
            bounds.dimension,
            {"task": "bindings", "model": "MAP-I", "items": 9, "error": 0.1} | {"factors": 2, "own": True},
        ),
        "sequence": (
            bounds.dimension,
            {"task": "sequence", "model": "MAP-I", "items": 9, "universe": 99, "error": 0.1, "repeats": 2},
        ),
        "nested": (
            bounds.dimension,
            {"task": "nested", "model": "MAP-I", "items": 2, "universe": 99, "error": 0.1}
            | {"shape": "tree", "depth": 2},
        ),
        "best": (theory.best, {"task": "membership", "items": 5, "universe": 100, "error": 0.1, "bound": "rigorous"}),
        "storage_bits": (theory.storage_bits, {"model": "MAP-B", "dim": 10, "items": 3}),
        "find": (bounds.find, {"task": "membership", "model": "MAP-B", "kind": "rigorous"}),
        "accuracy": (accuracy.accuracy, score),
        "error": (accuracy.error, score),
        "unbinding_similarity": (accuracy.unbinding_similarity, {"model": "HRR", "depth": 2}),
        "dimension_for": (
            accuracy.dimension_for,
            {"task": "pairs", "model": "MAP-I", "items": 2, "universe": 9, "target": 0.9},
        ),
        "wilson": (intervals.wilson, {"share": 0.5, "trials": 9, "confidence": 0.9}),
        "Experiment": (experiments.Experiment, {"name": "bundle", "parameters": setting, "seed": 0}),
        "setting": (partial(_experiment, "intersection"), {**setting, "tolerance": 1, "other": 2, "overlap": 1}),
        "nested setting": (partial(_experiment, "nested"), {**setting, "shape": "tree", "depth": 2}),
        "expand": (experiments.expand, {"grid": {"model": ["MAP-I"]}}),
        "run": (
            experiments.run,
            {"experiment": "bundle", "grid": setting, "trials": 2, "seed": 0, "n_jobs": 1, "progress": False}
            | {"results": "results.db"},
        ),
        "minimum_dimension": (
            search.minimum_dimension,
            {"experiment": "bundle", "model": "MAP-I", "items": 2, "universe": 9, "backend": "numpy"}
            | {"target": 0.5, "confidence": 0.5, "resolution": 0.9, "trials": 2, "start": 2, "seed": 0},
        ),
        "schlegel": (
            schlegel.table,
            {"models": [], "items": 2, "universe": 9, "target": 0.5, "seed": 0, "backend": "numpy", "n_jobs": 1},
        ),
        "Results": (Results, {"path": "results.db"}),
    }


def _experiment(name: str, **parameters: Any) -> Any:
    return experiments.Experiment(name, parameters)


def documents() -> dict[str, Call]:
    """Return calls of the application of JSON."""
    encoder = JSONEncoder(64)
    fitted = JSONEncoder(64).fit(DOCUMENTS)
    vector = fitted.transform(DOCUMENTS)[0]
    index = JSONIndex(fitted, key="name").add(DOCUMENTS)
    options = {
        "dim": 64,
        "output": "float",
        "matrix": "permutation",
        "seed": 0,
        "arrays": "auto",
        "weights": {"name": 2},
        "balance": 0.5,
        "numbers": "grid",
        "bandwidth": 0.1,
        "convert": ("dates",),
        "strings": {"words": 1},
        "string_encoder": None,
        "rarity": True,
        "backend": "numpy",
        "device": "cpu",
    }
    new = partial(JSONIndex, fitted, key="name")
    return {
        "JSONEncoder": (lambda **given: JSONEncoder(**given).transform(DOCUMENTS), options),
        "JSONEncoder weights": (lambda one: JSONEncoder(64, weights={"a": one}).check(), {"one": 1}),
        "JSONEncoder strings": (lambda one: JSONEncoder(64, strings={"words": one}).check(), {"one": 1}),
        "JSONEncoder arrays": (lambda one: JSONEncoder(64, arrays={"a": one}).check(), {"one": "bag"}),
        "JSONEncoder convert": (lambda one: JSONEncoder(64, convert=[one]).check(), {"one": "dates"}),
        "encoder.fit": (JSONEncoder(64).fit, {"X": DOCUMENTS}),
        "encoder.transform": (encoder.transform, {"X": DOCUMENTS}),
        "encoder.transform one": (lambda one: encoder.transform([one]), {"one": DOCUMENTS[0]}),
        "encoder.fit one": (lambda one: JSONEncoder(64).fit([one]), {"one": DOCUMENTS[0]}),
        "encoder.decode": (fitted.decode, {"vectors": vector, "path": "name", "k": 1}),
        "encoder.capacity": (fitted.capacity, {"documents": DOCUMENTS, "target": 0.9}),
        "encoder.leaf_vectors": (fitted.leaf_vectors, {"document": DOCUMENTS[0]}),
        "encoder.set_output": (JSONEncoder(64).set_output, {"transform": "default"}),
        "JSONEncoder.from_json": (JSONEncoder.from_json, {"state": fitted.to_json(), "string_encoder": None}),
        "JSONIndex": (JSONIndex, {"encoder": fitted, "key": "name"}),
        "JSONIndex.create": (JSONIndex.create, {"path": "new.hdc", "encoder": fitted, "key": "name"}),
        "JSONIndex.open": (JSONIndex.open, {"path": "made.hdc", "writable": False, "string_encoder": None}),
        "index.add": (partial(fresh, new, "add"), {"documents": DOCUMENTS}),
        "index.put": (partial(fresh, new, "put"), {"documents": DOCUMENTS}),
        "index.search": (index.search, {"query": {"age": 3}, "k": 2, "where": "age >= 1", "missing": "ignore"}),
        "index.like": (index.like, {"number": 1, "k": 2, "where": "age >= 1"}),
        "index.filter": (index.filter, {"condition": "age > 1"}),
        "index.remove": (partial(fresh, lambda: new().add(DOCUMENTS), "remove"), {"ids": [1], "keys": ["n2"]}),
        "index.find": (index.find, {"key": "n1"}),
        "index.keys": (index.keys, {"ids": [1]}),
        "index.document": (index.document, {"number": 1}),
        "index.documents": (index.documents, {"ids": [1]}),
        "index.source": (index.source, {"number": 1}),
        "index.vectors": (index.vectors, {"ids": [1]}),
        "index.explain": (index.explain, {"query": {"age": 3}, "hit": index.search({"age": 3})[0]}),
        "index.save": (index.save, {"path": "copy.hdc"}),
        "parse_path": (parse_path, {"text": "a.b"}),
        "parse_where": (parse_where, {"text": "a = 1"}),
        "Condition": (Condition, {"path": ("a",), "operator": "=", "value": 1}),
        "Condition ~": (Condition, {"path": ("a",), "operator": "~", "value": "^A"}),
        "as_filter": (as_filter, {"where": ["a = 1"]}),
        "parse": (parse, {"text": "1", "source": "x", "line": 1}),
        "parse_bytes": (parse_bytes, {"raw": b"1", "source": "x", "line": 1}),
        "read": (
            lambda **given: list(read(**given)),
            {"paths": ["in.jsonl"], "on_error": "skip", "rejects": "rejects", "items": "a[]", "format": "auto"},
        ),
        "plan": (plan, {"paths": ["in.jsonl"], "part_bytes": 9, "format": "auto"}),
        "write_parquet": (
            write_parquet,
            {"path": "out.parquet", "vectors": VECTORS[:2], "sources": ["a", "b"], "keys": ["c", None]},
        ),
    }


def vectors() -> dict[str, Call]:
    """Return calls of the application of embeddings."""
    codes = words.pack(VECTORS > 0)
    sign, rabitq = SignBinarizer(64).fit(VECTORS), RaBitQBinarizer().fit(VECTORS)

    def flat() -> BinaryIndex:
        made = BinaryIndex(16, originals=("int8", 16))
        made.add(codes, keys=[f"k{i}" for i in range(len(codes))], originals=VECTORS)
        return made

    def embedded() -> EmbeddingIndex:
        made = EmbeddingIndex.create(None, sign)
        made.add(VECTORS, [f"k{i}" for i in range(len(VECTORS))])
        return made

    index, embedding = flat(), embedded()
    recurrent = {
        "dim": 64,
        "loops": 0,
        "rounds": 1,
        "steps": 1,
        "epochs": 0,
        "patience": 1,
        "whitening": 0.25,
        "parallel": 4.0,
        "temperature": 0.05,
        "learning_rate": 1e-3,
        "negatives": 64,
        "queue": 64,
        "device": "auto",
        "seed": 0,
    }
    calls: dict[str, Call] = {
        "SignBinarizer": (
            lambda **given: SignBinarizer(**given).fit(VECTORS),
            {"dim": 16, "center": True, "rotate": True, "seed": 0},
        ),
        "RaBitQBinarizer": (lambda **given: RaBitQBinarizer(**given).fit(VECTORS), {"lists": 2, "seed": 0}),
        "ScalarBinarizer": (
            lambda **given: ScalarBinarizer(**given).fit(VECTORS),
            {"code_size": 16, "rotation": "random", "power": 1.0, "center": True, "seed": 0},
        ),
        "RecurrentBinarizer": (lambda **given: RecurrentBinarizer(**given).fit(VECTORS), recurrent),
        "binarizer.save": (sign.save, {"folder": "model"}),
        "load": (load, {"folder": "model"}),
        "BinaryIndex": (
            BinaryIndex,
            {"dim": 16, "levels": 1, "kind": "flat", "originals": ("int8", 16), "path": None, "backend": "numpy"},
        ),
        "BinaryIndex.open": (BinaryIndex.open, {"path": "codes", "writable": False, "backend": "numpy"}),
        "BinaryIndex.train": (
            partial(fresh, lambda: BinaryIndex(16, kind="ivf"), "train"),
            {"codes": codes, "lists": 2, "seed": 0},
        ),
        "BinaryIndex.set_centroids": (
            partial(fresh, lambda: BinaryIndex(16, kind="ivf"), "set_centroids"),
            {"centroids": codes[:3]},
        ),
        "EmbeddingIndex.create": (
            EmbeddingIndex.create,
            {"path": None, "model": sign, "kind": "flat", "keep": "int8"},
        ),
        "EmbeddingIndex.open": (EmbeddingIndex.open, {"path": "made", "writable": False}),
        "build": (
            lambda **given: build(open_vectors("vectors.npy"), **given),
            {"model": "model", "path": "built", "kind": "flat", "keep": "int8", "lists": None, "block": 9, "seed": 0},
        ),
        "open_vectors": (open_vectors, {"path": "vectors.npy", "keys": None, "column": None, "key_column": None}),
        "sample": (open_vectors("vectors.npy").sample, {"most": 3, "seed": 0}),
        "blocks": (
            lambda **given: list(open_vectors("vectors.npy").blocks(**given)),
            {"start": 0, "rows": 7},
        ),
        "writer": (writer, {"path": "out.npz"}),
        "read_judgments": (read_judgments, {"path": "qrels", "binary": False}),
        "Store.create": (
            Store.create,
            {"path": None, "kind": "x", "columns": {"codes": ("uint64", 1)}, "meta": {"a": 1}},
        ),
        "Store.open": (Store.open, {"path": "codes", "kind": "binary-index", "writable": False}),
        "files.load": (files.load, {"path": "any.hdc", "kind": "x", "version": 1, "mmap": False}),
    }
    for name, model in (("sign", sign), ("rabitq", rabitq)):
        own = model.transform(VECTORS)
        calls |= {
            f"{name}.fit": (type(model)().fit, {"X": VECTORS}),
            f"{name}.transform": (model.transform, {"X": VECTORS}),
            f"{name}.scores": (model.scores, {"queries": VECTORS, "codes": own, "asymmetric": True}),
            f"{name}.search": (model.search, {"queries": VECTORS, "codes": own, "k": 2, "asymmetric": True}),
        }
    for name, made, new, rows in (("binary", index, flat, codes[:2]), ("embedding", embedding, embedded, VECTORS[:2])):
        given = "codes" if name == "binary" else "vectors"
        more = {"originals": VECTORS[:2]} if name == "binary" else {}
        options = {"k": 2, "candidates": 5}
        calls |= {
            f"{name}.add": (partial(fresh, new, "add"), {given: rows, "keys": ["x", "y"], **more}),
            f"{name}.put": (partial(fresh, new, "put"), {given: rows, "keys": ["k1", "y"], **more}),
            f"{name}.update": (partial(fresh, new, "update"), {"ids": [1, 2], given: rows, **more}),
            f"{name}.remove": (partial(fresh, new, "remove"), {"ids": [1], "keys": ["k2"]}),
            f"{name}.search": (made.search, {"queries": rows, **options, **more}),
            f"{name}.find": (made.find, {"key": "k1"}),
            f"{name}.keys": (made.keys, {"ids": [1]}),
            f"{name}.document": (made.document, {"number": 1}),
            f"{name}.documents": (made.documents, {"ids": [1]}),
            f"{name}.filter": (made.filter, {"condition": lambda document: True}),
            f"{name}.save": (made.save, {"path": f"copy-{name}"}),
        }
    calls["binary.codes"] = index.codes, {"ids": [1]}
    calls["binary.search among"] = partial(index.search, codes[:2]), {"among": [1, 2]}
    return calls


GROUPS = {"core": core, "numbers": numbers, "documents": documents, "vectors": vectors}

SLOW = {
    ("Sequence.decode", "length"),
    ("Stack.decode", "depth"),
    ("run", "trials"),
    ("RecurrentBinarizer", "rounds"),
    ("RecurrentBinarizer", "epochs"),
    ("RecurrentBinarizer", "steps"),
}
"""What takes as long as it is asked to."""

FUNCTIONS = ("where", "condition", "string_encoder")
"""What may be a function, whose own errors are not caught."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a folder with the files that calls name."""
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text("".join(f'{{"a": [{i}]}}\n' for i in range(3)))
    Path("qrels").write_text("1 2 3\n")
    np.save("vectors.npy", VECTORS)
    files.save("any.hdc", "x", {}, {"a": VECTORS})
    sign = SignBinarizer(64).fit(VECTORS)
    sign.save("model")
    with JSONIndex.create("made.hdc", JSONEncoder(64), key="name") as index:
        index.add(DOCUMENTS)
    with BinaryIndex(16, path="codes") as codes:
        codes.add(words.pack(VECTORS > 0))
    with EmbeddingIndex.create("made", sign) as embedding:
        embedding.add(VECTORS)


@pytest.mark.parametrize(
    "group", [pytest.param(name, marks=[pytest.mark.slow] if name in ("numbers", "core") else []) for name in GROUPS]
)
@pytest.mark.usefixtures("folder")
def test_every_odd_value_gives_an_answer_or_a_typed_error(group):
    untyped = []
    for name, (call, good) in GROUPS[group]().items():
        call(**good)
        for parameter in good:
            for label, odd in ODD.items():
                if (name.partition(" ")[2] or name, parameter) in SLOW and label in ("huge", "2**63"):
                    continue
                if parameter in FUNCTIONS and label == "type":
                    continue
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("error")
                        call(**{**good, parameter: odd})
                except (hdc.HDCError, OSError, MemoryError):
                    pass
                except BaseException as error:
                    untyped.append(f"{name}({parameter}={label}): {type(error).__name__}: {str(error)[:100]}")
    assert not untyped, f"{len(untyped)} untyped errors:\n" + "\n".join(untyped)
