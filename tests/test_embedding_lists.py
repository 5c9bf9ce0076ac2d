"""EmbeddingIndex of RaBitQ codes, in one list or several, against float vectors compared one with another."""

import importlib
import threading

import numpy as np
import pytest

import hdc
from hdc import errors
from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer, SignBinarizer
from hdc.apps.retrieval.index import pipeline
from hdc.search import engine, estimates, list_files, partition
from hdc.search.options import IVFOptions

DIM = 24
EVERY = 10**6
"""Lists to look into, or rows to compare by their originals: all."""


def clustered(n, dim=DIM, seed=0):
    """Return vectors of many lengths around a dozen centers, the same for every seed."""
    centers = np.random.default_rng(7).standard_normal((12, dim)) + 0.3
    rng = np.random.default_rng(seed)
    x = centers[rng.integers(0, 12, n)] + 0.5 * rng.standard_normal((n, dim))
    return (x * rng.uniform(0.1, 10, (n, 1))).astype(np.float32)


def unit(x):
    x = np.asarray(x, dtype=np.float64)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms > 0, norms, 1)


def model_of(lists, dim=DIM):
    return RaBitQBinarizer(lists=lists).fit(unit(clustered(300, dim, seed=1)))


def filled(x, lists=7, keep=None, path=None):
    index = EmbeddingIndex.create(path, model_of(lists, x.shape[1]), keep=keep)
    index.add(x)
    return index


def into(index, probes, **others):
    """Return the options of a search that looks into so many lists, where the index has lists."""
    return {**others, "probes": probes} if index.kind == "ivf" else others


def check_bytes(index, held, queries, k):
    """Check an exact search of int8 originals of {id: vector}: cosines, and the order of equal ones."""
    ids, k = np.array(sorted(held)), min(k, len(held))
    kept = unit(index.codes.store.rows("originals")[index.codes.store.positions(ids)])
    np.testing.assert_allclose(kept, unit([held[i] for i in ids]), atol=0.005)
    cosines = unit(queries) @ kept.T
    scores, found = index.search(queries, k, **into(index, EVERY, candidates=EVERY))
    assert (scores.dtype, found.dtype, scores.shape, found.shape) == (np.float32, np.int64, *[(len(queries), k)] * 2)
    places = np.searchsorted(ids, found)
    np.testing.assert_array_equal(ids[places], found)
    # queries are rounded to 16 bits
    np.testing.assert_allclose(np.take_along_axis(cosines, places, axis=1), scores, atol=1e-4)
    np.testing.assert_allclose(-np.sort(-cosines, axis=1)[:, :k], scores, atol=1e-4)
    falling, equal = scores[:, :-1] > scores[:, 1:], scores[:, :-1] == scores[:, 1:]
    assert (falling | equal & (found[:, :-1] < found[:, 1:])).all()


# ---------------------------------------------------------------------- exact searches


@pytest.mark.parametrize("lists", [1, 7])
@pytest.mark.parametrize("keep", ["int8", "float16", "float32"])
def test_all_lists_and_candidates_give_the_order_of_cosines(lists, keep):
    x, queries = clustered(400), clustered(30, seed=3)
    x[11] = x[300]  # equal: the lower id comes first
    index = filled(x, lists, keep)
    assert index.kind == ("flat" if lists == 1 else "ivf")
    scores, ids = index.search(queries, 20, **into(index, EVERY, candidates=EVERY))
    cosines = unit(queries) @ unit(x).T
    tolerance = {"int8": 0.02, "float16": 1e-3, "float32": 1e-6}[keep]
    np.testing.assert_allclose(scores, -np.sort(-cosines, axis=1)[:, :20], atol=tolerance)
    np.testing.assert_allclose(np.take_along_axis(cosines, ids, axis=1), scores, atol=tolerance)
    assert index.search(x[300:301], 2, **into(index, EVERY, candidates=EVERY))[1].tolist() == [[11, 300]]
    if keep == "int8":
        check_bytes(index, dict(enumerate(x)), queries, 20)


