import uuid
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json import JSONEncoder
from hdc.apps.json.values.statistics import Profile
from hdc.apps.json.values.strings import (
    LEAST_CODES,
    MAX_GRAMS,
    MAX_WORDS,
    Shares,
    are_codes,
    ngrams_of,
    word_tokens,
    words_of,
)
from hdc.apps.json.values.values import CONTAINED, ORDER, SAME_WORDS, ValueOptions, Values
from hdc.errors import ParameterError

TYPOS = {"ngrams": 1.0}
WORDS = st.lists(st.text("abcé", min_size=1, max_size=9), min_size=1, max_size=5, unique=True)


def values(strings=None):
    return Values(Profile(), ValueOptions(strings=strings))


@given(WORDS)
def test_ngrams_are_all_substrings_of_three_and_four_characters(words):
    expected = {}
    for position, word in enumerate(words):
        bordered = f"^{word}$"
        for start in range(len(bordered)):
            for stop in range(start, len(bordered) + 1):
                if stop - start in (3, 4):
                    expected.setdefault(bordered[start:stop], set()).add(position)
    assert {gram: set(owners) for gram, owners in ngrams_of(words).items()} == expected


@settings(max_examples=60, deadline=None)
@given(st.text(), st.fixed_dictionaries({part: st.floats(0, 1) for part in ("exact", "words", "ngrams")}))
def test_the_squared_weights_of_a_string_sum_to_one(text, strings):
    strings["exact"] += 0.01
    tokens = values(strings).tokens((), text)
    assert sum(weight * weight for weight in tokens.values()) == pytest.approx(1)
    assert values(strings).shared((), text, text) == pytest.approx(1)


@given(st.text("aB 1_ßé", max_size=80))
def test_tokens_of_words_are_the_same_whether_held_or_not(text):
    for _ in range(2):
        assert word_tokens(text) == tuple(("~", word) for word in words_of(text))


def test_the_weights_are_the_shares_of_the_parts():
    tokens = values({"exact": 2, "words": 1, "ngrams": 1}).tokens((), "big box")
    shares = {}
    for (kind, _), weight in tokens.items():
        shares[kind] = shares.get(kind, 0) + weight**2
    assert shares == pytest.approx({"=": 0.5, "~": 0.25, "%": 0.25})
    assert set(values({"exact": 0}).tokens((), "big box")) == {("~", "big"), ("~", "box")}
    assert values({"exact": 0}).tokens((), "?!") == {("=", "?!"): 1.0}


@pytest.mark.parametrize(("right", "wrong"), [("seizure", "siezure"), ("Scoliosis", "scolliosis"), ("ataxia", "ataxa")])
def test_ngrams_see_through_typing_errors(right, wrong):
    assert values().shared((), wrong, right) == 0
    found, other = (values(TYPOS).shared((), wrong, text) for text in (right, "blindness"))
    assert found > 0.15
    assert other < found / 3


def test_a_string_that_holds_all_words_is_contained():
    for strings in (None, TYPOS, {"exact": 0.9}):
        shared = partial(values(strings).shared, (), "focal seizure")
        assert shared("Seizure, focal (motor)") == pytest.approx(CONTAINED - ORDER)
        assert shared("A focal seizure of the left hand") == pytest.approx(CONTAINED)
        assert shared("Focal   seizure!") == pytest.approx(CONTAINED + SAME_WORDS)
        assert shared("focal seizure") == pytest.approx(1)


def test_empty_and_huge_strings():
    both = values(TYPOS)
    assert both.tokens((), "") == {("=", ""): 1.0}
    assert both.shared((), "", "x") == 0
    for huge in ("x" * 10**6, " ".join(map(str, range(10**5))), "é" * 10**5 + " 1"):
        tokens = both.tokens((), huge)
        assert len(tokens) <= 1 + MAX_WORDS + MAX_GRAMS + 200
        assert sum(weight * weight for weight in tokens.values()) == pytest.approx(1)


