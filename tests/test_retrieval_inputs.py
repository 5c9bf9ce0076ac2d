"""Vectors from files: every block is what the array holds, and every fault is told with its file and row."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from hdc import words
from hdc.apps.retrieval.files.codes import open_codes
from hdc.apps.retrieval.files.vectors import open_vectors
from hdc.errors import DimensionError, DTypeError, FileFormatError, ParameterError

ROWS = np.random.default_rng(0).standard_normal((25, 6)).astype(np.float32)
KEYS = [f"key {i}" for i in range(len(ROWS))]


def write_parquet(path, kind=None, rows=ROWS):
    vectors = pa.array(rows.tolist(), kind or pa.list_(pa.float32()))
    parquet.write_table(pa.table({"id": KEYS[: len(rows)], "vector": vectors}), path, row_group_size=7)
    return path


def write_numpy(path, rows=ROWS):
    np.save(path, rows)
    return path


@pytest.fixture(params=["npy", "npy, columns first", "npy with keys", "list", "large list", "fixed-size list"])
def source(request, tmp_path):
    """Return a file of ROWS in each of the forms, and whether it has keys."""
    if request.param.startswith("npy"):
        path = write_numpy(tmp_path / "v.npy", np.asfortranarray(ROWS) if "columns" in request.param else ROWS)
        if "keys" not in request.param:
            return open_vectors(path), False
        (tmp_path / "keys.txt").write_text("\n".join(KEYS))
        return open_vectors(path, keys=tmp_path / "keys.txt"), True
    kinds = {"list": pa.list_, "large list": pa.large_list, "fixed-size list": lambda t: pa.list_(t, ROWS.shape[1])}
    path = write_parquet(tmp_path / "v.parquet", kinds[request.param](pa.float32()))
    return open_vectors(path, key_column="id"), True


@pytest.mark.parametrize("start", [0, 1, 7, 24, 25])
@pytest.mark.parametrize("rows", [1, 5, 100, None])
def test_blocks_hold_every_row_once(source, start, rows):
    vectors, has_keys = source
    assert (vectors.rows, vectors.dim) == ROWS.shape
    place = start
    for block in vectors.blocks(start, rows):
        assert block.start == place
        assert 0 < len(block.vectors) <= (rows or len(ROWS))
        assert block.vectors.dtype == np.float32
        np.testing.assert_array_equal(block.vectors, ROWS[place : place + len(block.vectors)])
        assert block.keys == (KEYS[place : place + len(block.vectors)] if has_keys else None)
        place += len(block.vectors)
    assert place == len(ROWS)


def test_read_is_all_blocks(source):
    vectors, has_keys = source
    block = vectors.read()
    np.testing.assert_array_equal(block.vectors, ROWS)
    assert block.keys == (KEYS if has_keys else None)


def test_sample_draws_rows_in_order(source):
    vectors, _ = source
    drawn = vectors.sample(9, seed=3)
    rows = [int(np.flatnonzero((row == ROWS).all(axis=1))[0]) for row in drawn]
    assert rows == sorted(set(rows))
    assert len(rows) == 9
    np.testing.assert_array_equal(vectors.sample(9, seed=3), drawn)
    assert not np.array_equal(vectors.sample(9, seed=4), drawn)
    np.testing.assert_array_equal(vectors.sample(1000), ROWS)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_other_floats_become_float32(tmp_path, dtype):
    rows = ROWS.astype(dtype)
    read = open_vectors(write_numpy(tmp_path / "v.npy", rows)).read().vectors
    np.testing.assert_array_equal(read, rows.astype(np.float32))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 24), st.integers(0, 5), st.sampled_from([np.nan, np.inf, -np.inf]), st.booleans())
def test_the_row_of_what_is_not_finite_is_told(tmp_path_factory, row, component, value, as_parquet):
    folder = tmp_path_factory.mktemp("bad")
    rows = ROWS.copy()
    rows[row, component] = value
    path = write_parquet(folder / "v.parquet", rows=rows) if as_parquet else write_numpy(folder / "v.npy", rows)
    with pytest.raises(ParameterError, match=rf"v\.\w+: row {row} contains NaN or infinity"):
        open_vectors(path).check()


def test_float64_beyond_float32_is_told(tmp_path):
    path = write_numpy(tmp_path / "v.npy", np.array([[1.0], [1e300]]))
    with pytest.raises(ParameterError, match="row 1 contains NaN or infinity"):
        open_vectors(path).check()


def test_check_compares_the_dimension(source):
    source[0].check(6)
    with pytest.raises(DimensionError, match="vectors have 6 components, expected 7"):
        source[0].check(7)


def write_lists(path, values, kind=None):
    parquet.write_table(pa.table({"vector": pa.array(values, kind or pa.list_(pa.float32()))}), path)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([[1, 2], [1, 2, 3]], DimensionError, "row 1 has 3 components, expected 2"),
        ([[1, 2], None], DimensionError, "row 1 has 0 components, expected 2"),
        ([[1, 2], [1, None]], ParameterError, "row 1 contains NaN"),
        ([None, [1, 2]], ParameterError, "has no vectors: 2 rows of 0 components"),
        ([[], []], ParameterError, "has no vectors: 2 rows of 0 components"),
        ([], ParameterError, "has no vectors: 0 rows"),
    ],
)
def test_lists_that_are_no_vectors(tmp_path, values, error, message):
    write_lists(tmp_path / "v.parquet", values)
    with pytest.raises(error, match=message):
        open_vectors(tmp_path / "v.parquet").check()


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((3, 2), np.int64), DTypeError, "has dtype int64; expected float16, float32 or float64"),
        (np.zeros(3, np.float32), DimensionError, r"shape \(3,\); expected rows of vectors"),
        (np.zeros((0, 3), np.float32), ParameterError, "has no vectors: 0 rows of 3 components"),
        (np.zeros((3, 0), np.float32), ParameterError, "has no vectors: 3 rows of 0 components"),
        (np.array([[{}]], dtype=object), FileFormatError, "not a .npy file of numbers"),
    ],
)
def test_arrays_that_are_no_vectors(tmp_path, array, error, message):
    np.save(tmp_path / "v.npy", array, allow_pickle=True)
    with pytest.raises(error, match=message):
        open_vectors(tmp_path / "v.npy")


def test_files_that_are_no_vectors(tmp_path):
    path = tmp_path / "v.npy"
    path.write_bytes(b"")
    with pytest.raises(ParameterError, match="is empty"):
        open_vectors(path)
    path.write_text("1 2 3")
    with pytest.raises(FileFormatError, match=r"neither \.npy nor Parquet"):
        open_vectors(path)
    with pytest.raises(FileNotFoundError):
        open_vectors(tmp_path / "none.npy")


@pytest.mark.parametrize("kept", [7, 60, 300])
def test_files_cut_off(tmp_path, kept):
    for path in (write_numpy(tmp_path / "v.npy"), write_parquet(tmp_path / "v.parquet")):
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(FileFormatError, match=path.name):
            open_vectors(path)


def test_a_parquet_page_overwritten(tmp_path):
    path = write_parquet(tmp_path / "v.parquet")
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 3] = bytes(len(content) // 3 - 4)
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"v\.parquet"):
        open_vectors(path, column="vector", key_column="id").check()


def test_columns_are_chosen_and_checked(tmp_path):
    path = tmp_path / "v.parquet"
    lists = pa.array(ROWS.tolist(), pa.list_(pa.float32()))
    missing = pa.array([None, *KEYS[1:]])
    parquet.write_table(pa.table({"a": lists, "b": lists, "n": list(range(25)), "missing": missing}), path)
    with pytest.raises(ParameterError, match="the columns a, b of lists of floats; name the column"):
        open_vectors(path)
    with pytest.raises(ParameterError, match="no column 'c'; it has a, b, n, missing"):
        open_vectors(path, column="c")
    with pytest.raises(ParameterError, match="no column 'c'; it has a, b, n, missing"):
        open_vectors(path, column="a", key_column="c")
    with pytest.raises(DTypeError, match="column 'n' has type int64; expected lists of floats"):
        open_vectors(path, column="n")
    with pytest.raises(ParameterError, match="row 0 has no key"):
        open_vectors(path, column="a", key_column="missing").check()
    assert open_vectors(path, column="b", key_column="n").read().keys == [str(i) for i in range(25)]
    with pytest.raises(ParameterError, match="which has no columns"):
        open_vectors(write_numpy(tmp_path / "v.npy"), column="a")


def test_keys_are_as_many_as_rows_and_not_empty(tmp_path):
    path, keys = write_numpy(tmp_path / "v.npy"), tmp_path / "keys.txt"
    keys.write_text("a\nb\n")
    with pytest.raises(ParameterError, match=r"keys.txt has 2 keys, but .*v.npy has 25 rows"):
        open_vectors(path, keys=keys)
    keys.write_text("a\n\nb\n")
    with pytest.raises(ParameterError, match="line 2 is empty"):
        open_vectors(path, keys=keys)
    keys.write_bytes(b"\xff\n")
    with pytest.raises(FileFormatError, match="not UTF-8"):
        open_vectors(path, keys=keys)


HEADER = "{{'descr': {}, 'fortran_order': False, 'shape': {}, }}"

HEADERS = {
    "true": HEADER.format("'<f4'", "(True, 32)"),
    "open bracket": HEADER.format("'<f4'", "(4, 32"),
    "no end": "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 32), ",
    "brackets": "(" * 60,
    "many brackets": "[" * 20_000,
    "minus": "-" * 3000 + "1",
    "negative": HEADER.format("'<f4'", "(-1, 32)"),
    "float": HEADER.format("'<f4'", "(4.0, 32)"),
    "list": HEADER.format("'<f4'", "[4, 32]"),
    "too many": HEADER.format("'<f4'", (2**62, 4)),
    "digits": HEADER.format("'<f4'", f"({'9' * 5000}, 32)"),
    "objects": HEADER.format("'O'", "(4, 32)"),
    "NUL": HEADER.format("'<f4\\x00'", "(4, 32)"),
    "wide": HEADER.format("'<f999999999999'", "(4, 32)"),
    "code": HEADER.format("__import__('os')", "(4, 32)"),
    "keys": "{'descr': '<f4'}",
    "zeros": "\0" * 40,
    "latin": "\xff\xfe" * 20,
}


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0), (9, 0)])
@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("opener", [open_vectors, open_codes])
def test_hostile_headers_are_typed_errors(tmp_path, name, version, opener):
    header = HEADERS[name].encode("latin-1") + b"\n"
    length = len(header).to_bytes(2 if version == (1, 0) else 4, "little")
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY" + bytes(version) + length + header + bytes(4096))
    with pytest.raises(FileFormatError, match=r"x\.npy is not a \.npy file of numbers, or is cut off") as caught:
        opener(path)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_long_lines_of_keys_are_refused(tmp_path):
    np.save(tmp_path / "v.npy", np.ones((2, 3), np.float32))
    (tmp_path / "keys").write_text("k" * 65536 + "\nb\n")
    assert open_vectors(tmp_path / "v.npy", keys=tmp_path / "keys").rows == 2
    (tmp_path / "keys").write_text("a\n" + "k" * 65537 + "\n")
    with pytest.raises(ParameterError, match="keys: line 2 is longer than 65,536 characters"):
        open_vectors(tmp_path / "v.npy", keys=tmp_path / "keys")


@pytest.mark.parametrize("order", ["little", "big"])
def test_a_column_of_codes_may_say_its_order(tmp_path, order):
    bits = np.random.default_rng(0).random((9, 20)) < 0.5
    rows = [row.tobytes() for row in np.packbits(bits, axis=1, bitorder=order)]

    def written(**metadata):
        field = pa.field("code", pa.binary(3), metadata=metadata or None)
        parquet.write_table(pa.table({"code": rows}, schema=pa.schema([field])), tmp_path / "c.parquet")
        return tmp_path / "c.parquet"

    codes = open_codes(written(bitorder=order), bits=20)
    assert codes.bitorder == order
    np.testing.assert_array_equal(codes.read().codes, words.pack(bits))
    other = "big" if order == "little" else "little"
    with pytest.raises(ParameterError, match=f"states for its codes bitorder='{order}', not '{other}'"):
        open_codes(written(bitorder=order), bitorder=other)
    with pytest.raises(FileFormatError, match="unknown bitorder b'msb'"):
        open_codes(written(bitorder="msb"))
    with pytest.raises(ParameterError, match="pass their bitorder"):
        open_codes(written())
