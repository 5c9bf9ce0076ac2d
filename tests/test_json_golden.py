"""Golden values of JSON vectors: what a document becomes may never change within a major version.

A saved index holds vectors and the profile that they were made with, and the next version reads both. Each vector is
pinned by two sums of its components with fixed weights, to rounding: other weights, cells, operators or shifts give
others. ``python -m tests.test_json_golden`` writes the file anew, which breaks every saved index.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from hdc.apps.json import JSONEncoder
from hdc.apps.json.values import sketches
from hdc.apps.json.values import values as values_module
from hdc.apps.json.values.sketches import Counts, Sample, Samples
from hdc.apps.json.values.strings import ngrams_of
from hdc.apps.json.values.values import ValueOptions, Values

GOLDEN = Path(__file__).parent / "golden" / "json.json"
TOLERANCE = 3e-5
"""Of sums of components: vectors are sums of float32 in an order that the backend chooses."""
ODD = [
    {"name": "sendMessage_v2: Send it", "tags": ["long walks", "sleep"], "at": [3, 1.5, -40], "none": None},
    {"n": 0, "negative": -12, "real": 1e-9, "huge": 2**70, "edge": -(2**63), "whole": 3.0, "big": 1e300, "yes": True},
    {"date": "2018-02-06T15:50:43.5+08:00", "month": "2018-02", "length": "P1Y2M3DT4H", "text": "12.5", "code": "007"},
    {"deep": {"er": {"est": [[1, 2], [3, [4, {"x": "ox box"}]]]}}, "empty": {}, "list": [], "no": False},
    {"long": " ".join(f"w{i}" for i in range(1030)), "word": "a" * 70 + "b" * 70},
    {"grams": " ".join(f"{i:04x}{i * 7919 % 65536:04x}" for i in range(150)), "ß": "STRASSE straße", "": "\u00e9"},
    ["bare", 7, {"k": "v"}],
    "a string alone",
    17,
]
"""One document of each kind of value, and the edges: many words, long words, many n-grams, large integers."""


def crowd():
    """Return 100 documents whose paths have what a profile learns: codes, text, skewed and tied numbers."""
    documents = []
    for i in range(100):
        j = i * 7919 % 1009
        documents.append(
            {
                "id": f"HP:{i:07}",
                "seven": f"c{i % 7}",
                "eight": f"c{i % 8}",
                "nearly": f"x{i % 20}" if i % 20 > 1 else "two words " + "abc"[i % 20],
                "not": f"x{i % 20}" if i % 20 > 2 else "two words " + "abc"[i % 20],
                "shared": f"v1/{i % 30}/{i % 3}",
                "kind": ("dog", "cat", "dog", "bird")[i % 4],
                "age": j % 17,
                "price": round(1.1 ** (j % 90), 2),
                "same": 5,
                "mostly": 0 if i % 3 else i,
                "born": f"19{10 + j % 90}-0{1 + j % 9}-11",
                "stay": f"P{1 + j % 40}D",
                "amount": f"{j}.5",
                "likes": [("walks", "long walks", "sleep")[(i + k) % 3] for k in range(i % 4)],
                "at": [j / 10, -i],
                "flag": i % 2 == 0,
            }
        )
    return documents


def encoded(texts):
    """Encode strings without a model: three sums over their characters."""
    return [[1.0, len(text) % 7, sum(map(ord, text)) % 13] for text in texts]


ALL = ("dates", "durations", "numbers")
SETTINGS = {
    "plain": {},
    "hadamard": {"matrix": "hadamard"},
    "haar": {"matrix": "haar"},
    "seed": {"seed": 7},
    "bag": {"arrays": "bag"},
    "sequence": {"arrays": "sequence"},
    "soft": {"arrays": "soft"},
    "both": {"arrays": "both"},
    "rules": {"arrays": {"at": "bag", "tags": "soft", "likes": "both"}, "weights": {"at": 3, "name": 0.5, "n": 0}},
    "half balance": {"balance": 0.5},
    "balance": {"balance": 1.0},
    "smooth": {"numbers": "smooth"},
    "wide": {"numbers": "smooth", "bandwidth": 0.3},
    "convert": {"convert": ALL},
    "convert smooth": {"convert": ALL, "numbers": "smooth"},
    "ngrams": {"strings": {"exact": 1, "words": 1, "ngrams": 2}},
    "words alone": {"strings": {"exact": 0}},
    "encoder": {"string_encoder": encoded},
    "common": {"rarity": False},
}
DIM = 128


def sums(vectors):
    """Return two sums with fixed weights of each vector."""
    places = np.arange(vectors.shape[1])
    return np.round(
        vectors @ np.stack([np.cos(places), np.sin(1.7 * places * places)]).T.astype(np.float64), 7
    ).tolist()


def vectors_of(settings, fitted, dim=DIM):
    encoder = JSONEncoder(dim, backend="numpy", **settings)
    return (encoder.fit(crowd()).transform(crowd()[37:45]) if fitted else encoder.transform(ODD)).astype(np.float64)


def decoded():
    """Return what is read out of vectors, with every number of the answers."""
    found = {}
    for output in ("float", "packed"):
        encoder = JSONEncoder(1024, output=output, backend="numpy").fit(crowd())
        vectors = encoder.transform(crowd()[:3])
        for path in ("kind", "age", "likes[]", "id", "flag"):
            answers = encoder.decode(vectors, path, k=3)
            found[f"{output} {path}"] = [
                [[answer.value, answer.similarity, answer.confidence, *(answer.interval or ())] for answer in one]
                for one in answers
            ]
    return found


def planned():
    """Return the predictions of decoding, path by path."""
    found = {}
    for output in ("float", "packed"):
        result = JSONEncoder(512, output=output).fit(crowd()).capacity(crowd()[:12], target=0.95)
        found[output] = result.to_json()
    return found


def shared():
    """Return how much of one value another shares."""
    texts = ["2018-02-06", "2018-02-07", "send it", "sendIt now", "send", "12", "12.5", "P1D", "P2D", "ox box"]
    values = [*texts, 12, 12.5, 13, -1000, 2**70, True, None]
    found = {}
    for name in ("plain", "convert", "smooth", "ngrams", "encoder"):
        one = Values(JSONEncoder().profile_, ValueOptions(**SETTINGS[name]))
        found[name] = [[round(one.shared(("x",), a, b), 7) for b in values] for a in values]
    return found


def profile():
    """Return what is learned of a crowd, and of summaries that were merged."""
    learned = JSONEncoder(convert=ALL).fit(crowd()).profile_.to_json()
    one, other, counts = Sample(), Sample(), Counts()
    for i in range(5000):
        one.add(i)
        other.add(-i)
        counts.add("all", [i % 10])
    one.merge(other)
    return {"profile": learned, "sample": one.values[::97], "seen": one.seen, "counts": sorted(counts)}


def written():
    """Return all golden values as they are now."""
    vectors = {
        f"{name}, {'fitted' if fitted else 'alone'}": sums(vectors_of(settings, fitted))
        for name, settings in SETTINGS.items()
        for fitted in (False, True)
    }
    vectors["100 components"] = sums(vectors_of({"numbers": "smooth"}, False, 101))
    packed = JSONEncoder(100, output="packed", backend="numpy").transform(ODD)
    parts = {"decoded": decoded(), "planned": planned(), "shared": shared(), "profile": profile()}
    return {"vectors": vectors, "packed": [[f"{word:016x}" for word in row] for row in packed.tolist()], **parts}


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("fitted", [False, True], ids=["alone", "fitted"])
@pytest.mark.parametrize("name", SETTINGS)
def test_vectors(golden, name, fitted):
    found = sums(vectors_of(SETTINGS[name], fitted))
    np.testing.assert_allclose(found, golden["vectors"][f"{name}, {'fitted' if fitted else 'alone'}"], atol=TOLERANCE)


def test_an_odd_number_of_components(golden):
    found = sums(vectors_of({"numbers": "smooth"}, False, 101))
    np.testing.assert_allclose(found, golden["vectors"]["100 components"], atol=TOLERANCE)


def test_sign_bits(golden):
    packed = JSONEncoder(100, output="packed", backend="numpy").transform(ODD)
    assert [[f"{word:016x}" for word in row] for row in packed.tolist()] == golden["packed"]


def assert_close(found, expected):
    """Compare nested lists and dicts, numbers within a part in a thousand."""
    if isinstance(expected, dict):
        assert sorted(found) == sorted(expected)
        for key in expected:
            assert_close(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-6)
    else:
        assert found == expected


@pytest.mark.parametrize("part", ["decoded", "planned", "shared", "profile"])
def test_what_is_made_of_them(golden, part):
    made = {"decoded": decoded, "planned": planned, "shared": shared, "profile": profile}
    assert_close(json.loads(json.dumps(made[part]())), golden[part])


def test_summaries_know_how_much_they_hold(monkeypatch):
    """Beyond the limit the groups of which few numbers were seen are dropped, until half is held."""
    monkeypatch.setattr(sketches, "SAMPLED", 12)
    monkeypatch.setattr(sketches, "SAMPLE", 5)
    one, other = Samples(), Samples()
    for group, count in (("a", 3), ("b", 9)):
        for number in range(count):
            one.add(group, number)
            other.add(group, -number)
    one.merge(other)
    assert {group: (sample.seen, len(sample.values)) for group, sample in one} == {"a": (6, 5), "b": (18, 5)}
    assert one._held == 10
    one.add("c", 1)
    one.add("c", 2)
    assert one._held == 12
    one.add("d", 1)  # one too many: d, c and a, of which the fewest were seen, go until 6 are left or fewer
    assert {group for group, _ in one} == {"b"}
    assert one._held == 5


def test_strings_are_embedded_before_they_are_compared(monkeypatch):
    calls = []

    def encoder(texts):
        calls.append(list(texts))
        return encoded(texts)

    monkeypatch.setattr(values_module, "EMBEDDED", 2)
    one = Values(JSONEncoder().profile_, ValueOptions(string_encoder=encoder))
    one.prepare([{"a": "x"}, ["yy", {"b": "zzz"}], "w", 5, "vv"])
    assert sorted(map(len, calls)) == [1, 2, 2]
    done = len(calls)
    one.shared(("a",), "x", "w")
    one.shared(("a",), "vv", "zzz")
    assert len(calls) == done


def test_an_ngram_names_each_of_its_words_once():
    assert ngrams_of(["aaaa", "b"])["aaa"] == [0]
    assert ngrams_of(["aaaa", "aaab"])["aaa"] == [0, 1]


def test_the_golden_values_are_of_these_settings(golden):
    assert len(golden["vectors"]) == 2 * len(SETTINGS) + 1
    distinct = {json.dumps(rows) for rows in golden["vectors"].values()}
    assert len(distinct) == len(golden["vectors"]) - 1  # rarity counts once something was fitted
    assert math.isfinite(sum(x for rows in golden["vectors"].values() for row in rows for x in row))


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(written(), indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