@pytest.mark.parametrize("lists", [1, 7])
def test_batches_and_threads_change_nothing(lists, monkeypatch):
    x, queries = clustered(600), clustered(41, seed=3)
    kept, bare = filled(x, lists, "int8"), filled(x, lists)
    monkeypatch.setattr(pipeline, "FEW_QUERIES", 0)
    whole = kept.search(queries, 5, **into(kept, 2, candidates=30)), bare.search(queries, 5, **into(bare, 2))
    monkeypatch.undo()
    for size in (1, 2, 8, 40):
        for index, (scores, ids) in zip((kept, bare), whole, strict=True):
            parts = [
                index.search(queries[at : at + size], 5, **into(index, 2, candidates=30)) for at in range(0, 41, size)
            ]
            np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), ids)
            np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), scores)
    parallel = importlib.import_module("hdc.backends.numba_kernels.parallel")
    monkeypatch.setattr(parallel, "GRAIN", 1e-9)
    monkeypatch.setattr(parallel, "_limit", parallel._limit)
    for count in (1, 2):
        assert hdc.threads(count) == count
        for index, (scores, ids) in zip((kept, bare), whole, strict=True):
            again = index.search(queries, 5, **into(index, 2, candidates=30))
            np.testing.assert_array_equal(again[1], ids)
            np.testing.assert_array_equal(again[0], scores)
    monkeypatch.setattr(pipeline, "QUERY_BLOCK", 3)
    np.testing.assert_array_equal(kept.search(queries, 5, **into(kept, 2, candidates=30))[1], whole[0][1])
    queries[17, 2] = np.nan
    with pytest.raises(errors.ParameterError, match="row 17 of queries"):
        kept.search(queries)


def test_searches_from_several_threads_at_once():
    index, queries = filled(clustered(500), keep="int8"), clustered(20, seed=3)
    found = [None] * 4

    def search(i):
        found[i] = index.search(queries, 5, **into(index, 3))

    workers = [threading.Thread(target=search, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for scores, ids in found:
        np.testing.assert_array_equal(ids, index.search(queries, 5, **into(index, 3))[1])
        np.testing.assert_array_equal(scores, index.search(queries, 5, **into(index, 3))[0])


@pytest.mark.parametrize("keep", [None, "int8", "float16", "float32"])
@pytest.mark.parametrize("lists", [1, 7])
def test_many_among_are_the_same_one_by_one_and_in_batches(lists, keep, monkeypatch):
    for module in (engine, partition):
        monkeypatch.setattr(module, "FEW_ROWS", 20)
    index, queries = filled(clustered(600), lists, keep), clustered(9, seed=3)
    index.remove(range(0, 600, 5))
    index.add(clustered(30, seed=4))
    among = np.setdiff1d(np.arange(1, 630, 2), np.arange(0, 600, 5))
    options = into(index, 3, candidates=40)
    found = [index.search(queries, 12, among=rows, **options) for rows in (among, None)]
    assert set(found[0][1].ravel().tolist()) <= {-1, *among.tolist()}
    monkeypatch.setattr(pipeline, "FEW_QUERIES", 0)
    for rows, expected in zip((among, None), found, strict=True):
        for mine, theirs in zip(index.search(queries, 12, among=rows, **options), expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("few", [0, 64])
@pytest.mark.parametrize("at_once", [0, 1 << 26])
def test_a_damaged_original_is_told_before_it_counts(tmp_path, monkeypatch, few, at_once):
    monkeypatch.setattr(estimates, "CHECKED_AT_ONCE", at_once)
    monkeypatch.setattr(pipeline, "FEW_QUERIES", few)
    filled(x := clustered(400), 7, "int8", tmp_path / "i").close()
    (column,) = (tmp_path / "i").rglob("originals")
    content = bytearray(column.read_bytes())
    content[200 * DIM] ^= 1
    column.write_bytes(content)
    with EmbeddingIndex.open(tmp_path / "i") as index:
        for _ in range(2):
            with pytest.raises(errors.FileFormatError, match="originals is damaged"):
                index.search(x[:1], 5)


# ---------------------------------------------------------------------- estimates


@pytest.mark.parametrize("lists", [1, 7])
def test_without_originals_scores_are_estimates_of_cosines(lists):
    x, queries = clustered(400, 64), clustered(30, 64, seed=3)
    model = RaBitQBinarizer(lists=lists).fit(unit(clustered(300, 64, seed=1)))
    index = EmbeddingIndex.create(None, model)
    index.add(x)
    scores, ids = index.search(queries, 400, **into(index, lists))
    asked = unit(queries).astype(np.float32)
    codes = model.transform(unit(x).astype(np.float32))
    cosines, estimates, bound = (
        np.take_along_axis(values, ids, axis=1)
        for values in (
            asked @ unit(x).T,
            model.scores(asked, codes) + (asked @ model.mean_)[:, None],
            model.error_bound(asked, codes),
        )
    )
    assert (np.sort(ids, axis=1) == np.arange(400)).all()
    assert (np.diff(scores, axis=1) <= 0).all()
    assert (np.abs(scores - cosines) > bound).mean() < 0.07  # stated: 5.7 % for unrelated queries
    assert np.abs(scores - estimates).mean() < 0.1 * bound.mean()  # queries are rounded to 4 bits
    np.testing.assert_array_equal(index.search(queries, 9, **into(index, lists))[1], ids[:, :9])


def test_more_probes_find_more():
    x, queries = clustered(2000, 32), clustered(100, 32, seed=3)
    index, exact = filled(x, 30, "int8"), np.argsort(-(unit(queries) @ unit(x).T), axis=1)[:, :10]
    shared = []
    for probes in (1, 4, 30):
        found = index.search(queries, 10, **into(index, probes, candidates=400))[1]
        shared.append(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)]))
    assert 0.3 < shared[0] < shared[1] <= shared[2]
    assert shared[2] > 0.95