def test_ngrams_are_as_rare_as_their_rarest_word():
    documents = [{"text": f"common word{n}"} for n in range(50)]
    encoder = JSONEncoder(64, strings=TYPOS).fit(documents)
    tokens = encoder.values.tokens(("text",), "common word1")
    assert tokens["%", "^wor"] > 5 * tokens["%", "^com"]
    assert tokens["%", "^wor"] / tokens["%", "^com"] == pytest.approx(tokens["~", "word1"] / tokens["~", "common"])


RANDOM = Random(0)
CODES = {
    "ontology": [f"HP:{RANDOM.randrange(10**7):07}" for _ in range(50)],
    "uuid": [str(uuid.UUID(int=RANDOM.getrandbits(128))) for _ in range(50)],
    "event": [f"ci{n}" for n in range(37868000, 37868050)],
    "mostly": [f"PMID:{n}" for n in range(95)] + ["see the note", "none", "pending"],
}
TEXTS = {
    "labels": [f"{kind} of the {part}" for kind in ("pain", "cyst", "loss") for part in ("eye", "ear", "leg", "arm")],
    "names": ["AddTag", "AddUser", "DeleteTag", "DeleteUser", "ListTags", "ListUsers", "GetTag", "GetUser", "PutTag"],
    "routes": [f"/v2/{what}/{n}" for what in ("users", "items", "tags") for n in range(9)],
    "numbered": [f"{n} km W of Castaic, CA" for n in range(30)],
    "levels": ["low", "high", "medium", "none", "severe", "mild", "grave", "fatal"],
    "few": CODES["ontology"][: LEAST_CODES - 1],
}


@pytest.mark.parametrize("texts", CODES.values(), ids=CODES)
def test_identifiers_are_codes(texts):
    assert are_codes(texts)


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_text_is_no_codes(texts):
    assert not are_codes(texts)


def test_fit_tells_identifiers_from_text_path_by_path():
    documents = [
        {"items": [{"id": code, "label": label}]}
        for code, label in zip(CODES["event"], TEXTS["labels"] * 5, strict=False)
    ]
    encoder = JSONEncoder(64).fit(documents)
    code, label = ("items", None, "id"), ("items", None, "label")
    assert encoder.profile_.codes == {code}
    assert set(encoder.values.tokens(code, "ci37868001")) == {("=", "ci37868001")}
    assert ("~", "ci12") not in encoder.values.tokens(("items", 3, "id"), "ci12 unseen")
    assert ("~", "eye") in encoder.values.tokens(label, "pain of the eye")
    chosen = JSONEncoder(64, strings={"words": 0.2}).fit(documents)
    assert ("~", "ci37868001") in chosen.values.tokens(code, "ci37868001")
    assert JSONEncoder.from_json(encoder.to_json()).profile_ == encoder.profile_


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        (["words"], "strings must be a mapping"),
        ({"chars": 1}, "each part of strings must be one of exact, words, ngrams, encoder, not 'chars'"),
        ({"words": -1}, "strings\\['words'\\] must be a number of at least 0, not -1"),
        ({"words": float("nan")}, "must be a number of at least 0, not nan"),
        ({"words": float("inf")}, "must be a number of at least 0, not inf"),
        ({"words": True}, "must be a number of at least 0, not True"),
        ({"words": "0.5"}, "must be a number of at least 0, not '0.5'"),
        ({"words": 0, "exact": 0}, "the weights in strings are all zero"),
        ({"encoder": 1}, 'strings weighs "encoder", and there is none'),
    ],
)
def test_bad_weights_are_told(strings, message):
    with pytest.raises(ParameterError, match=message):
        JSONEncoder(64, strings=strings).check()


def test_parts_left_out_keep_their_weights():
    assert Shares.of(None, False) == (0.5, 0.5, 0, 0)
    assert Shares.of(None, True) == (0.25, 0.25, 0, 0.5)
    assert Shares.of({"ngrams": 1}, False) == (0.25, 0.25, 0.5, 0)
    assert Shares.of({"encoder": 0}, True) == (0.5, 0.5, 0, 0)


def test_words():
    assert words_of("sendMessage_v2: Straße, send") == ["send", "message", "v2", "strasse"]
    assert words_of("?!") == []
