"""Records in batches and n-grams of streams: the same vectors as one by one, however they are cut into blocks."""

import io
from collections import Counter
from contextlib import nullcontext
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hdc
from hdc import errors
from hdc.structures import ngrams, rows
from hdc.structures.numbering import numbered
from tests.models import FAMILIES, host, make
from tests.structure_cases import cases

BINDS_VECTORS = [family for family in FAMILIES if "MBAT" not in family]
NAMES = ["red", "1", 1, 1.0, True, b"red", ("red", 1), ("red", 1.0), "", 2.5, -0.0, 0.0, float("nan"), np.float64(2.5)]
FIELDS = ["shape", "color", 1, True, ("of", "it"), None, b"x"]


@pytest.fixture(params=["whole", "blocks"])
def limits(request):
    """Tables of all rows and large blocks, or no table and blocks of a row or two."""
    few = {"TABLE_BYTES": 0, "BLOCK_BYTES": 1000} if request.param == "blocks" else {}
    with mock.patch.multiple(rows, **few) if few else nullcontext():
        yield request.param


def alone(vsa, record):
    """Follow the definition: a symbol, a role and a binding for each field that has a value."""
    pairs = [
        vsa.bind(vsa.role(field), value if hasattr(value, "shape") and value.shape else vsa.symbol(value))
        for field, value in record.items()
        if value is not None
    ]
    return vsa.bundle(vsa.xp.stack(pairs, axis=-2))


def assert_rows(vsa, batch, records):
    assert batch.shape == (len(records), vsa.storage)
    for row, record in zip(host(batch), records, strict=True):
        expected = host(alone(vsa, record))
        assert row.dtype == expected.dtype
        if row.dtype.kind == "f":
            np.testing.assert_allclose(row, expected, atol=1e-5)
        else:
            assert np.array_equal(row, expected)


def random_records(count, seed):
    rng = np.random.default_rng(seed)
    records = []
    for _ in range(count):
        fields = rng.permutation(len(FIELDS))[: rng.integers(1, len(FIELDS) + 1)]
        values = [NAMES[rng.integers(len(NAMES))] if rng.random() < 0.8 else None for _ in fields]
        values[0] = "sure"
        records.append({FIELDS[field]: value for field, value in zip(fields.tolist(), values, strict=True)})
    return records


@cases()
def test_a_batch_is_its_records_one_by_one(family, backend, limits):
    vsa = make(family, 64 if "haar" in family else 100, backend)
    records = random_records(20, seed=len(family))
    assert_rows(vsa, hdc.Record(vsa).encode_many(records), records)


@cases()
def test_columns_are_records(family, backend, limits):
    vsa = make(family, 64 if "haar" in family else 100, backend)
    given_rows, one = vsa.random(5, seed=1), vsa.symbol("shared")
    columns = {
        "shape": ["ball", "cube", None, "ball", "cone"],
        "vector": given_rows,
        "color": [None, "red", None, one, 3],
        "kind": "toy",
        "place": one,
    }
    records = [
        {name: column if name in ("kind", "place") else column[i] for name, column in columns.items()} for i in range(5)
    ]
    if host(one).dtype.kind == "f":
        records = [{**record, "vector": record.pop("vector")} for record in records]
    assert_rows(vsa, hdc.Record(vsa).encode(columns), records)


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.sampled_from([*"xyz", None, 1, True, 1.0]), max_size=3),
        min_size=1,
        max_size=6,
    )
)
def test_any_batch(records):
    vsa = hdc.MAPB(70, backend="numpy")
    empty = [i for i, record in enumerate(records) if all(value is None for value in record.values())]
    if empty:
        with pytest.raises(errors.EmptyBundleError, match=f"record {empty[0]} has none"):
            hdc.Record(vsa).encode_many(records)
    else:
        assert_rows(vsa, hdc.Record(vsa).encode_many(records), records)


@given(st.lists(st.sampled_from([*NAMES, None, "blue", ("red", True)])))
def test_equal_numbers_are_equal_names(names):
    numbers, distinct = numbered(names)
    keys = [None if name is None else hdc.atoms.encode_name(name) for name in names]
    assert [number == -1 for number in numbers] == [key is None for key in keys]
    for number, key in zip(numbers.tolist(), keys, strict=True):
        assert key is None or hdc.atoms.encode_name(distinct[number]) == key
    found = dict(zip(numbers.tolist(), keys, strict=True))
    assert len(set(found.values())) == len(found) or len([n for n in names if n != n]) > 1  # NaN twice is no harm


