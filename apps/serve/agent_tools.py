"""Tools for language-model agents over the indexes of a server: the Model Context Protocol, by the package ``mcp``.

Four read-only tools: ``describe``, ``search``, ``like`` and ``explain``. Answers are plain text, cut to a size that a
model can read. An invalid call returns a tool error, whose text says what to do. Calls use the same checks, limits and
threads as requests over HTTP.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import orjson
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field, ValidationError

import hdc
from hdc.apps.serve import agent_text, models
from hdc.apps.serve.answers import unprocessable
from hdc.apps.serve.bodies import invalid
from hdc.apps.serve.indexes import Opened, Served
from hdc.apps.serve.kinds.documents import Documents
from hdc.apps.serve.routes.search import check, documents
from hdc.errors import HDCError

B = TypeVar("B", bound=models.Body)

MOST_HITS = 50
"""Most hits of an answer, within the server's own limit."""

SAMPLE = 200
"""Documents from which the fields of an index are read."""

INSTRUCTIONS = """\
Search indexes of JSON documents, embeddings and codes. Call describe first: it lists the indexes and shows the fields
of one. Search documents with query, a partial document of the fields you know, or with words. Every hit says which
fields made its score. Name rows by id or key in like and explain, and in describe to read a whole document.
"""

DESCRIPTIONS = {
    "describe": "List the indexes; or, with index, describe it: its fields and examples of their values; "
    "or, with id or key, show one whole document. Call this before the first search.",
    "search": "Find the rows that match best. Give exactly one of query, words, text and vector; for indexes of "
    "documents query or words. Each hit has its score, id and key, what made the score, and the document.",
    "like": "Find the rows most like one of the index, which is named by id or key and left out of the hits.",
    "explain": "Say why a document has its score for a query: which of its values met which value of the query. Also "
    "for a document that a search did not return.",
}
"""Descriptions of the tools, for a model."""

Index = Annotated[
    str | None, Field(description="Name of the index, as describe lists it. May be left out if there is only one.")
]
Row = Annotated[int | None, Field(description="Id of the row, from a hit. Give id or key.")]
Key = Annotated[str | None, Field(description="Key of the row, from a hit, if hits have keys. Give id or key.")]
Query = Annotated[
    Any,
    Field(
        description='Partial document with the fields and values to look for, such as {"name": "delete message", '
        '"input": [{"name": "QueueUrl"}]}. Values match approximately: words by spelling, numbers by nearness. The '
        'path "*" means any field: {"*": "queue"}. For indexes of documents.'
    ),
]
Words = Annotated[str | None, Field(description="Words to look for in any field. For indexes of documents.")]
Where = Annotated[
    str | list[str] | None,
    Field(
        description="Conditions that every hit must meet exactly: PATH OPERATOR VALUE with =, !=, <, <=, >, >=, ~ (a "
        'regular expression), PATH exists, or PATH missing. Examples: "age >= 30", ["sex = F", "tags[] = red"]. For '
        "indexes of documents."
    ),
]
Hits = Annotated[
    int,
    Field(description=f"Hits to return, {MOST_HITS} at most.", json_schema_extra={"minimum": 1, "maximum": MOST_HITS}),
]


_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)


def made_tools(served: Served) -> MCPServer:
    """Return the server of tools for indexes, which :meth:`MCPServer.run` runs over standard input and output.

    Parameters
    ----------
    served : Served
        Started and closed by the caller.
    """
    tools = AgentTools(served)
    server = MCPServer("hdc", version=hdc.__version__, instructions=INSTRUCTIONS, log_level="WARNING")
    for tool in (tools.describe, tools.search, tools.like, tools.explain):
        description = DESCRIPTIONS[tool.__name__]
        server.add_tool(_told(tool), description=description, annotations=_READS, structured_output=False)
    return server


