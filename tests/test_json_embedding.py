import json
import pickle
import threading
import zlib

import numpy as np
import pytest

import hdc
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.json.values import embedding
from hdc.apps.json.values.embedding import Embeddings
from hdc.errors import ParameterError
from hdc.search.postings import searcher
from tests.comparing import Comparison

MEANINGS = {"seizure": 0, "fit": 0, "convulsion": 0, "fever": 1, "pyrexia": 1, "rash": 2}


def meaning(texts):
    """Embed strings by the meaning of their last word, and by their own name a little."""
    rows = np.zeros((len(texts), 16))
    for row, text in zip(rows, texts, strict=True):
        row[MEANINGS.get(text.split()[-1].lower(), 3) if text.split() else 3] = 2.0
        row[4 + zlib.crc32(text.encode()) % 12] += 0.5
    return rows


class Recorded:
    def __init__(self, function=meaning):
        self.function, self.calls = function, []

    def __call__(self, texts):
        assert type(texts) is list
        self.calls.append(texts)
        return self.function(texts)


def documents():
    return [{"finding": text, "n": i} for i, text in enumerate(["seizure", "fit", "fever", "pyrexia", "rash", "fit"])]


def test_a_string_is_embedded_once_in_batches(monkeypatch):
    monkeypatch.setattr(embedding, "BATCH", 3)
    recorded = Recorded()
    embeddings = Embeddings(recorded)
    rows = embeddings(["a", "b", "a", "c", "d"])
    assert recorded.calls == [["a", "b", "c"], ["d"]]
    assert rows.dtype == np.float32
    assert rows.shape == (5, 16)
    assert (rows[0] == rows[2]).all()
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1)
    embeddings(["e", "a"])
    assert recorded.calls[2:] == [["e"]]


def test_what_is_held_is_bounded(monkeypatch):
    monkeypatch.setattr(embedding, "CACHE", 2)
    monkeypatch.setattr(embedding, "MAX_CACHED", 5)
    recorded = Recorded()
    embeddings = Embeddings(recorded)
    for texts in (["a", "b", "c"], ["c", "b"], ["a"], ["too long"], ["too long"]):
        assert embeddings(texts) == pytest.approx(Embeddings(meaning)(texts))
    assert recorded.calls == [["a", "b", "c"], ["a"], ["too long"], ["too long"]]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda texts: np.zeros(len(texts)), r"must turn 2 strings into a \(2, e\) array of floats.*shape \(2,\)"),
        (lambda texts: np.zeros((1, 3)), r"returned shape \(1, 3\) of float64"),
        (lambda texts: np.zeros((2, 0)), r"returned shape \(2, 0\)"),
        (lambda texts: [["a"], ["b"]], r"returned shape \(2, 1\) of <U1"),
        (lambda texts: None, r"returned shape \(\) of object"),
        (lambda texts: np.array([[0, 1], [np.nan, 1]]), "returned NaN or infinity for 'b'"),
        (lambda texts: np.array([[np.inf, 1], [0, 1]]), "returned NaN or infinity for 'a'"),
    ],
)
def test_a_bad_encoder_is_told(function, message):
    with pytest.raises(ParameterError, match=message):
        Embeddings(function)(["a", "b"])


def test_the_width_must_not_change():
    embeddings = Embeddings(lambda texts: np.ones((len(texts), len(texts[0]))))
    embeddings(["ab"])
    with pytest.raises(ParameterError, match="returned 3 columns, and 2 before"):
        embeddings(["abc"])


def test_an_embedding_of_zeros_or_of_huge_numbers_stays_finite():
    rows = Embeddings(lambda texts: np.array([[0.0, 0.0], [1e308, 1e308], [5e-324, 0]]))(["a", "b", "c"])
    assert rows == pytest.approx(np.array([[0, 0], [0.5**0.5, 0.5**0.5], [1, 0]]))


def test_the_projection_keeps_cosines():
    texts = ["seizure", "a fit", "fever", "high fever", "rash"]
    rows = np.float64(Embeddings(meaning)(texts))
    dots = [
        (projected := Embeddings(meaning).vectors(hdc.create("MBAT", 256, seed=seed), texts)) @ projected.T
        for seed in range(40)
    ]
    # A dot product of unit vectors has a standard deviation of at most sqrt(2 / dim); six of the mean's.
    assert np.mean(dots, axis=0) == pytest.approx(rows @ rows.T, abs=6 * (2 / 256 / 40) ** 0.5)


def test_documents_of_like_meaning_are_similar():
    plain, meant = (
        JSONEncoder(4096, string_encoder=function).fit_transform(documents()) for function in (None, meaning)
    )
    assert plain[0] @ plain[1] < 0.25
    assert meant[0] @ meant[1] > 0.3
    assert meant[0] @ meant[1] > 2 * (meant[0] @ meant[4])


def test_only_text_is_embedded():
    recorded = Recorded()
    items = [{"id": f"X:{i}", "finding": text, "n": i, "at": "2018-01-01"} for i, text in enumerate(MEANINGS)] * 2
    items += [{"id": f"X:{i}"} for i in range(10, 20)]
    JSONEncoder(64, string_encoder=recorded, convert=("dates",)).fit_transform(items)
    assert sorted(text for call in recorded.calls for text in call) == sorted(MEANINGS)


