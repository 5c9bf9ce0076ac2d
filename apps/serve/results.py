"""Answers about rows and indexes, as ``/openapi.json`` describes them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hdc.apps.serve.models import Id, Key, Path

Generation = Annotated[int, Field(description="Number of the last change that the answer reflects.", examples=[6])]


class Problem(BaseModel):
    """An error."""

    type: Annotated[str, Field(description="Type of the error, for programs.", examples=["ParameterError"])]
    message: Annotated[
        str,
        Field(
            description="What was given, what was expected and what to do, for people.",
            examples=["k must be at most 1000 on this server, not 5000"],
        ),
    ]


class Failure(BaseModel):
    """The answer to a request that is refused or fails."""

    error: Problem


class Reason(BaseModel):
    """A value of the query, the value of the document that it matched, and their share of the score."""

    path: Path
    query: Annotated[Any, Field(description="The value of the query.")]
    match: Annotated[Any, Field(description="The value of the document. Left out if there is none.")] = None
    share: Annotated[float, Field(description="What the match adds to the score. The shares sum to the score.")]


class Hit(BaseModel):
    """A row that was found. It has a `score`, larger is nearer, or a `distance`, smaller is nearer."""

    id: Id
    score: Annotated[float | None, Field(description="Nearness, in the unit that `measure` names.")] = None
    distance: Annotated[float | None, Field(description="Distance, in the unit that `measure` names.")] = None
    measure: Annotated[
        Literal["coverage", "overlap", "cosine", "ip", "l2", "bits"],
        Field(
            description="`coverage`: the part of the query that the document has. `overlap`: the same, lowered by what "
            "the document has beyond the query. `cosine`, `ip` (inner product), `l2`: of vectors. `bits`: differing "
            "bits. A distance with measure `cosine` is one minus the cosine."
        ),
    ]
    key: Key | None = None
    source: Annotated[str | None, Field(description="File and line that the document was read from.")] = None
    reasons: Annotated[list[Reason] | None, Field(description="With `explain`: the largest share first.")] = None
    document: Annotated[Any, Field(description="The document. Left out with `documents: false`.")] = None


class Result(BaseModel):
    """Hits, best first."""

    hits: list[Hit]
    notes: Annotated[
        list[str], Field(description="How the query was read, for example a word that occurs in no document.")
    ] = []


class Moment(BaseModel):
    """The state of the index that an answer reflects, and the time it took."""

    took_ms: Annotated[float, Field(description="Milliseconds in the server.", examples=[1.25])]
    generation: Generation


class Answer(Result, Moment):
    """The result of a search."""

    exact: Annotated[
        bool,
        Field(description="Whether every row was compared. False for `like`, and for indexes with lists or graph."),
    ]
    options: Annotated[dict[str, Any], Field(description="The search options that were used.")] = {}


class BatchAnswer(Moment):
    """The results of a batch, in the order of its queries."""

    results: list[Result]
    exact: Annotated[bool, Field(description="Whether every row was compared.")]
    options: Annotated[dict[str, Any], Field(description="The search options that were used.")] = {}


class Explanation(Moment):
    """The score of a document for a query, and why it has it."""

    id: Id
    score: Annotated[float, Field(description="The score that a search gives the document. 0 if nothing matches.")]
    reasons: Annotated[list[Reason], Field(description="The largest share first.")]
    notes: Annotated[list[str], Field(description="How the query was read.")] = []


class Row(BaseModel):
    """A row."""

    id: Id
    key: Key | None = None
    source: Annotated[str | None, Field(description="File and line that the document was read from.")] = None
    document: Annotated[Any, Field(description="The document, in an index of documents.")] = None


class OneRow(Row, Moment):
    """A row of an index."""


class Page(Moment):
    """A part of the rows that meet the conditions, by ascending id."""

    total: Annotated[int, Field(description="Rows that meet the conditions.")]
    rows: list[Row]


class Value(BaseModel):
    """A value that may be at a path."""

    value: Annotated[Any, Field(description="The value.")]
    similarity: Annotated[float, Field(description="Similarity of the decoded vector and the value's vector.")]
    confidence: Annotated[float, Field(description="Estimated probability that the value is right, 0 to 1.")]
    interval: Annotated[
        list[float] | None,
        Field(description="For numbers: the ends of an interval that probably has the number."),
    ] = None


class Decoded(Moment):
    """Decoded values, most probable first."""

    values: list[Value]


class Info(BaseModel):
    """The description of an index. Each kind adds fields of its own, such as `key` or `bits`."""

    model_config = ConfigDict(extra="allow")
    name: Annotated[str, Field(description="Name of the index in addresses.")]
    kind: Annotated[Literal["json", "embeddings", "codes"], Field(description="`json` is an index of documents.")]
    rows: Annotated[int, Field(description="Number of rows.")]
    row: Annotated[str, Field(description="What a row is: document, vector or code.")]
    dim: Annotated[int, Field(description="Dimension of the vectors, or bits of a code.")]
    generation: Generation
    writable: Annotated[bool, Field(description="Whether a client with the token may change the index.")]
    failure: Annotated[
        str | None, Field(description="Why the search at the start, or the last look for changes, failed.")
    ] = None


class Changed(BaseModel):
    """The result of a change. It survives a crash once you have this answer."""

    ids: Annotated[list[int], Field(description="Ids of the rows that were added, replaced or removed, in order.")]
    rows: Annotated[int, Field(description="Number of rows after the change.")]
    generation: Generation


class Refreshed(Moment):
    """Whether there was a change to show."""

    changed: Annotated[bool, Field(description="Whether another process had changed the index.")]
    rows: Annotated[int, Field(description="Number of rows now.")]


class Health(BaseModel):
    """The state of the server and of each index."""

    status: Annotated[Literal["ok", "degraded"], Field(description="`degraded` if an index is `failing`.")]
    version: Annotated[str, Field(description="Version of the package.")]
    indexes: Annotated[
        dict[str, Literal["ok", "warming", "failing"]],
        Field(
            description="`warming`: the first answers may take longer. `failing`: the search at the start, or the last "
            "look for changes, failed; `GET /api/{index}` says why."
        ),
    ]
