"""Every law on every model and backend, at the dimensions where it can fail."""

import zlib
from typing import ClassVar

import numpy as np
import pytest

import hdc
from hdc import testing
from hdc.words import pack, unpack
from tests import conformance
from tests.models import FAMILIES, GENERIC, NUMPY_BACKENDS, TORCH_BACKENDS, make

STATISTICAL = (
    "names", "quasi-orthogonality", "unlike-operands", "order", "bundle-resembles-members", "unrelated-bundles",
    "membership", "scores",
)  # fmt: skip
"""Laws of many draws. They see a model's arithmetic, not the edges of its words: a few dimensions are enough."""
EDGES = (1, 63, 64, 65)
"""One component; a word with padding, without, and with one component in the next."""
LARGE = 10_000
"""Where compiled kernels work in blocks. One dense operator would take 400 MB, so not of haar."""


def cases():
    """Yield family, backend, dimension and laws."""
    exact = [law for law in testing.laws() if law not in STATISTICAL]
    for family in FAMILIES:
        table = conformance.dim_of(family)
        for backend in NUMPY_BACKENDS:
            quick = backend == "numpy" and (family not in GENERIC or family in ("HRR", "MCR"))  # floats, and integers
            marks = [] if quick else [pytest.mark.slow]
            yield pytest.param(family, backend, table, testing.laws(), marks=marks, id=f"{family}-{backend}-{table}")
            packed = family.startswith(("MAP-I", "MAP-B", "Bloom", "CountingBloom", "MBAT"))
            for dim in (*EDGES, LARGE) if packed else (1, 65):  # words have edges, and so have signed permutations
                if dim == 1 and "Bloom" in family:
                    continue  # a sparse atom of one component has no zeros; test_models checks the error
                if dim == table or (dim == LARGE and (backend == "numpy" or "haar" in family)):
                    continue
                laws = testing.laws() if packed and (backend, dim) == ("numpy", 65) else exact  # padding biases means
                yield pytest.param(family, backend, dim, laws, id=f"{family}-{backend}-{dim}")
        for backend in TORCH_BACKENDS:  # whose packed kernels the kernel tests run over all edges
            for dim in {65, table}:
                laws = testing.laws() if dim == table else exact
                name = f"{family}-{backend.values[0]}-{dim}"
                marks = [*backend.marks, *([pytest.mark.slow] if dim > 65 else [])]  # draws of which NumPy has as many
                yield pytest.param(family, *backend.values, dim, laws, marks=marks, id=name)
    yield pytest.param("MBAT-haar", "numpy", 1000, ("names", "membership"), id="MBAT-haar-numpy-1000")


@pytest.mark.parametrize(("family", "backend", "dim", "laws"), list(cases()))
def test_laws(family, backend, dim, laws):
    """All that are broken are named, and the table in the docs says what was seen."""
    vsa, outcomes, broken = make(family, dim, backend), {}, []
    for law in laws:
        try:
            outcomes[law] = testing.check_law(vsa, law).outcome
        except testing.LawError as error:
            broken.append(str(error))
    assert not broken, "\n".join(broken)
    if dim == conformance.dim_of(family):
        assert conformance.cell(outcomes) == conformance.written()[family, backend]
    elif "Bloom" not in family and dim == 1000:
        assert set(outcomes.values()) == {"held"}


def test_the_table_in_the_docs_names_every_model_and_leaves_no_law_out():
    written = conformance.written()
    assert set(written) == {(family, backend) for family in FAMILIES for backend in conformance.COLUMNS}
    lacking = {family: _not_applied(written[family, "numpy"]) for family in FAMILIES}
    usual = {family: lacks - OPTIONAL for family, lacks in lacking.items()}
    assert usual.pop("HRR-gaussian") == {"bind-keeps-similarity", "depth", "norms"}
    assert usual.pop("MAP-C-uniform") == {"bind-distributes", "bind-keeps-similarity", "depth", "norms"}
    for family in ("VTB-gaussian", "TVTB-gaussian"):
        assert usual.pop(family) == {"bind-keeps-similarity", "depth", "norms"}
    assert usual.pop("MBAT-haar") == {"membership", "names", "order"}  # of which two held at 1000
    assert usual.pop("GHRR") == {"membership"}  # which needs 1000
    assert set(map(frozenset, usual.values())) == {frozenset()}
    for family in ("HRR", "FHRR", "MCR", "GHRR"):
        assert not lacking[family] & {"phases", "powers", "identity", "normalizes"}


