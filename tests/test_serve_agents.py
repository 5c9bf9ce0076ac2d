"""``hdc serve --mcp``: tools that an agent calls by the official client, in this process and in another one."""

import asyncio
import re

import numpy as np
import pytest

pytest.importorskip("mcp", reason="mcp is not installed", exc_type=ImportError)
pytest.importorskip("fastapi", reason="fastapi is not installed", exc_type=ImportError)

from mcp import Client

from hdc.apps.cli import main
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, SignBinarizer
from hdc.apps.serve import Limits, Served, agent_text
from hdc.apps.serve.agent_tools import DESCRIPTIONS, made_tools
from tests.agents import ROOT, calls_of, session, transcript

PEOPLE = [
    {"id": f"p{i}", "name": name, "age": 30 + i, "tags": ["a", "b"][: i % 3], "note": "x" * (3000 if i == 4 else 3)}
    for i, name in enumerate(["Ada Lovelace", "Alan Turing", "Grace Hopper", "Edsger Dijkstra", "Barbara Liskov"])
]
VECTORS = np.random.default_rng(0).standard_normal((40, 16)).astype(np.float32)


def asked(indexes, *calls, limits=None, **options):
    """Return (text, whether it is an error) of each call."""

    async def run(served):
        async with Client(made_tools(served)) as client:
            answers = [await client.call_tool(name, given) for name, given in calls]
            return [(answer.content[0].text, bool(answer.is_error)) for answer in answers]

    with Served(indexes, limits, **options) as served:
        return asyncio.run(run(served))


def people():
    return JSONIndex(JSONEncoder(256), key="id").add(PEOPLE)


def embeddings(**options):
    index = EmbeddingIndex.create(None, SignBinarizer(64).fit(VECTORS), **options)
    index.add(VECTORS, [f"v{i}" for i in range(40)])
    return index


def test_the_session_on_the_page_is_what_a_server_in_another_process_says():
    page = (ROOT / "docs" / "guides" / "agents.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\n(.*?)\n```", page, re.S)
    calls = calls_of(shown)
    assert {name for name, _ in calls} == set(DESCRIPTIONS)
    tools, answers = session(["demo"], calls)
    assert transcript(calls, answers).rstrip() == shown
    for tool in tools:
        assert tool.description == DESCRIPTIONS[tool.name]
        assert tool.annotations.read_only_hint
        for name, schema in tool.input_schema["properties"].items():
            assert len(schema["description"]) > 20, (tool.name, name)
    assert [tool.name for tool in tools] == list(DESCRIPTIONS)


def test_documents():
    described, found, by_words, near, why, whole, wrong = asked(
        {"people": people()},
        ("describe", {}),
        ("search", {"query": {"name": "alan", "age": 31}, "where": ["age > 30", "tags[] = a"], "k": 3}),
        ("search", {"words": "hopper"}),
        ("like", {"key": "p1", "k": 2}),
        ("explain", {"key": "p3", "query": {"name": "dijkstra", "town": "Austin"}}),
        ("describe", {"id": 4}),
        ("describe", {"key": "p9"}),
    )
    assert described[0].startswith(
        "5 documents of people. Search with query (a partial document) or words.\nKey of a d"
    )
    assert '\n  name (5): "Ada Lovelace", "Alan Turing", "Grace Hopper"\n' in described[0]
    assert '\n  tags[] (3): "a", "b"\n' in described[0]
    assert "3 hits in 5 documents of people; scores: 1 is all" in found[0]
    assert found[0].index('key "p1", id 1') < found[0].index('key "p4"')
    assert '   name: "alan" met "Alan Turing": ' in found[0]
    assert re.search(r"x… \(3,\d{3} characters\)", found[0])
    assert 'id 2\n   name: "hopper" met "Grace Hopper": 0.950 of the score\n' in by_words[0]
    assert "2 hits in 5 documents" in near[0]
    assert 'key "p1"' not in near[0]
    assert why[0].startswith("id 3: score 0.")
    assert 'name: "dijkstra" met "Edsger Dijkstra"' in why[0]
    assert 'town: "Austin" met nothing' in why[0]
    assert whole[0].startswith('id 4, key "p4"\n{')
    assert whole[0].count("x") == 3000
    assert wrong == ("Error executing tool describe: there is no document with the key 'p9'", True)
    assert not any(error for _, error in (described, found, by_words, near, why, whole))


