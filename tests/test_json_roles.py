"""Operators of paths made in batches: the same as one by one, within the memory that is stated."""

import gc
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc import atoms
from hdc.apps.garbage import uncollected
from hdc.apps.json import JSONEncoder
from hdc.apps.json.document.batches import batches
from hdc.apps.json.document.leaves import LeafTable
from hdc.apps.json.document.rules import Layout
from hdc.apps.json.encoder import path_roles as module
from hdc.apps.json.encoder.path_roles import PermutedPaths, SinglePaths, path_role, path_roles
from hdc.apps.json.values.strings import _HUMP, _WORD, MAX_WORDS, words_of
from hdc.apps.json.values.values import ValueOptions, Values
from hdc.models.signed_rows import SignedRows
from tests.models import BACKENDS, place

DIM = 70


def mbat(backend="numpy", dim=DIM, **more):
    return hdc.create("MBAT", dim, seed=3, **place(backend), **more)


def vectors(vsa, n):
    return vsa.from_numpy(np.random.default_rng(n).standard_normal((n, vsa.dim)).astype(np.float32))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "exponents",
    [[1], [2], [63, 64, 65], [1, 128, 129], list(range(1, 200)), [4095, 4096, 4097, 4161, 300_000], [9, 4160, 262_209]],
)
def test_rows_are_roles_powers_and_products(backend, exponents):
    vsa = mbat(backend)
    x = vectors(vsa, 1)
    rows = SignedRows(vsa, len(exponents) + 4)
    rows.put_identity(0)
    rows.put_roles(1, ["a", ("b", 2)])
    rows.put_powers(3, ("p",), exponents)
    rows.put_products(3 + len(exponents), [1], [2])

    def bound(outer, inner=0):
        return vsa.to_numpy(rows.bind(x, [outer], [inner]))

    def expected(role):
        return vsa.to_numpy(vsa.bind(role, x))

    a, b, p = vsa.role("a"), vsa.role(("b", 2)), vsa.role(("p",))
    assert (bound(0) == vsa.to_numpy(x)).all()
    assert (bound(1) == expected(a)).all()
    assert (bound(2) == expected(b)).all()
    assert (bound(2, 1) == expected(b @ a)).all()
    assert (bound(3 + len(exponents)) == expected(a @ b)).all()
    for row, exponent in enumerate(exponents, 3):
        assert (bound(row) == expected(p**exponent)).all()


PATHS = st.lists(
    st.lists(
        st.one_of(st.sampled_from("abcd"), st.integers(0, 5), st.sampled_from([63, 64, 65, 127, 900]), st.none()),
        max_size=6,
    )
)


def node_at(table, path):
    node = table._root
    for step in path:
        node = node.keys[step] if isinstance(step, str) else node.items[step, 1.0]
    return node