OPTIONAL = {"agrees-with-numpy", "identity", "powers", "phases", "normalizes"}
"""Laws of what a model may have or lack."""


def _not_applied(cell):
    return set(cell.partition("(")[2].partition(":")[0].split(", ")) - {""}


def test_unknown_laws_are_told_apart_from_broken_ones():
    with pytest.raises(hdc.errors.UnknownNameError, match="unknown law 'gravity'; known: spec"):
        testing.check_law(hdc.MAPI(10), "gravity")


class ForgetfulMAPI(hdc.MAPI):
    """A broken model for the suite to find: unbinding rotates."""

    def unbind(self, role, y):
        return np.roll(super().unbind(role, y), 1, axis=-1)


class WrappingMAPI(hdc.MAPI):
    """A broken model for the suite to find: sums stay in int8."""

    def bundle(self, x, weights=None):
        return super().bundle(x, weights).astype(np.int8)


class FixedTiesMAPB(hdc.MAPB):
    """A broken model for the suite to find: all ties take one vector, so bundles of two are half alike."""

    def bundle(self, x, weights=None):
        sums = self.kernels.bits.signed_sums(*self._members(x, weights), self.dim)
        return pack(np.where(sums == 0, unpack(self.tie, self.dim), sums > 0))


class OrderBlindMAPI(hdc.MAPI):
    """A broken model for the suite to find: its permutation is a binding, as a rotation is in HRR."""

    def permute(self, x, shift=1):
        return super().bind(self.role("permutation"), x) if shift % 2 else self.check(x).copy()


class SwellingMAPI(hdc.MAPI):
    """A broken model for the suite to find: binding makes vectors longer."""

    def bind(self, role, x):
        return super().bind(role, x) * 1.5

    def unbind(self, role, y):
        return super().bind(role, y) / 1.5


class BoastfulMAPI(hdc.MAPI):
    """A broken model for the suite to find: it unbinds a fifth of the signs wrongly and promises more."""

    kept: ClassVar[float] = 0.9
    exact_unbind: ClassVar[bool] = False
    self_inverse: ClassVar[bool] = False
    noise: ClassVar[float] = 0.2

    def unbound_similarity(self, depth=1):
        return self.kept**depth

    def unbind(self, role, y):
        wrong = np.random.default_rng(zlib.crc32(y.tobytes())).random(y.shape) < self.noise
        return np.where(wrong, -super().unbind(role, y), super().unbind(role, y))


class HonestMAPI(BoastfulMAPI):
    """A model that unbinds a fifth of the signs wrongly, and says so."""

    kept: ClassVar[float] = 0.6


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (ForgetfulMAPI, "inverse"),
        (WrappingMAPI, "no-wrapping"),
        (FixedTiesMAPB, "unrelated-bundles"),
        (OrderBlindMAPI, "order"),
        (BoastfulMAPI, "inverse"),
    ],
)
def test_suite_finds_broken_models(broken, law):
    with pytest.raises(testing.LawError, match=law):
        testing.check_model(broken(1000))


def test_norms_must_not_grow():
    with pytest.raises(testing.LawError, match="twenty bindings change a norm"):
        testing.check_law(SwellingMAPI(1000, precision="float64"), "norms")


def test_a_model_may_unbind_approximately_and_say_so():
    assert testing.check_law(HonestMAPI(1000), "inverse").outcome == "held"
    assert "approximate" in testing.check_law(HonestMAPI(1000), "depth").outcome
    assert hdc.MAPI(10).unbound_similarity(3) == 1.0
    with pytest.raises(hdc.errors.ParameterError, match="depth must be an integer of at least 0"):
        hdc.MAPI(10).unbound_similarity(-1)