def test_lists_hold_what_lies_near_their_centers():
    x = clustered(500)
    index = filled(x, 12)
    cells = index.model.factors(index.codes.store.rows("codes")).cells
    directions = unit(index.model.directions_)
    cosines = unit(x) @ directions.T
    assert (cosines.max(axis=1) - cosines[np.arange(500), cells] < 0.02).all()  # both are rounded to bytes
    assert np.unique(cells).size > 6
    (mine, _), own = index.search(x[:1], 500, **into(index, 1)), np.flatnonzero(cells == cells[0])
    assert np.isfinite(mine).sum() == own.size


# ---------------------------------------------------------------------- edges


@pytest.mark.parametrize("keep", [None, "int8", "float16", "float32"])
@pytest.mark.parametrize("lists", [1, 7])
def test_no_rows_one_row_and_rows_that_are_gone(lists, keep):
    x = clustered(9)
    index = EmbeddingIndex.create(None, model_of(lists), keep=keep)
    assert [found.shape for found in index.search(x, 5)] == [(9, 0), (9, 0)]
    assert index.add(x[:0]).tolist() == []
    assert index.add(x[:1]).tolist() == [0]
    scores, ids = index.search(x[:1], 5, **into(index, 7))
    assert ids.tolist() == [[0]]
    np.testing.assert_allclose(scores, 1, atol=0.2 if keep is None else 1e-3)
    assert [found.shape for found in index.search(x[:0], 5)] == [(0, 1), (0, 1)]
    assert index.remove(ids=[0]) == 1
    assert [found.shape for found in index.search(x, 5)] == [(9, 0), (9, 0)]
    assert index.add(x[1:3]).tolist() == [1, 2]
    assert index.search(x[1:3], 1, **into(index, 7))[1].tolist() == [[1], [2]]


@pytest.mark.parametrize("keep", [None, "int8", "float32"])
def test_lists_that_hold_too_little_leave_places(keep):
    x = clustered(40)
    index = filled(x, 12, keep)
    scores, ids = index.search(x, 99, **into(index, 1, candidates=99))
    assert ids.shape == (40, 40)
    there = ids >= 0
    assert (np.diff(there.astype(int), axis=1) <= 0).all()
    assert (~there[:, -1]).any()
    assert (ids[~there] == -1).all()
    assert (scores[~there] == -np.inf).all()
    assert np.isfinite(scores[there]).all()
    np.testing.assert_array_equal(ids[:, 0] >= 0, True)


def test_equal_vectors_come_in_the_order_of_ids():
    x = clustered(3)
    for keep in (None, "int8", "float32"):
        index = filled(np.repeat(x[:1], 50, axis=0), keep=keep)
        index.add(x[[1, 0, 0]])  # a tail
        assert index.search(x[:1], 53, **into(index, 7, candidates=53))[1].tolist() == [[*range(50), 51, 52, 50]]


@pytest.mark.parametrize("keep", [None, "int8", "float16", "float32"])
def test_a_vector_of_zeros_has_cosine_zero(keep):
    x = clustered(60)
    x[5] = 0
    index = EmbeddingIndex.create(None, RaBitQBinarizer(lists=6).fit(unit(x)), keep=keep)
    index.add(x)
    scores, ids = index.search(x[4:7], 60, **into(index, 6, candidates=60))
    assert np.isfinite(scores).all()
    assert (np.sort(ids, axis=1) == np.arange(60)).all()
    if keep is not None:
        np.testing.assert_array_equal(scores[ids == 5], 0)
        np.testing.assert_array_equal(scores[1], 0)
        np.testing.assert_array_equal(ids[1], np.arange(60))


