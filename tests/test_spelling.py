import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.dispatch import backend, posting_kernels
from tests.naive import word_distance

WORDS = st.text("abcé😀", max_size=7)


def points_of(text):
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


@pytest.mark.parametrize("name", ["numpy", "numba"])
@settings(max_examples=60, deadline=None)
@given(words=st.lists(WORDS, max_size=12), word=WORDS, most=st.sampled_from([1, 2]))
def test_near_words_are_those_at_a_small_distance(name, words, word, most):
    starts = np.cumsum([0, *map(len, words)])
    which, distances = posting_kernels(backend(name)).near(points_of("".join(words)), starts, points_of(word), most)
    every = [word_distance(other, word) for other in words]
    assert which.tolist() == [i for i, distance in enumerate(every) if distance <= most]
    assert distances.tolist() == [every[i] for i in which]


PLACES = [{"city": "Reykjavík harbor", "code": "IS"}, {"city": "Tromsø harbor"}, {"city": "harbour of Tromso"}]


@pytest.fixture(scope="module")
def index():
    return JSONIndex(JSONEncoder(64), vectors=None).add(PLACES)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("Reykjavik", [0]),  # a letter replaced
        ("Rekyjavik", [0]),  # two changes in a long word
        ("Trmosø", [1]),  # neighbors exchanged
        ("Tromsø", [1]),  # it is there, so nothing else is meant
        ("Oslo", []),
        ("ort", []),  # too short to be mended
        ("harbors", [0, 1]),
    ],
)
def test_words_that_nothing_has_find_the_near_ones(index, asked, found):
    assert sorted(hit.id for hit in index.search({"city": asked})) == found


def test_a_near_word_counts_less_and_the_reasons_say_so(index):
    right, wrong = (index.search({"city": word}, 1)[0] for word in ("Reykjavík harbor", "Reykjavik harbor"))
    assert right.score == 1
    assert 0.7 < wrong.score < 0.9
    reasons = index.explain({"city": "Reykjavik harbor"}, wrong)
    assert sum(reason.share for reason in reasons) == pytest.approx(wrong.score)
    assert reasons[0].match == "Reykjavík harbor"


def test_near_words_are_those_of_the_path(index):
    assert index.search({"code": "harbors"}) == []