def test_a_record_without_values_leaves_them_out():
    vsa = hdc.MAPI(100)
    record = hdc.Record(vsa)
    assert np.array_equal(record.encode({"a": "x", "b": None}), record.encode({"a": "x"}))
    with pytest.raises(errors.EmptyBundleError, match="needs at least one field"):
        record.encode({"a": None})


@cases()
def test_many_are_read_as_one_by_one(family, backend):
    vsa = make(family, 64, backend)
    record, memory = hdc.Record(vsa), hdc.ItemMemory(vsa, "pqrs")
    batch = record.encode({"x": list("pqr"), "y": list("ssq")})
    many = record.get_many(batch, "x", memory)
    for found, one in zip(many, batch, strict=True):
        alone = record.get(one, "x", memory)
        assert (found.name, found.similarity) == (alone.name, pytest.approx(alone.similarity, abs=1e-5))
        assert record.decode(one, ["x"], memory)["x"].name == alone.name
    with pytest.raises(errors.DimensionError, match=r"records have shape \(n"):
        record.get_many(batch[0], "x", memory)
    with pytest.raises(errors.DimensionError, match="a Record is read from one vector"):
        record.decode(batch, ["x"], memory)


def test_errors_of_batches():
    vsa = hdc.MAPI(100)
    record = hdc.Record(vsa)
    with pytest.raises(errors.DimensionError, match=r"same length, not .*'a': 2, 'b': 3"):
        record.encode({"a": ["x", "y"], "b": ["x", "y", "z"]})
    with pytest.raises(errors.DimensionError, match="same length"):
        record.encode({"a": ["x", "y"], "b": vsa.random(3, seed=0)})
    with pytest.raises(errors.EmptyBundleError, match="at least one record"):
        record.encode_many([])
    with pytest.raises(errors.EmptyBundleError, match="record 1 has none"):
        record.encode({"a": ["x", None]})
    with pytest.raises(errors.DTypeError, match="a name must be"):
        record.encode_many([{"a": ["x"]}])
    with pytest.raises(errors.ParameterError, match="each of records must be a mapping"):
        record.encode_many([{"a": "x"}, "b"])


def test_gradients_flow_through_columns():
    torch = pytest.importorskip("torch")
    vsa = hdc.MBAT(64, backend="torch")
    values = vsa.random(3, seed=1)
    gradients = []
    for encode in (
        lambda rows: hdc.Record(vsa).encode({"a": ["x", "y", None], "b": rows}),
        lambda rows: torch.stack([alone(vsa, {"a": name, "b": rows[i]}) for i, name in enumerate(["x", "y", None])]),
    ):
        rows_ = values.clone().requires_grad_()
        (encode(rows_) ** 3).sum().backward()
        gradients.append(rows_.grad)
    assert torch.any(gradients[1] != 0)
    torch.testing.assert_close(*gradients)


# ---------------------------------------------------------------------- n-grams


def histogram(elements, n):
    """Count runs one by one."""
    return Counter(tuple(elements[i : i + n]) for i in range(len(elements) - n + 1))


def assert_same_bundle(vsa, actual, expected):
    a, e = host(actual), host(expected)
    if a.dtype.kind == "f":
        np.testing.assert_allclose(a, e, atol=1e-4)
    else:
        assert np.array_equal(a, e)


@pytest.fixture(params=[(1 << 18, 1 << 17), (7, 5)], ids=["whole", "blocks"])
def reading(request):
    read, distinct = request.param
    table = 0 if read == 7 else 1 << 28
    with mock.patch.multiple(ngrams, READ=read, DISTINCT=distinct), mock.patch.multiple(rows, TABLE_BYTES=table):
        yield


@cases(BINDS_VECTORS)
def test_a_stream_is_its_text(family, backend, reading):
    vsa = make(family, 100, backend)
    text = "how much wood would a woodchuck chuck" * 2
    grams = hdc.NGrams(vsa, 3)
    assert_same_bundle(vsa, grams.encode_stream(io.StringIO(text)), grams.encode(text))