def test_a_list_for_each_vector():
    x = unit(np.random.default_rng(0).standard_normal((90, DIM))).astype(np.float32)
    index = EmbeddingIndex.create(None, RaBitQBinarizer(lists=90).fit(x))
    index.add(x)
    scores, ids = index.search(x, 1, **into(index, 1))
    assert (ids[:, 0] == np.arange(90)).mean() > 0.95
    np.testing.assert_allclose(scores[ids[:, 0] == np.arange(90)], 1, atol=0.05)


# ---------------------------------------------------------------------- folders


def test_an_index_in_a_folder(tmp_path):
    x, queries = clustered(300), clustered(15, seed=3)
    held = dict(enumerate(x[:200]))
    with filled(x[:1], 7, "int8", tmp_path / "i") as index:
        index.add(x[1:200], keys=[f"k{i}" for i in range(1, 200)])
        with EmbeddingIndex.open(tmp_path / "i") as reader:
            assert (reader.kind, reader.model.lists, reader.bytes_per_vector) == ("ivf", 7, 24 + DIM)
            check_bytes(reader, held, queries, 6)
            assert index.remove(keys=["k3", "k4"], ids=[0]) == 3
            index.add(x[200:], keys=[f"k{i}" for i in range(200, 300)])
            check_bytes(reader, held, queries, 6)
            assert reader.codes.refresh()
            held = {number: row for number, row in enumerate(x) if number not in (0, 3, 4)}
            check_bytes(reader, held, queries, 6)
            assert reader.keys(reader.search(x[250:251], 1, **into(reader, 7))[1]) == ["k250"]
            index.codes.compact()
            assert reader.codes.refresh()
            check_bytes(reader, held, queries, 6)
        index.verify()
    with EmbeddingIndex.open(tmp_path / "i", writable=True) as again:
        again.verify()
        check_bytes(again, held, queries, 6)
        assert again.add(x[:1]).tolist() == [300]
        check_bytes(again, held | {300: x[0]}, queries, 6)
    with pytest.raises(errors.ParameterError, match="name a new folder"):
        EmbeddingIndex.create(tmp_path / "i", model_of(7))


def test_codes_and_answers_are_the_same_for_the_same_seed():
    x, queries = clustered(300), clustered(15, seed=3)
    a, b = filled(x), filled(x)
    np.testing.assert_array_equal(a.codes.store.rows("codes"), b.codes.store.rows("codes"))
    np.testing.assert_array_equal(a.search(queries, 5, **into(a, 2)), b.search(queries, 5, **into(b, 2)))
    other = RaBitQBinarizer(lists=7, seed=1).fit(unit(clustered(300, seed=1)))
    assert (other.transform(x) != a.codes.store.rows("codes")).any()


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_lists_are_searched_as_lists(kind):
    with pytest.raises(errors.UnsupportedError, match="lists=7 needs kind='ivf'"):
        EmbeddingIndex.create(None, model_of(7), kind=kind)
    assert EmbeddingIndex.create(None, model_of(7), kind="ivf").kind == "ivf"
    with pytest.raises(errors.UnsupportedError, match="lists=1 needs kind='flat'"):
        EmbeddingIndex.create(None, model_of(1), kind="ivf")
    assert EmbeddingIndex.create(None, SignBinarizer().fit(unit(clustered(9))), kind="ivf").kind == "ivf"
    with pytest.raises(errors.ParameterError, match="not fitted"):
        EmbeddingIndex.create(None, RaBitQBinarizer(lists=7))
    with pytest.raises(errors.ParameterError, match="not 'tree'"):
        EmbeddingIndex.create(None, model_of(7), kind="tree")


@pytest.mark.parametrize("model", [RaBitQBinarizer(), RaBitQBinarizer(lists=7), SignBinarizer()])
def test_a_model_of_longer_vectors_is_refused(model):
    """If it takes vectors as they are, as models do that were made before there were metrics; others do not mind."""
    x = clustered(300)
    EmbeddingIndex.create(None, model.fit(x))
    old = type(model)(**model.get_params())
    old._set_state({**model._state(), "mean": x.mean(axis=0), "lengths": 99 * model._state().get("lengths", 1)})
    with pytest.raises(errors.ParameterError, match=r"fitted to vectors of length .* compares unit vectors"):
        EmbeddingIndex.create(None, old)