def test_search_by_meaning_embeds_in_batches():
    recorded = Recorded()
    encoder = JSONEncoder(1024, string_encoder=recorded).fit(documents())
    index = JSONIndex(encoder).add(documents())
    recorded.calls.clear()
    hits = index.search({"finding": "convulsion"}, k=3)
    assert {hit.document["finding"] for hit in hits} == {"seizure", "fit"}
    assert recorded.calls == [["convulsion"]]
    assert hits[0].score == pytest.approx(
        sum(reason.share for reason in index.explain({"finding": "convulsion"}, hits[0]))
    )
    fresh = JSONIndex(JSONEncoder(1024, string_encoder=recorded).fit(documents())).add(documents())
    recorded.calls.clear()
    fresh.explain({"finding": "convulsion"}, hits)
    assert len(recorded.calls) == 1  # the query's string and those of all hits, together


def test_every_document_is_compared_by_meaning_and_only_the_query_is_embedded(tmp_path, monkeypatch):
    monkeypatch.setattr(searcher, "LARGEST", 64)
    monkeypatch.setattr(searcher, "LEAST_KEPT", 1)
    rng, recorded = np.random.default_rng(0), Recorded()
    words = [*MEANINGS, "cough", "pain"]
    several = [
        {
            "finding": f"{words[i % 7]} {words[rng.integers(8)]}",
            "notes": [{"text": words[j]} for j in rng.integers(8, size=i % 3)],
        }
        for i in range(300)
    ]
    queries = [
        {"finding": "a convulsion"},
        {"notes": [{"text": "pyrexia"}], "finding": "rash fit"},
        {"notes": [{"text": "ache"}]},
    ]
    encoder = JSONEncoder(64, string_encoder=recorded).fit(several)
    with JSONIndex.create(tmp_path / "index", encoder, vectors=None) as index:
        for start in range(0, 300, 50):
            index.add(several[start : start + 50])
        index.remove([7, 8])
        index.update([9], several[10:11])
    with JSONIndex.open(tmp_path / "index", writable=True, string_encoder=recorded) as index:
        assert len(index._posting_rows().segments) > 2
        for compacted in (False, True):
            recorded.calls.clear()
            asked = [(query, missing) for query in queries for missing in ("ignore", "count")]
            found = [[hit.score for hit in index.search(query, 20, missing=missing)] for query, missing in asked]
            assert {text for call in recorded.calls for text in call} <= {"a convulsion", "pyrexia", "rash fit", "ache"}
            documents = index.documents(index.ids())
            for scores, (query, missing) in zip(found, asked, strict=True):
                compared = Comparison(query, encoder, missing)
                assert scores == pytest.approx(sorted(map(compared.score, documents))[:-21:-1], abs=1e-6)
            assert len({score for scores in found for score in scores}) > 20
            if not compacted:
                index.compact()

    def three(texts):
        return np.ones((len(texts), 3))

    other = JSONIndex.open(tmp_path / "index", string_encoder=three)
    with other, pytest.raises(ParameterError, match="returned 3 columns, and 16 when the index was made"):
        other.search(queries[0])
    with JSONIndex.open(tmp_path / "index", writable=True, string_encoder=three) as index:
        for change in (lambda: index.add([{"finding": "a new one"}]), lambda: index.update([3], [{"finding": "new"}])):
            with pytest.raises(ParameterError, match="returned 3 columns, and 16 when the index was made"):
                change()
        assert len(index) == 298


def test_a_string_encoder_is_not_saved_and_must_be_given_again(tmp_path):
    encoder = JSONEncoder(64, string_encoder=meaning, strings={"encoder": 2}).fit(documents())
    state = json.loads(json.dumps(encoder.to_json()))
    again = JSONEncoder.from_json(state, string_encoder=meaning)
    assert (again.transform(documents()) == encoder.transform(documents())).all()
    with pytest.raises(ParameterError, match="made with a string encoder, which is not saved; pass string_encoder="):
        JSONEncoder.from_json(state)
    with pytest.raises(ParameterError, match="made without a string encoder; leave string_encoder out"):
        JSONEncoder.from_json(JSONEncoder().to_json(), string_encoder=meaning)
    JSONIndex(encoder).add(documents()).save(tmp_path / "index")
    with pytest.raises(ParameterError, match="pass string_encoder="):
        JSONIndex.open(tmp_path / "index")
    with JSONIndex.open(tmp_path / "index", string_encoder=meaning) as again:
        assert again.search({"finding": "convulsion"}, k=1)[0].document["finding"] in ("seizure", "fit")


def test_an_encoder_can_be_pickled_without_what_it_holds():
    encoder = JSONEncoder(64, string_encoder=Recorded()).fit(documents())
    encoder.transform(documents())
    again = pickle.loads(pickle.dumps(JSONEncoder(64, string_encoder=meaning).fit(documents())))
    assert (again.transform(documents()) == encoder.transform(documents())).all()
    again = pickle.loads(pickle.dumps(again))
    assert again.values.shared(("finding",), "fit", "seizure") > 0


def test_it_must_be_callable():
    with pytest.raises(ParameterError, match="string_encoder must be callable, not 'minilm'"):
        JSONEncoder(64, string_encoder="minilm").check()


def test_threads_embed_while_others_drop_what_was_held(monkeypatch):
    monkeypatch.setattr(embedding, "CACHE", 5)
    held, failures = Embeddings(lambda texts: np.array([[len(text), 1.0] for text in texts])), []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(200):
            texts = ["x" * int(n) for n in rng.integers(1, 30, 6)]
            rows = held(texts)
            if not np.allclose(rows[:, 0] / rows[:, 1], [len(text) for text in texts]):
                failures.append(texts)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