@pytest.mark.parametrize("n", [1, 2, 5, (1, 3), (2,)])
def test_streams_of_every_kind(n, reading):
    vsa = hdc.CountingBloom(200, ones=7)
    grams = hdc.NGrams(vsa, n)
    text = "abracadabra, cadabra\n" * 3
    for stream in (io.StringIO(text), text, iter(text), list(text)):
        assert np.array_equal(grams.encode_stream(stream), grams.encode(text))
    raw = text.encode()
    for stream in (io.BytesIO(raw), raw, bytearray(raw), iter(raw)):
        assert np.array_equal(grams.encode_stream(stream), grams.encode(raw))
    words = [1, True, 1.0, "1", ("a", 1), ("a", 1.0), None, b"1"] * 4
    assert np.array_equal(grams.encode_stream(words), grams.encode(words))


@given(st.text(alphabet="ab\U0001f600\ud800", max_size=40), st.integers(1, 4))
def test_counts_are_those_of_a_loop(text, n):
    grams = hdc.NGrams(hdc.MAPI(50, backend="numpy"), n)
    with mock.patch.multiple(ngrams, READ=6, DISTINCT=3):
        assert grams.count(io.StringIO(text)) == histogram(text, n)
    assert hdc.NGrams(grams.vsa, (n, n + 1)).count(text) == histogram(text, n) + histogram(text, n + 1)


def test_many_symbols_and_long_runs_do_not_wrap():
    numbers = np.random.default_rng(0).integers(0, 1 << 15, 3000).tolist()
    numbers += numbers[:50]
    grams = hdc.NGrams(hdc.MAPI(10, backend="numpy"), 6)
    assert grams.count(numbers) == histogram(numbers, 6)


def test_counts_make_the_bundle():
    vsa = hdc.MAPI(300)
    grams = hdc.NGrams(vsa, (2, 3))
    text = "abracadabra"
    counts = grams.count(text)
    assert np.array_equal(grams.encode_counts(counts), grams.encode(text))
    assert np.array_equal(grams.encode_counts({"ab": 2, "bra": -1}), 2 * _run(vsa, "ab") - _run(vsa, "bra"))


def _run(vsa, gram):
    return hdc.NGrams(vsa, len(gram)).encode(gram)


def test_texts_are_as_alike_as_their_histograms():
    """Similarity is the cosine of histograms: off by at most six of 1 / sqrt(dim), twice in 10^9 comparisons."""
    vsa = hdc.MAPI(10_000)
    grams = hdc.NGrams(vsa, 3)
    texts = ["the cat sat on the mat and the dog sat on the cat", "the dog sat on a mat", "unlike anything before it"]
    counts = [histogram(text, 3) for text in texts]
    vectors = [grams.encode_stream(text) for text in texts]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        dot = sum(counts[i][gram] * counts[j][gram] for gram in counts[i])
        exact = dot / np.sqrt(sum(c * c for c in counts[i].values()) * sum(c * c for c in counts[j].values()))
        assert abs(float(vsa.similarity(vectors[i], vectors[j])) - exact) < 6 / np.sqrt(vsa.dim)


def test_errors_of_ngrams():
    vsa = hdc.MAPI(100)
    for n in ((), (2, 2), (0,), "2", 1.5):
        with pytest.raises(errors.ParameterError, match="n must be"):
            hdc.NGrams(vsa, n)
    grams = hdc.NGrams(vsa, 3)
    with pytest.raises(errors.EmptyBundleError, match="3-grams need at least 3 elements"):
        grams.encode_stream("ab")
    with pytest.raises(errors.DTypeError, match="a stream is a file"):
        grams.encode_stream(7)
    with pytest.raises(errors.DTypeError, match="hypervectors were given"):
        grams.encode_stream(list(vsa.random(5, seed=0)))
    with pytest.raises(errors.ParameterError, match="n=3 elements, and 2"):
        grams.encode_counts({"ab": 1})
    with pytest.raises(errors.ParameterError, match="each n-gram must be"):
        grams.encode_counts({5: 1})
    with pytest.raises(errors.DTypeError, match="integer weights"):
        hdc.NGrams(hdc.MAPB(100), 2).encode_counts({"ab": 0.5})


@pytest.mark.slow
def test_a_megabyte_of_text_takes_seconds_and_no_memory_of_its_size():
    import tracemalloc

    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("etaoin shrdlu"), 1_000_000).tolist())
    vsa = hdc.MAPB(10_000)
    tracemalloc.start()
    vector = hdc.NGrams(vsa, 3).encode_stream(io.StringIO(text))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000_000  # the runs alone would be 1.25 GB
    counts = histogram(text, 3)
    assert np.array_equal(vector, hdc.NGrams(vsa, 3).encode_counts(counts))
