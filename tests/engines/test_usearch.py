"""usearch finds what our indexes find, and its codes come back."""

import numpy as np
import pytest

from hdc import errors
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, RaBitQBinarizer
from hdc.apps.retrieval.engines.usearch_index import from_usearch, to_usearch
from tests.engines.rows import BIG, DIMS, bytes_of, codes, filled, same_answers, same_rows

pytest.importorskip("usearch", reason="usearch is not installed", exc_type=ImportError)


def searched(theirs, asked, k):
    found = theirs.search(np.ascontiguousarray(asked).view(np.uint8), k, exact=True)
    return found.distances.astype(np.int32), found.keys.astype(np.int64)


@DIMS
def test_codes_there_and_back(dim):
    from usearch.index import Index

    index, asked = filled(dim), codes(20, dim, seed=1)
    theirs = to_usearch(index)
    same_answers(searched(theirs, asked, 10), index.search(asked, 10), dim)
    same_rows(from_usearch(theirs, dim, bitorder="little"), index)
    plain = Index(ndim=-(-dim // 8) * 8, metric="hamming", dtype="b1")
    plain.add(index.ids().astype(np.uint64), bytes_of(index.codes(index.ids()), dim))
    found = plain.search(bytes_of(asked, dim), 10, exact=True)
    same_answers((found.distances.astype(np.int32), found.keys), index.search(asked, 10), dim)
    graph = from_usearch(plain, dim, bitorder="little", kind="hnsw")
    assert np.mean(graph.search(asked, 10, effort=300)[0] == found.distances) > 0.95


def test_keys_of_64_bits(tmp_path):
    index, asked = filled(64), codes(5, 64, seed=1)
    theirs = to_usearch(index, ids=index.ids() + BIG)
    distances, numbers = searched(theirs, asked, 3)
    assert (numbers >= BIG).all()
    with from_usearch(theirs, 64, bitorder="little", path=tmp_path / "index", keys={BIG + 7: "seven"}) as back:
        assert back.keys(back.ids())[:4] == [str(BIG), str(BIG + 1), str(BIG + 2), str(BIG + 3)]
        assert back.find("seven") is not None
        np.testing.assert_array_equal(back.search(asked, 3)[0], distances)


def test_other_vectors_are_refused():
    from usearch.index import Index

    with pytest.raises(errors.UnsupportedError, match="dtype b1"):
        from_usearch(Index(ndim=8, dtype="f32"), bitorder="little")
    huge = Index(ndim=64, metric="hamming", dtype="b1")
    huge.add(np.array([2**63], dtype=np.uint64), bytes_of(codes(1, 64), 64))
    with pytest.raises(errors.UnsupportedError, match=r"below 2\*\*63"):
        from_usearch(huge, bitorder="little")
    x = np.random.default_rng(0).standard_normal((20, 16)).astype(np.float32)
    index = EmbeddingIndex.create(None, RaBitQBinarizer().fit(x))
    for given in (index, index.codes, BinaryIndex(64, levels=2)):
        with pytest.raises(errors.UnsupportedError, match=r"wrongly|Hamming distance"):
            to_usearch(given)
