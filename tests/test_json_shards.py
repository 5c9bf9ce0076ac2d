"""Shards of JSON documents: whatever is asked, they answer as one index of the same documents."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc import errors
from hdc.apps.cli import main
from hdc.apps.json import JSONEncoder, JSONIndex, ShardedJSONIndex, merge, split
from hdc.apps.json.index import posting_search
from hdc.search import reshaping
from hdc.search.postings.joined import JoinedPostings

WORDS = ("red", "green", "blue", "shoes", "shirt", "alpha", "beta", "gamma", "running", "waterproof")


def documents(n, seed=0):
    rng = np.random.default_rng(seed)

    def words(k):
        return " ".join(rng.choice(WORDS, k))

    return [
        {
            "id": str(i),
            "name": words(3),
            "price": int(rng.integers(0, 40)),
            **({"note": words(2)} if i % 5 == 0 else {}),
            "tags": [{"label": words(1), "x": int(rng.integers(3))} for _ in range(rng.integers(0, 3))],
            "at": [float(rng.integers(5)), float(rng.integers(5))],
        }
        for i in range(n)
    ]


DOCUMENTS = documents(240)
ENCODER = JSONEncoder(256).fit(DOCUMENTS)
QUERIES = (
    {"name": "red shoes"},
    {"name": "gren shoos", "price": 7},  # misspelled: what stands for it depends on how many have it
    {"*": "waterprof alpha"},  # weighed by how few documents have the words
    {"*": 7},
    {"tags": [{"label": "red", "x": 1}]},
    {"tags": "beta"},  # read as what there is
    {"nmae": "alpha", "label": "red"},
    {"note": "red blue", "at": [1, 2]},
    {"price": 12},
    "running",
)


def told(hits):
    return [(hit.id, hit.score, hit.key, hit.source, hit.measure, hit.document) for hit in hits]


def check_same(one, many, queries=QUERIES, ks=(1, 7, 500)):
    """Check that two indexes answer alike, to the last bit."""
    assert len(one) == len(many)
    np.testing.assert_array_equal(one.ids(), many.ids())
    among = one.ids()[::3]
    for query in queries:
        assert one.interpret(query) == many.interpret(query)
        for options in ({}, {"missing": "count"}, {"where": "price > 20"}, {"among": among}, {"weights": {"name": 3}}):
            for k in ks:
                found, expected = many.search(query, k, **options), one.search(query, k, **options)
                assert told(found) == told(expected)
                assert found.notes == expected.notes
        singly = [one.explain(query, hit) for hit in one.search(query, 3)]
        assert one.explain(query, one.search(query, 3)) == singly
        assert many.explain(query, many.search(query, 3)) == singly
    assert [told(hits) for hits in many.search_many(queries, 4)] == [told(hits) for hits in one.search_many(queries, 4)]
    for condition in ("price >= 30", "tags[].label = red", "name ~ ^red", lambda document: "note" in document):
        np.testing.assert_array_equal(one.filter(condition), many.filter(condition))


def check_rows(one, many):
    ids = one.ids()
    assert many.keys(ids) == one.keys(ids)
    assert many.documents(ids) == one.documents(ids)
    assert many.texts(ids) == one.texts(ids)
    assert [many.find(key) for key in one.keys(ids)] == ids.tolist()
    np.testing.assert_allclose(many.vectors(ids), one.vectors(ids), atol=1e-3)  # float16 of other batches rounds so
    for number in ids[:: max(1, len(ids) // 4)].tolist():
        for options in ({}, {"where": "price > 10"}, {"among": ids[::2]}):
            found, expected = many.like(number, 5, **options), one.like(number, 5, **options)
            assert [hit.id for hit in found] == [hit.id for hit in expected]
            np.testing.assert_allclose([h.score for h in found], [h.score for h in expected], atol=1e-5)


def filled(path=None, n=240, **options):
    index = JSONIndex(ENCODER, key="id", **options) if path is None else JSONIndex.create(path, ENCODER, key="id")
    return index.add(DOCUMENTS[:n])


@pytest.mark.parametrize("n", [1, 2, 5])
def test_shards_answer_as_the_index_they_were_cut_of(n, tmp_path, monkeypatch):
    monkeypatch.setattr(reshaping, "BLOCK", 50)
    with filled(tmp_path / "i") as one:
        one.remove(ids=[0, 7, 100, 239])
        one.compact()
        places = split(tmp_path / "i", n, tmp_path / "s")
        assert places == [tmp_path / "s" / f"shard-{at}" for at in range(n)]
        for path in (tmp_path / "s", places, places[::-1]):
            with JSONIndex.open(path) as many:
                assert isinstance(many, ShardedJSONIndex)
                assert repr(many) == f"ShardedJSONIndex({n} shards, 236 documents)"
                check_rows(one, many)
        with JSONIndex.open(tmp_path / "s") as many:
            check_same(one, many)
            many.verify()
            many.save(tmp_path / "copy")
        assert merge(tmp_path / "copy", tmp_path / "m") == len(one)
        with JSONIndex.open(tmp_path / "m", writable=True) as again:
            check_same(one, again, ks=(7,))
            check_rows(one, again)
            again.verify()
            assert again.extend([{"id": "new"}]).__next__().tolist() == [240]  # the id of a removed row stays its own


def test_an_index_that_grows_by_shards_is_one_index(tmp_path):
    one = JSONIndex(ENCODER, key="id")
    many = ShardedJSONIndex.create(tmp_path / "s", ENCODER, key="id", shard_rows=50)
    with JSONIndex.open(tmp_path / "s") as reader:
        for start in range(0, 240, 30):
            for index in (one, many):
                index.add(DOCUMENTS[start : start + 30])
        assert many.offsets == (0, 60, 120, 180)
        changed = [{**DOCUMENTS[i], "name": "changed waterprof"} for i in (3, 70, 61, 239, 3)]
        for index in (one, many):
            ids = np.concatenate(
                list(index.extend([*changed, {"id": "a"}, {"id": "b"}, {"id": "a", "x": 1}], replace=True))
            )
            assert ids.tolist() == [3, 70, 61, 239, 3, 241, 240, 241]
            index.update([5, 200], [{"id": "5", "name": "updated"}, {"id": "200"}])
            assert index.remove(ids=[8, 190], keys=["9", "210"]) == 4
        check_same(one, many)
        check_rows(one, many)
        assert reader.refresh()
        check_same(one, reader, ks=(7,))
        assert not reader.refresh()
        for index in (one, many):
            index.compact()
        check_same(one, many, ks=(7,))
        assert reader.refresh()
        check_same(one, reader, ks=(7,))
    many.close()
    with JSONIndex.open(tmp_path / "s", writable=True) as many:
        check_same(one, many, ks=(7,))
        assert many.add([{"id": "c"}]).find("c") == 242


def asked(index, query, k, missing):
    """Return the hits of a query, or what is said of one that cannot be asked."""
    try:
        return index.search(query, k, missing=missing)
    except errors.ParameterError as error:
        return str(error)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([*WORDS, "red shoes", "grean", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=6,
)
some = st.lists(st.dictionaries(st.sampled_from("abcd"), plain, max_size=4), max_size=12)


@settings(max_examples=40, deadline=None)
@given(some, st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e", "*"]), plain, min_size=1), st.data())
def test_whatever_the_documents_and_wherever_they_are_cut(given_, query, data):
    encoder = JSONEncoder(64).fit(given_) if given_ and data.draw(st.booleans()) else JSONEncoder(64)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(given_)), max_size=3)))
    one = JSONIndex(encoder).add(given_)
    parts = [given_[a:b] for a, b in zip([0, *cuts], [*cuts, len(given_)], strict=True)]
    many = ShardedJSONIndex([JSONIndex(encoder).add(part) for part in parts], offsets=[0, *cuts])
    k, missing = data.draw(st.integers(1, 14)), data.draw(st.sampled_from(["ignore", "count"]))
    expected, found = (asked(index, query, k, missing) for index in (one, many))
    if isinstance(expected, str):
        assert found == expected
        return
    assert told(found) == told(expected)
    assert found.notes == expected.notes
    assert one.explain(query, expected) == many.explain(query, found)


def test_near_vectors_are_found_by_short_floats_too(monkeypatch):
    monkeypatch.setattr(posting_search, "NEAR", 12)
    for vectors in ("packed", "float16", None):
        one = JSONIndex(ENCODER, key="id", vectors=vectors).add(DOCUMENTS)
        parts = [DOCUMENTS[:80], DOCUMENTS[80:90], DOCUMENTS[90:]]
        many = ShardedJSONIndex(
            [JSONIndex(ENCODER, key="id", vectors=vectors).add(part) for part in parts], offsets=[0, 80, 90]
        )
        check_rows(one, many)


def test_what_is_no_shard_is_told(tmp_path):
    filled(tmp_path / "a", 20).close()
    JSONIndex.create(tmp_path / "b", JSONEncoder(256), key="id").close()
    JSONIndex.create(tmp_path / "c", ENCODER).close()
    JSONIndex.create(tmp_path / "d", ENCODER, key="id", vectors=None).close()
    a, b, c, d = (tmp_path / name for name in "abcd")
    for paths, text in (
        ([], "at least"),
        ([a, a], "twice"),
        ([a, b], "another encoder"),
        ([a, c], "another key path"),
        ([a, d], "other vectors"),
    ):
        with pytest.raises(errors.ParameterError, match=text):
            JSONIndex.open(paths)
    with pytest.raises(errors.FileFormatError):
        JSONIndex.open([a, tmp_path])
    with pytest.raises(errors.ParameterError, match="at least"):
        ShardedJSONIndex([])
    split(a, 3, tmp_path / "s")
    (tmp_path / "s" / "shard-1").rename(tmp_path / "s1")
    with pytest.raises(errors.FileFormatError, match="lacks shard-1"):
        JSONIndex.open(tmp_path / "s")
    with JSONIndex.open(a, writable=True) as held:
        with pytest.raises(BlockingIOError):
            JSONIndex.open([b, a], writable=True)
        held.remove([0])
    with JSONIndex.open(b, writable=True):  # which was let go of
        pass
    for n, text in ((0, "n must"), (20, "n must"), (2, "exists")):
        with pytest.raises(errors.ParameterError, match=text):
            split(a, n, b if n == 2 else tmp_path / "t")
    with pytest.raises(errors.ParameterError, match="key '1' already exists"):
        merge([a, _copy_of(a, tmp_path / "f")], tmp_path / "m")


def test_a_folder_that_lost_its_last_shard_is_told(tmp_path):
    filled(tmp_path / "i").close()
    split(tmp_path / "i", 3, tmp_path / "s")
    with ShardedJSONIndex.create(tmp_path / "grown", ENCODER, shard_rows=50) as many:
        for start in range(0, 150, 50):
            many.add(DOCUMENTS[start : start + 50])
    for name in ("s", "grown"):
        with JSONIndex.open(tmp_path / name) as many:
            assert len(many.shards) == 3
        (tmp_path / name / "shard-2").rename(tmp_path / f"lost of {name}")
        with pytest.raises(errors.FileFormatError, match="lacks shard-2 of 3 shards; restore it from a copy"):
            JSONIndex.open(tmp_path / name)
        with JSONIndex.open([tmp_path / name / "shard-0", tmp_path / name / "shard-1"]) as many:
            many.save(tmp_path / f"copy of {name}")
        with JSONIndex.open(tmp_path / f"copy of {name}", writable=True) as copy:
            assert len(copy.shards) == 2
            assert len(copy) == len(many_rows(tmp_path / name))
            copy.add([{"id": "new", "name": "new"}])


def many_rows(path):
    with JSONIndex.open([path / "shard-0", path / "shard-1"]) as many:
        return many.ids()


def _copy_of(place, path):
    with JSONIndex.open(place) as index:
        index.save(path)
    return path


def test_a_refused_change_changes_no_shard(tmp_path):
    with ShardedJSONIndex.create(tmp_path / "s", ENCODER, key="id", shard_rows=10) as many:
        for start in range(0, 40, 10):
            many.add(DOCUMENTS[start : start + 10])
        before = many.documents(many.ids())
        refused = (
            lambda: many.add([{"id": "new"}, DOCUMENTS[3]]),
            lambda: many.add([{"id": "new"}, {"id": "new"}]),
            lambda: many.put([DOCUMENTS[3], {"no": "key"}]),
            lambda: many.update([3, 30], [{"id": "3"}, {"id": "4"}]),
            lambda: many.update([3, 30, 3], [{"id": "3"}, {"id": "30"}, {"id": "3"}]),
            lambda: many.update([3, 40], [{"id": "3"}, {"id": "40"}]),
            lambda: many.remove(ids=[3], keys=["nobody"]),
            lambda: many.remove(ids=[3, 99]),
        )
        for change in refused:
            with pytest.raises(errors.ParameterError):
                change()
        assert many.documents(many.ids()) == before
    with JSONIndex.open(tmp_path / "s") as many:
        for change in (lambda: many.add([{"id": "x"}]), many.compact, lambda: many.remove(ids=[1])):
            with pytest.raises(errors.UnsupportedError, match="open for reading"):
                change()


def test_a_reader_meets_shards_that_have_begun(tmp_path):
    """Those of a writer; another one whose ids are those of a shard is refused, and nothing is changed."""
    with ShardedJSONIndex.create(tmp_path / "s", ENCODER, key="id", shard_rows=10) as many:
        many.add(DOCUMENTS[:10])
        with JSONIndex.open(tmp_path / "s") as reader, JSONIndex.open(tmp_path / "s") as other:
            many.add(DOCUMENTS[10:15])
            assert reader.refresh()
            assert [len(reader), len(other)] == [15, 10]
            with JSONIndex.open(tmp_path / "s" / "shard-0") as first:
                first.save(tmp_path / "s" / "shard-2")
            with pytest.raises(errors.ConflictError, match="shard-2 is new, and"):
                reader.refresh()
            assert reader.ids().tolist() == list(range(15))
            assert len(reader.search({"name": "red"}, 20, missing="count")) > 0


def test_a_copy_is_there_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    many = ShardedJSONIndex([JSONIndex(ENCODER).add(DOCUMENTS[:9]), JSONIndex(ENCODER).add(DOCUMENTS[9:20])])

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(many.shards[1], "save", full)
    with pytest.raises(OSError, match="No space"):
        many.save(tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_shard_is_named(tmp_path):
    filled(tmp_path / "i").close()
    places = split(tmp_path / "i", 3, tmp_path / "s")
    column = next(path for path in places[1].rglob("row.texts"))
    content = bytearray(column.read_bytes())
    content[100] ^= 8
    column.write_bytes(content)
    with JSONIndex.open(tmp_path / "s") as many, pytest.raises(errors.FileFormatError, match="shard 1: "):
        many.verify()


def test_shards_that_grow_are_prepared_where_they_grew(monkeypatch):
    many = ShardedJSONIndex.create(None, ENCODER, key="id", shard_rows=50)
    for start in range(0, 200, 50):
        many.add(DOCUMENTS[start : start + 50])
    many.search({"name": "red"})
    taken = [shard._posting_rows() for shard in many.shards]
    many.add(DOCUMENTS[200:210])
    many.search({"name": "red"})
    assert [shard._posting_rows() for shard in many.shards[:4]] == taken
    monkeypatch.setattr("hdc.search.postings.joined.MOST", 200)
    many.add(DOCUMENTS[210:])
    with pytest.raises(errors.ParameterError, match="cannot be searched as one"):
        many.search({"name": "red"})
    assert isinstance(many._engine.searcher, JoinedPostings)


def test_the_command_searches_shards_as_one_index(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    filled(tmp_path / "i").close()

    def run(*words):
        assert main(["json", *map(str, words)]) == 0
        return capsys.readouterr().out

    query = '{"name": "red shoes"}'
    expected = [run("search", "i", query, "--json"), run("search", "i", "--like", 3, "--json")]
    assert run("split", "i", 3, "-o", "s").startswith("240 documents in 3 shards in s (")
    shards = ["s/shard-0", "s/shard-1", "s/shard-2"]
    for places in (["s"], shards):
        assert [run("search", *places, query, "--json"), run("search", *places, "--like", 3, "--json")] == expected
    assert run("search", *shards, "red", "-k", 2) == run("search", "i", "red", "-k", 2)
    for at, words in enumerate((["s"], shards)):
        assert run("merge", *words, "-o", f"m{at}").startswith(f"240 documents in m{at} (")
        assert run("search", f"m{at}", query, "--json") == expected[0]
    (tmp_path / "new.jsonl").write_text('{"id": "new"}\n')
    assert "1 document added, id 240; 241 documents in s" in run("add", "s", "new.jsonl")
    assert run("remove", "s", 3, "--key", "new").startswith("2 documents removed; 239 documents in s")
    assert run("compact", "s").startswith("239 documents in s")
    assert run("verify", "s") == "OK: all checksums match (239 documents)\n"
    assert "documents" in run("info", "s")
    assert run("export", "s", "-o", "-").count("\n") == 239
