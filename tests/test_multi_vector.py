"""MultiVectorIndex against documents kept in a dictionary and compared vector by vector, in plain Python."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.retrieval import (
    EmbeddingIndex,
    MultiVectorIndex,
    RaBitQBinarizer,
    RecurrentBinarizer,
    SignBinarizer,
    binarizers,
)
from hdc.apps.retrieval.index import multi_vector
from hdc.errors import ConflictError, DimensionError, DTypeError, FileFormatError, ParameterError, UnsupportedError
from tests import naive

D = 24


def sets(count, most=6, seed=0, d=D):
    """Return vectors of documents around a dozen centers, of any length."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(99).standard_normal((12, d))
    return [
        ((centers[rng.integers(0, 12, length)] + 0.4 * rng.standard_normal((length, d))) * 3).astype(np.float32)
        for length in rng.integers(1, most + 1, count)
    ]


def model_of(dim=100, **options):
    return SignBinarizer(dim, **options).fit(np.concatenate([x / np.linalg.norm(x) for x in sets(50)]))


def units(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def by_bits(model, query, document):
    """Return the mean, over a query's vectors, of the greatest share of equal bits less that of differing ones."""
    asked, held = model.encode(units(query)), model.encode(units(document))
    return 1 - 2 * naive.chamfer(asked, held) / (len(asked) * model.bits)


def by_floats(model, query, document):
    """Return the mean, over a query's vectors, of the greatest score that the model gives."""
    return float(model.scores(units(query), model.encode(units(document))).max(axis=1).mean())


def expected(score, model, held, query, k):
    """Return scores and ids of {id: vectors} in order of (descending score, id)."""
    best = sorted((-round(score(model, query, vectors), 6), number) for number, vectors in held.items())[:k]
    return [-value for value, _ in best], [number for _, number in best]


def check(index, held, queries, k, **options):
    score = by_floats if options.get("asymmetric", True) else by_bits
    scores, ids = index.search(queries, k, **options)
    assert scores.dtype == np.float32
    for query, found, numbers in zip(queries, scores, ids, strict=True):
        values, best = expected(score, index.model, held, query, k)
        assert np.allclose(found, values, atol=1e-5)
        assert numbers.tolist() == best


@settings(max_examples=25, deadline=None)
@given(
    dim=st.sampled_from([1, 63, 64, 65, 1000]),
    documents=st.integers(0, 12),
    queries=st.integers(0, 4),
    k=st.integers(1, 15),
    seed=st.integers(0, 99),
)
def test_search_by_bits_is_exact(dim, documents, queries, k, seed):
    model = model_of(dim)
    index = MultiVectorIndex.create(None, model)
    texts = sets(documents, seed=seed)
    ids = index.add(texts)
    assert ids.tolist() == list(range(documents)) == index.ids().tolist()
    assert (len(index), index.vectors) == (documents, sum(map(len, texts)))
    check(index, dict(enumerate(texts)), sets(queries, 11, seed + 1), k, asymmetric=False)


@pytest.mark.parametrize("make", [SignBinarizer, lambda bits: RecurrentBinarizer(bits, rounds=2)])
def test_float_queries_put_all_candidates_in_order(make):
    texts = sets(60)
    index = MultiVectorIndex.create(None, make(64).fit(units(np.concatenate(texts))))
    index.add(texts)
    check(index, dict(enumerate(texts)), sets(9, 11, 1), 7, candidates=60)
    scores, ids = index.search(sets(9, 11, 1), 3, candidates=1)  # as few as hits
    assert np.array_equal(np.sort(ids), np.sort(index.search(sets(9, 11, 1), 3, asymmetric=False)[1]))
    assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("asymmetric", [False, True])
def test_blocks_change_nothing(monkeypatch, asymmetric):
    index = MultiVectorIndex.create(None, model_of())
    index.add(sets(60))
    whole = index.search(sets(30, 9, 1), 5, asymmetric=asymmetric)
    for cells, size in ((1, 1), (7, 1 << 26), (200, 10 * 1024 * 16)):
        monkeypatch.setattr(multi_vector, "CELLS", cells)
        monkeypatch.setattr(multi_vector, "TABLE_BYTES", size)
        parts = index.search(sets(30, 9, 1), 5, asymmetric=asymmetric)
        assert np.array_equal(parts[1], whole[1])
        assert np.array_equal(parts[0], whole[0])


def test_forms_of_input():
    texts = sets(20)
    flat, offsets = np.concatenate(texts), np.cumsum([0, *map(len, texts)])
    index, other = (MultiVectorIndex.create(None, model_of()) for _ in range(2))
    index.add(texts)
    other.add(flat, offsets)
    for number in range(20):
        assert np.array_equal(index.codes(number), other.codes(number))
        assert np.array_equal(index.codes(number), index.model.encode(units(texts[number])))
    cube = np.stack([text[:1].repeat(3, axis=0) for text in texts])
    assert np.array_equal(index.search(cube)[1], index.search(cube.reshape(60, D), offsets=np.arange(0, 61, 3))[1])
    assert np.array_equal(index.search(cube)[1], index.search(list(cube))[1])
    assert np.array_equal(index.search(cube * 7)[1], index.search(cube)[1])
    assert index.search([])[0].shape == (0, 10)


def weighted(score):
    """Return the score of a query that is a pair of vectors and weights: the weighted mean of those of each vector."""

    def of(model, query, document):
        each = [score(model, vector[None], document) for vector in query[0]]
        return float(np.average(each, weights=query[1]))

    return of


@pytest.mark.parametrize("asymmetric", [False, True])
def test_weights_of_a_querys_vectors(asymmetric):
    texts, queries, rng = sets(40), sets(6, 20, 1), np.random.default_rng(3)
    index = MultiVectorIndex.create(None, model_of())
    index.add(texts)
    weights = [rng.random(len(query)) * 9 * (rng.random(len(query)) < 0.7) + 0.1 for query in queries]
    options = {"asymmetric": asymmetric, **({"candidates": 40} if asymmetric else {})}
    scores, ids = index.search(queries, 40, weights=weights, **options)
    score = weighted(by_floats if asymmetric else by_bits)
    for query, own, found, numbers in zip(queries, weights, scores, ids, strict=True):
        best = {number: score(index.model, (query, own), texts[number]) for number in range(40)}
        assert np.allclose(found, [best[number] for number in numbers.tolist()], atol=1e-5)
        assert sorted(numbers.tolist()) == list(range(40))
        assert (np.diff(found) <= 0).all()
    flat = np.concatenate(weights)
    assert np.array_equal(index.search(queries, 40, weights=flat * 5, **options)[1], ids)
    equal = index.search(queries, 9, weights=np.full(len(flat), 2), **options)
    assert np.array_equal(equal[1], index.search(queries, 9, **options)[1])


def test_wrong_weights_are_told():
    index, (x, y) = MultiVectorIndex.create(None, model_of()), sets(2)
    n = len(x) + len(y)
    for weights, error, words in [
        (np.ones(n + 1), DimensionError, f"one per vector, {n} in all, not {n + 1}"),
        ([np.ones(len(x))], DimensionError, "one per vector"),
        (np.full(n, -1), ParameterError, "at least 0"),
        (np.full(n, np.nan), ParameterError, "finite"),
        ([np.ones(len(x)), np.zeros(len(y))], ParameterError, "query 1 are 0"),
        (np.full(n, "a"), DTypeError, "numbers"),
        (3, ParameterError, "weights"),
    ]:
        with pytest.raises(error, match=words):
            index.search([x, y], weights=weights)


def test_what_is_no_set_of_vectors_is_told():
    index, x = MultiVectorIndex.create(None, model_of()), sets(3)[0]
    hole = x.copy()
    hole[-1, 2] = np.inf
    for vectors, offsets, error, words in [
        (x, None, DimensionError, r"does not show which rows .* offsets=, or a list"),
        ([x, x[:0]], None, ParameterError, "document 1 has no vectors"),
        (x, [0, 1, 1, len(x)], ParameterError, "document 1 has no vectors"),
        (x, [0, len(x) + 1], ParameterError, "from 0 to the number of rows"),
        (x, [1, len(x)], ParameterError, "these go from 1"),
        (x, [], DTypeError, "integers"),
        (x, [0.0, len(x)], DTypeError, "integers, not float64"),
        (x, [0, len(x), 1, len(x)], ParameterError, "document 1 has no vectors"),
        ([x[0]], None, DimensionError, "document 0 must have shape"),
        ([x, x[:, :5]], None, DimensionError, "document 1"),
        ([x.astype(int)], None, DTypeError, "document 0 must contain floats"),
        (7, None, DTypeError, "list of"),
        ([hole], None, ParameterError, "NaN or infinity"),
    ]:
        with pytest.raises(error, match=words):
            index.add(vectors, offsets)
        with pytest.raises(error):
            index.search(vectors, offsets=offsets)
    assert len(index) == 0
    with pytest.raises(ParameterError, match="keys must be one for each of 1 documents, not 2"):
        index.add([x], keys=["a", "b"])
    with pytest.raises(ParameterError, match="put needs keys"):
        index.put([x], None)
    for options in ({"k": 0}, {"candidates": 0}, {"asymmetric": 1}, {"candidates": 5, "asymmetric": False}):
        with pytest.raises(ParameterError):
            index.search([x], **options)


def test_changes_are_those_of_a_dictionary(tmp_path):
    rng, texts = np.random.default_rng(5), sets(400)
    index, held, named, last = MultiVectorIndex.create(tmp_path / "index", model_of()), {}, {}, -1
    for step in range(60):
        some = [texts[i] for i in rng.integers(0, 400, rng.integers(1, 6))]
        names = rng.choice(30, len(some), replace=False)
        action = rng.integers(0, 5)
        if action < 2:
            ids = index.put(some, [f"key {name}" for name in names])
            for name, number, text in zip(names.tolist(), ids.tolist(), some, strict=True):
                assert number == named.get(name, number)
                held[number], named[name] = text, number
        elif action == 2:
            ids = index.add(some)
            assert ids[0] > last
            held |= dict(zip(ids.tolist(), some, strict=True))
        elif action == 3 and len(held) > 3:
            gone = rng.choice(list(held), 3, replace=False).tolist()
            assert index.remove(gone) == 3
            held = {number: text for number, text in held.items() if number not in gone}
            named = {name: number for name, number in named.items() if number not in gone}
        elif step % 3 == 0:
            index.compact()
        else:
            index.close()
            index = MultiVectorIndex.open(tmp_path / "index", writable=True)
        last = max([last, *held])
        assert index.ids().tolist() == sorted(held)
        assert index.vectors == sum(map(len, held.values()))
    assert {name: index.find(f"key {name}") for name in range(30)} == {name: named.get(name) for name in range(30)}
    check(index, held, sets(5, 9, 1), 20, asymmetric=False)
    among = list(held)[::3]
    check(index, {number: held[number] for number in among}, sets(5, 9, 1), 4, among=among, candidates=1000)
    index.compact()
    assert index.store.snapshot.count == index.vectors  # nothing is left of what was replaced
    index.verify()
    index.close()


def test_ids_are_never_given_twice(tmp_path):
    index = MultiVectorIndex.create(tmp_path / "index", model_of())
    index.add(sets(5))
    index.remove([3, 4])
    index.compact()
    assert index.add(sets(2)).tolist() == [5, 6]
    index.remove([0, 1, 2, 5, 6])
    index.compact()
    index.close()
    with MultiVectorIndex.open(tmp_path / "index", writable=True) as again:
        assert again.add(sets(1)).tolist() == [7]


def test_ids_end(monkeypatch):
    index = MultiVectorIndex.create(None, model_of())
    monkeypatch.setattr(multi_vector, "INSIDE", 3)
    index.add(sets(3))
    with pytest.raises(ParameterError, match="no ids are left"):
        index.add(sets(1))


def test_documents_and_names():
    index = MultiVectorIndex.create(None, model_of())
    index.add(sets(4), keys=["a", None, "c", "d"], documents=[b"0", b"1", None, b"3"])
    assert index.keys([3, 1, -1, 0]) == ["d", None, None, "a"]
    assert index.documents([2, 3]) == [None, b"3"]
    assert index.document(0) == b"0"
    assert index.filter(lambda document: document in (b"1", b"3")).tolist() == [1, 3]
    assert index.remove(ids=[1], keys=["a", "d"]) == 3
    assert (index.find("a"), index.find("c"), index.ids().tolist()) == (None, 2, [2])
    for wrong in (lambda: index.keys([0]), lambda: index.documents([7]), lambda: index.codes(1)):
        with pytest.raises(ParameterError, match="there is no document"):
            wrong()
    with pytest.raises(ParameterError, match="no document with key 'a'"):
        index.remove(keys=["c", "a"])
    with pytest.raises(ParameterError, match="there is no document 9"):
        index.search(sets(1), among=[9])
    assert repr(index).endswith("1 documents)")


def test_models_whose_codes_are_not_compared_by_bits_are_refused():
    x = units(np.concatenate(sets(40)))
    for model in (RaBitQBinarizer(), RaBitQBinarizer(lists=2), RecurrentBinarizer(64, loops=1, rounds=0)):
        with pytest.raises(UnsupportedError, match="codes of one level"):
            MultiVectorIndex.create(None, model.fit(x))
    for metric in ("ip", "l2"):
        with pytest.raises(UnsupportedError, match="compares directions"):
            MultiVectorIndex.create(None, SignBinarizer(metric=metric).fit(x))
    with pytest.raises(ParameterError, match="not fitted"):
        MultiVectorIndex.create(None, SignBinarizer())


def test_files(tmp_path):
    index = MultiVectorIndex.create(None, model_of(dim=70))
    index.add(sets(30), keys=[str(i) for i in range(30)])
    index.remove([4])
    index.save(tmp_path / "copy")
    with MultiVectorIndex.open(tmp_path / "copy", backend="numpy") as copy:
        for one, other in zip(copy.search(sets(5, 9, 1)), index.search(sets(5, 9, 1)), strict=True):
            assert np.array_equal(one, other)
        assert copy.keys(copy.ids()) == index.keys(index.ids())
        with pytest.raises(UnsupportedError, match="reading"):
            copy.add(sets(1))
        with pytest.raises(UnsupportedError, match="reading"):
            copy.remove([1])
    with pytest.raises(ParameterError, match="exists"):
        index.save(tmp_path / "copy")
    with pytest.raises(ParameterError, match="exists"):
        MultiVectorIndex.create(tmp_path / "copy", index.model)
    with pytest.raises(FileFormatError, match="is not an index; build one with MultiVectorIndex"):
        MultiVectorIndex.open(tmp_path)
    with pytest.raises(FileFormatError):
        EmbeddingIndex.open(tmp_path / "copy")
    EmbeddingIndex.create(tmp_path / "other", index.model).close()
    with pytest.raises(FileFormatError, match="binary-index"):
        MultiVectorIndex.open(tmp_path / "other")


def test_another_model_or_a_damaged_one_is_told(tmp_path):
    MultiVectorIndex.create(tmp_path / "index", model_of()).close()
    model_of(seed=1).save(tmp_path / "index" / "model")
    with pytest.raises(FileFormatError, match="another model"):
        MultiVectorIndex.open(tmp_path / "index")
    (tmp_path / "index" / "model" / "model.json").write_bytes(b"{}")
    with pytest.raises(FileFormatError, match="damaged"):
        MultiVectorIndex.open(tmp_path / "index")


def test_an_index_that_cannot_be_finished_is_not_there(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(binarizers.SignBinarizer, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        MultiVectorIndex.create(tmp_path / "index", model_of())
    assert not list(tmp_path.iterdir())


def test_a_reader_goes_on_with_the_same_model_only(tmp_path):
    writer = MultiVectorIndex.create(tmp_path / "index", model_of())
    reader = MultiVectorIndex.open(tmp_path / "index")
    writer.add(sets(3))
    assert (len(reader), reader.refresh(), len(reader)) == (0, True, 3)
    writer.close()
    MultiVectorIndex.create(tmp_path / "other", model_of(seed=1)).close()
    shutil.rmtree(tmp_path / "index" / "codes")
    (tmp_path / "other" / "codes").rename(tmp_path / "index" / "codes")
    with pytest.raises(ConflictError, match="another model"):
        reader.refresh()
    assert len(reader) == 3
    reader.close()