@settings(deadline=None, max_examples=60)
@given(PATHS, st.integers(13, 40))
def test_paths_are_bound_as_one_by_one(paths, room):
    vsa, table = mbat(), LeafTable(Layout.of())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LEAST_ROLES", room)
        patch.setattr(module, "ROLE_BYTES", 1)
        several = path_roles(vsa)
        assert isinstance(several, PermutedPaths)
    for start in range(0, len(paths), 3):  # what fits into one call: at most 18 steps, and room for half of them
        part = paths[start : start + max(1, min(3, several.steps // 6))]
        x = vectors(vsa, len(part))
        bound = several.bind([node_at(table, path) for path in part], x)
        for row, path in enumerate(part):
            role = path_role(vsa, tuple(path))
            assert (bound[row] == (x[row] if role is None else vsa.bind(role, x[row]))).all()


@pytest.mark.parametrize("matrix", ["hadamard", "haar"])
def test_other_families_are_bound_one_by_one(matrix):
    vsa, table = mbat(matrix=matrix), LeafTable(Layout.of())
    several, x = path_roles(vsa), vectors(vsa, 4)
    assert isinstance(several, SinglePaths)
    a, b = node_at(table, ["a"]), node_at(table, ["a", 2])
    bound = several.bind([a, a, b, table._root], x)
    expected = [vsa.bind(path_role(vsa, ("a",)), x[:2]), vsa.bind(path_role(vsa, ("a", 2)), x[2:3]), x[3:]]
    np.testing.assert_array_equal(bound, np.concatenate(expected))


def by_hand(encoder, document):
    """Return the vector of a document from tokens, atoms and roles, one by one."""
    vsa, values = encoder.vsa.with_backend("numpy"), encoder.values
    table = LeafTable(encoder.layout)
    (batch,) = batches([document], table)
    total, mass = np.zeros(vsa.dim), 0.0
    for leaf in batch.leaves.tolist():
        path = table.nodes[leaf].path()
        tokens = values.tokens(path, table.values[leaf])
        value = sum(weight * vsa.symbol(token).astype(np.float64) for token, weight in tokens.items())
        role = path_role(vsa, path)
        total += value if role is None else vsa.bind(role, value)
        mass += sum(weight * weight for weight in tokens.values())
    return total / np.sqrt(mass)


@pytest.mark.parametrize("fitted", [False, True])
def test_an_array_of_numbers_is_the_sum_of_its_items(fitted):
    document = {"x": [1, -7, 2.5, 10**30, 0, 5] * 50, "y": [[1, 2], [3.5]], "z": [1, True], "w": [], "v": 10**400}
    encoder = JSONEncoder(256)
    if fitted:
        encoder.fit([{"x": list(range(i, i + 9))} for i in range(30)])
    np.testing.assert_allclose(encoder.transform([document])[0], by_hand(encoder, document), atol=2e-6)


@settings(deadline=None)
@given(
    st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.just("2018-02-06"), st.just("P1D"))
)
def test_windows_have_the_vector_of_their_cells(value):
    vsa, values = mbat(dim=130), Values(JSONEncoder().profile_, ValueOptions(convert=("dates", "durations")))

    def vector(tokens):
        return np.array(list(tokens.values())) @ values.vectors(vsa, list(tokens)).astype(np.float64)

    cells, windows = values.tokens(("a",), value), values.windows(("a",), value)
    assert len(windows) < len(cells)
    np.testing.assert_allclose(vector(windows), vector(cells), atol=1e-6)
    assert sum(w * w for w in windows.values()) == pytest.approx(sum(w * w for w in cells.values()))


@given(st.text(st.characters(max_codepoint=0x250), max_size=60))
def test_words_of_a_table_are_those_of_the_expression(text):
    expected = list(dict.fromkeys(map(str.casefold, _WORD.findall(_HUMP.sub(" ", text)))))[:MAX_WORDS]
    assert words_of(text) == expected


@pytest.mark.parametrize("dim", [1, 7, 8, 64, 65, 100])
def test_signs_are_looked_up_by_the_byte(dim):
    bits = hdc.create("MAP-I", 8, backend="numpy").kernels.bits
    keys = atoms.stream_keys(0, "symbol", ["a", "b", "c"])
    found = atoms.scaled_signs(bits, keys, dim, 0.3)
    np.testing.assert_array_equal(found, atoms.signs(bits, keys, dim) * np.float32(0.3))
    assert atoms.scaled_signs(bits, keys[:0], dim, 0.3).shape == (0, dim)


def test_garbage_is_collected_again_after_the_last_thread():
    assert gc.isenabled()
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with uncollected():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    with uncollected():
        thread.start()
        inside.wait(10)
        assert not gc.isenabled()
    assert not gc.isenabled()
    leave.set()
    thread.join()
    assert gc.isenabled()
    gc.disable()
    try:
        with uncollected(), uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


MANY_KEYS = """
import re
from pathlib import Path
from hdc.apps.json import JSONEncoder

def documents(begin):
    for n in range(begin, begin + 2500):
        yield {"map": {f"key {n} {i}": {"of": i, f"own {n}": "x"} for i in range(20)}}

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10

encoder = JSONEncoder()
for _ in encoder.fit(documents(0)).encode(documents(0)):
    pass
first = peak()
for _ in encoder.encode(documents(10_000)):
    pass
print(first, peak())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, where ru_maxrss of a child begins with its parent's")
def test_memory_is_bounded_for_any_number_of_keys():
    """150,000 keys of which each has an operator of 8 KiB; a second stream of others takes little more."""
    found = subprocess.run([sys.executable, "-c", MANY_KEYS], capture_output=True, text=True, check=True)
    first, second = map(int, found.stdout.split())
    assert first < 900
    assert second < first + 150