def _told(tool: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
    """Turn errors that the package raises on purpose into tool errors with their message."""

    @functools.wraps(tool)
    async def call(*args: Any, **kwargs: Any) -> str:
        try:
            return await tool(*args, **kwargs)
        except ValidationError as error:
            raise ToolError(str(invalid(error))) from error
        except (HDCError, OSError) as error:
            raise ToolError(str(error)) from error

    return call


class AgentTools:
    """The tools, as functions that return text.

    Parameters
    ----------
    served : Served
    """

    def __init__(self, served: Served) -> None:
        self.served = served

    async def describe(self, index: Index = None, id: Row = None, key: Key = None) -> str:
        """Return the indexes, the description of one, or one whole document."""
        if index is None and id is None and key is None and len(list(self.served)) != 1:
            return "\n".join(["Indexes:", *map(_line, self.served)])
        opened = self._opened(index)
        if id is None and key is None:
            described: str = (await self._read(opened, lambda: _described(opened)))[0]
            return described
        named = models.Named(id=id, key=key)
        rows, _ = await self._read(opened, lambda: opened.ways.rows([opened.ways.number_of(named)], True))
        row = rows[0]
        said = agent_text.document(row["document"], agent_text.WHOLE) if "document" in row else "(no document)"
        return f"id {row['id']}{_key_of(row)}\n{said}"

    async def search(
        self,
        index: Index = None,
        query: Query = None,
        words: Words = None,
        text: Annotated[
            str | None, Field(description="A text, for an index of embeddings whose describe says texts: yes.")
        ] = None,
        vector: Annotated[list[float] | None, Field(description="A vector, for an index of embeddings.")] = None,
        where: Where = None,
        k: Hits = 5,
    ) -> str:
        """Return the rows that match best, each with the reasons for its score."""
        opened = self._opened(index)
        asked = {"query": query, "words": words, "text": text, "vector": vector, "where": where}
        body = self._body(models.Search, opened, k, asked)

        def found() -> Any:
            (result,) = opened.ways.search(opened.ways.queries(body), body)
            return result

        return await self._hits(opened, found)

    async def like(self, index: Index = None, id: Row = None, key: Key = None, where: Where = None, k: Hits = 5) -> str:
        """Return the rows most similar to a row of the index."""
        opened = self._opened(index)
        body = self._body(models.Like, opened, k, {"id": id, "key": key, "where": where})
        return await self._hits(opened, lambda: opened.ways.like(opened.ways.number_of(body), body))

    async def explain(
        self, index: Index = None, query: Query = None, words: Words = None, id: Row = None, key: Key = None
    ) -> str:
        """Return which values of a document match which values of a query."""
        opened = self._opened(index)
        ways = documents(self.served, opened.name)
        body = models.Explain(**_given({"query": query, "words": words, "id": id, "key": key}))
        result, _ = await self._read(opened, lambda: ways.explain(body))
        lines = [f"id {result['id']}: score {result['score']:.3f}"]
        lines += [f"Note: {note}" for note in result["notes"]]
        return "\n".join([*lines, *(agent_text.reasons(result["reasons"]) or ["   nothing of the query is in it"])])

    def _opened(self, name: str | None) -> Opened:
        if name is not None:
            return self.served[name]
        every = list(self.served)
        if len(every) != 1:
            raise unprocessable(f"name the index: {', '.join(opened.name for opened in every)}")
        return every[0]

    def _body(self, model: type[B], opened: Opened, k: int, given: dict[str, Any]) -> B:
        """Return the body of a search, checked like that of a request."""
        limits = self.served.limits
        if k > min(MOST_HITS, limits.k):
            raise unprocessable(f"k must be {min(MOST_HITS, limits.k)} at most, not {k}; narrow the search with where")
        explains = {"explain": True} if isinstance(opened.ways, Documents) else {}
        body = model(**_given(given), **explains, k=k)
        if len(orjson.dumps(_given(given), option=orjson.OPT_NON_STR_KEYS)) > limits.body_bytes:
            raise unprocessable(f"the query is longer than {limits.body_bytes:,} bytes")
        if isinstance(body, models.Found):
            check(body, limits)
        return body

    async def _hits(self, opened: Opened, call: Callable[[], Any]) -> str:
        result, _ = await self._read(opened, call)
        return agent_text.hits(result["hits"], result.get("notes", ()), _counted(opened))

    async def _read(self, opened: Opened, call: Callable[[], Any]) -> tuple[Any, int]:
        return await self.served.read(opened.name, lambda _: call())


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a tool that were passed."""
    return {name: value for name, value in values.items() if value is not None}


def _counted(opened: Opened) -> str:
    return f"{len(opened.index):,} {opened.index.ROW}s of {opened.name}"


def _key_of(row: dict[str, Any]) -> str:
    return f", key {agent_text.document(row['key'], agent_text.VALUE)}" if "key" in row else ""


def _line(opened: Opened) -> str:
    return f"  {opened.name}: {len(opened.index):,} {opened.index.ROW}s ({opened.kind})"


def _described(opened: Opened) -> str:
    """Return the description of an index and its search; for documents, the fields of the first ones."""
    info = opened.info()
    if not isinstance(opened.ways, Documents):
        asked = "text or vector" if info.get("texts") else "vector" if opened.kind == "embeddings" else "(not by tools)"
        said = [f"{name}: {_plain(value)}" for name, value in info.items() if name not in ("name", "row", "writable")]
        return "\n".join([f"{_counted(opened)}. Search with: {asked}.", *said])
    ids = opened.index.ids()[:SAMPLE].tolist()
    first = [opened.index.document(number) for number in ids]
    lines = [f"{_counted(opened)}. Search with query (a partial document) or words."]
    if info["key"]:
        lines.append(f"Key of a document: its {info['key']}.")
    lines += [f"Fields of the first {len(first)} documents (how many have it: values):", *agent_text.fields(first)]
    if first:
        lines += [f"Example, id {ids[0]}:", f"  {agent_text.document(first[0])}"]
    return agent_text.cut("\n".join(lines), agent_text.WHOLE)


def _plain(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)