@pytest.mark.parametrize("keep", [None, "int8"])
def test_a_copy_has_the_rows_and_makes_its_lists_anew(tmp_path, keep, monkeypatch):
    monkeypatch.setattr(list_files, "LEAST_ROWS", 10)
    x = clustered(400)
    with filled(x, 7, keep, tmp_path / "i") as index:
        expected = index.search(x[:9], 5, probes=3)
    codes = [tmp_path / name / "codes" for name in ("i", "copy")]
    with EmbeddingIndex.open(tmp_path / "i") as index:
        index.save(tmp_path / "copy")
    assert [bool(list(folder.glob("lists.*"))) for folder in codes] == [True, False]
    with EmbeddingIndex.open(tmp_path / "copy", writable=True) as copy:
        for mine, theirs in zip(copy.search(x[:9], 5, probes=3), expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        copy.verify()
    assert list(codes[1].glob("lists.*"))


def test_codes_of_another_model_are_told(tmp_path):
    with filled(clustered(60), 7, path=tmp_path / "i"):
        pass
    model_of(3).save(tmp_path / "i" / "model")
    with EmbeddingIndex.open(tmp_path / "i") as index, pytest.raises(errors.FileFormatError, match="the model has 3"):
        index.search(clustered(2), 1)


def test_what_running_searches_hold_stays_as_it_was():
    index = filled(x := clustered(400), 7)
    begun = index.pipeline.engine.begin(5, IVFOptions(probes=7))
    whole, parts = begun.run(unit(x[:9]).astype(np.float32)), begun.prepared.partition.parts
    ids = parts[0].ids.copy()
    index.remove(range(0, 100, 2))
    index.add(x[:20])
    after = index.pipeline.engine.prepared()
    assert (len(parts), len(after.partition.parts)) == (1, 2)
    np.testing.assert_array_equal(parts[0].ids, ids)
    main = after.partition.parts[0]
    assert (main.ids[: len(main.held)] < 0).sum() == 50
    assert after.partition.parts[0].held is parts[0].held
    assert index.pipeline.engine.prepared() is after
    again = begun.run(unit(x[:9]).astype(np.float32))
    for mine, theirs in zip(again, whole, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_codes_without_numbers_are_told():
    index = EmbeddingIndex.create(None, model := model_of(7))
    codes = model.transform(unit(clustered(9)))
    codes[4, 1] |= np.uint64(0x7FC00000)  # the scale, a NaN then
    index.codes.add(codes)
    with pytest.raises(errors.FileFormatError, match="contains NaN or infinity"):
        index.search(clustered(2), 1)


def test_options_that_do_not_exist_are_told():
    with pytest.raises(TypeError, match="probs"):
        filled(clustered(9)).search(clustered(1), probs=3)


@pytest.mark.parametrize(
    ("lists", "match"),
    [
        (0, "lists must be an integer of at least 1, not 0"),
        (2.5, "lists must be an integer"),
        (31, "31 lists cannot be trained on 30 vectors; pass at least one vector per list"),
        (2**25, "lists must be an integer of at most 16777216"),
    ],
)
def test_wrong_numbers_of_lists(lists, match):
    with pytest.raises(errors.ParameterError, match=match):
        RaBitQBinarizer(lists=lists).fit(clustered(30))


@pytest.mark.parametrize("lists", [1, 7])
def test_bad_vectors_and_numbers_are_told_and_change_nothing(lists):
    x = clustered(30)
    index = filled(x, lists, "int8")
    nan = x.copy()
    nan[5, 3] = np.nan
    for call in (index.add, index.search):
        with pytest.raises(errors.ParameterError, match=r"row 5 of .* contains NaN or infinity"):
            call(nan)
        with pytest.raises(errors.DimensionError, match=r"must have shape \(n, 24\), not \(30, 23\)"):
            call(x[:, :23])
        with pytest.raises(errors.DTypeError, match="must contain floats, not int64"):
            call(np.ones((2, DIM), dtype=np.int64))
    for name in ("k", "candidates", *into(index, 1)):
        for wrong in (0, -1, 1.5):
            with pytest.raises(errors.ParameterError, match=f"{name} must be an integer of at least 1, not"):
                index.search(x, **{name: wrong})
    with pytest.raises(errors.UnsupportedError, match="the model has the lists of RaBitQ codes"):
        index.train(x)
    assert len(index) == 30
    check_bytes(index, dict(enumerate(x)), x[:4], 3)