def test_embeddings_and_codes():
    codes = BinaryIndex(64)
    codes.add(np.arange(5, dtype=np.uint64)[:, None])
    given = {"texts": embeddings(keep="float32"), "vectors": embeddings(), "codes": codes}
    listed, described, by_text, by_vector, near, bits, *wrong = asked(
        given,
        ("describe", {}),
        ("describe", {"index": "texts"}),
        ("search", {"index": "texts", "text": "7", "k": 1}),
        ("search", {"index": "vectors", "vector": VECTORS[3].tolist(), "k": 1}),
        ("like", {"index": "texts", "key": "v5", "k": 2}),
        ("like", {"index": "codes", "id": 2, "k": 1}),
        ("search", {"index": "vectors", "text": "7"}),
        ("search", {"index": "vectors", "vector": [1.0, 2.0]}),
        ("search", {"index": "codes", "words": "x"}),
        ("explain", {"index": "texts", "id": 1, "words": "x"}),
        ("search", {"words": "x"}),
        encoders={"texts": lambda texts: VECTORS[[int(text) for text in texts]]},
    )
    assert listed[0].splitlines()[1:] == [
        "  texts: 40 vectors (embeddings)",
        "  vectors: 40 vectors (embeddings)",
        "  codes: 5 codes (codes)",
    ]
    assert "Search with: text or vector.\n" in described[0]
    assert "\nbinarizer: SignBinarizer\n" in described[0]
    assert by_text[0] == (
        '1 hit in 40 vectors of texts; scores: cosines, 1 is the same.\n\n1. score 1.000, key "v7", id 7'
    )
    assert 'key "v3", id 3' in by_vector[0]
    assert "id 5" not in near[0]
    assert bits[0].endswith("1. distance 1, id 0")
    messages = [text.removeprefix("Error executing tool ") for text, _ in wrong]
    assert all(error for _, error in wrong)
    assert (
        messages[0] == "search: this index has no encoder of texts; send a vector, or start the server with --encoder"
    )
    assert "16" in messages[1]
    assert messages[2].startswith("search: an index of codes is searched with code")
    assert messages[3] == "explain: this is for indexes of documents, and texts is an index of embeddings"
    assert messages[4] == "search: name the index: texts, vectors, codes"


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("search", {}, "searched with query or words, not nothing"),
        ("search", {"query": {"a": 1}, "words": "b"}, "not query and words"),
        ("search", {"words": "x", "k": 51}, "k must be 9 at most, not 51"),
        ("search", {"words": "x", "k": 0}, "k: Input should be greater than or equal to 1, not 0"),
        ("search", {"words": "x", "where": "age >"}, "age >"),
        ("search", {"words": "x" * 3000}, "longer than 2,000 bytes"),
        ("search", {"words": "x", "index": "nobody"}, "there is no index 'nobody'; the indexes are: people"),
        ("like", {}, "send exactly one of id and key"),
        ("like", {"id": 99}, "there is no document 99"),
        ("explain", {"id": 1}, "send exactly one of query and words"),
        ("search", {"words": 3}, "words"),
    ],
)
def test_what_is_wrong_is_a_tool_error_with_our_message(name, given, message):
    ((text, wrong),) = asked({"people": people()}, (name, given), limits=Limits(k=9, body_bytes=2000))
    assert wrong
    assert message in text


def test_answers_have_bounds():
    wide = [{f"field {i}": i for i in range(100)}]
    lines = agent_text.fields(wide)
    assert (len(lines), lines[-1]) == (61, "  and 40 more")
    reason = {"path": "a", "query": 1, "match": 1, "share": 0.1}
    assert agent_text.reasons([reason] * 9)[-1] == "   and 3 more"
    hit = {"id": 1, "score": 0.5, "measure": "coverage", "document": "y" * 10_000}
    assert len(agent_text.hits([hit] * 50, [], "all")) < 20_100
    assert agent_text.hits([], ["a note"], "5 documents") == (
        "No hits: nothing in 5 documents meets the query.\nNote: a note"
    )


def test_options_of_the_page_are_refused(tmp_path, capsys):
    people().save(tmp_path / "people")
    assert main(["serve", str(tmp_path / "people"), "--mcp", "--writable"]) != 0
    assert "--mcp serves tools that only read" in capsys.readouterr().err
