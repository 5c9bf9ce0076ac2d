"""Models of request bodies and responses: they validate requests, and ``/openapi.json`` shows them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[int, Field(description="Number of a row.", examples=[117])]
Key = Annotated[str, Field(description="Key of a row, where the index has keys.", examples=["SQS/DeleteMessage"])]
Path = Annotated[str, Field(description="Path in a document.", examples=["findings[].label"])]


class Body(BaseModel):
    """A JSON body. Unknown names are an error, and no value is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Condition(Body):
    """A condition on documents; the same as text: ``"age >= 30"``."""

    path: Path
    op: Literal["=", "!=", "<", "<=", ">", ">=", "~", "exists", "missing"]
    value: str | int | float | bool | None = None


Where = Annotated[
    str | Condition | list[str | Condition] | None,
    Field(
        description="Conditions that all must hold: as text, PATH OPERATOR VALUE, or as objects.",
        examples=["age >= 30", {"path": "sex", "op": "=", "value": "F"}],
    ),
]

Vector = Annotated[
    list[float] | str,
    Field(description="Numbers, or base64 of little-endian float32.", examples=[[0.1, -0.2]]),
]

BitOrder = Annotated[
    Literal["little", "big"] | None,
    Field(description="Which bit of each byte comes first; numpy.packbits has big. May be left out if the index says."),
]


class Options(Body):
    """Search options of an index of vectors or codes. Options of another kind of index are an error."""

    probes: Annotated[int | None, Field(ge=1, description="ivf: lists that are looked into")] = None
    effort: Annotated[int | None, Field(ge=1, description="hnsw: candidates in hand")] = None
    candidates: Annotated[int | None, Field(ge=1, description="rows that are compared again, exactly")] = None
    prefix: Annotated[int | None, Field(ge=1, description="bits of each code that are read first")] = None


class Found(Body):
    """Parameters of every search: the number of hits, the rows to search, and the details to return."""

    k: Annotated[int, Field(ge=1, description="Hits, at most.")] = 10
    where: Where = None
    among: Annotated[list[int] | None, Field(description="Only rows of these ids.")] = None
    missing: Annotated[
        Literal["ignore", "count"], Field(description="Whether what a document has beyond the query lowers its score.")
    ] = "ignore"
    weights: Annotated[dict[str, float] | None, Field(description="Weights of paths, for this search.")] = None
    explain: Annotated[bool, Field(description="Say which fields made each score.")] = False
    documents: Annotated[bool, Field(description="Return the documents of hits.")] = True
    options: Annotated[Options | None, Field(description="Of indexes of embeddings and codes.")] = None
    bitorder: BitOrder = None
    timeout_ms: Annotated[float | None, Field(ge=1, description="Less time than the server would take.")] = None


class Search(Found):
    """A search: pass one of query, words, text, vector and code."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"query": {"operation": "delete message"}, "k": 3, "explain": True},
                {"words": "delete message", "where": "service = Amazon SQS"},
                {"vector": [0.1, -0.2, 0.3], "options": {"probes": 8}},
            ]
        }
    )
    query: Annotated[Any, Field(description="A partial document, or any JSON value.")] = None
    words: Annotated[str | None, Field(description="Words to be looked for in any field.")] = None
    text: Annotated[str | None, Field(description="A text, for an index of embeddings with an encoder.")] = None
    vector: Vector | None = None
    code: Annotated[str | None, Field(description="Base64 of the bits of a code, packed into bytes.")] = None


class Batch(Found):
    """Several searches on one state of the index: pass one of queries, texts, vectors and codes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"queries": [{"age": 30}, {"age": 40}], "k": 3}]})
    queries: Annotated[list[Any] | None, Field(description="Partial documents, or any JSON values.")] = None
    texts: list[str] | None = None
    vectors: Annotated[list[Vector] | None, Field(description="Vectors, as vector of a search.")] = None
    codes: Annotated[list[str] | None, Field(description="Codes, as code of a search.")] = None


class Named(Body):
    """One row, by its id or its key."""

    id: Id | None = None
    key: Key | None = None


class Like(Found, Named):
    """The rows nearest to a row of the index: pass one of id and key."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": 117, "k": 3}]})


class Explain(Named):
    """Why a document has its score for a query: pass one of query and words, and one of id and key."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": {"operation": "delete message"}, "id": 117}]})
    query: Any = None
    words: str | None = None
    missing: Literal["ignore", "count"] = "ignore"
    weights: dict[str, float] | None = None


class Filter(Body):
    """A page of the rows that meet the conditions, by ascending id."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"where": ["age >= 30", "sex = F"], "limit": 20}]})
    where: Where = None
    limit: Annotated[int, Field(ge=0)] = 20
    offset: Annotated[int, Field(ge=0)] = 0
    documents: bool = True


class Decode(Named):
    """Decode the value at a path from a vector: pass one of id, key, and query (a document to encode)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": 117, "path": "service", "k": 3}]})
    path: Path
    query: Any = None
    k: Annotated[int, Field(ge=1)] = 1


class Write(Body):
    """Rows to add: pass one of documents, vectors and codes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"documents": [{"name": "Ada"}], "replace": False}]})
    documents: list[Any] | None = None
    vectors: list[Vector] | None = None
    codes: list[str] | None = None
    keys: Annotated[list[str] | None, Field(description="Of vectors or codes; documents have their own.")] = None
    replace: Annotated[bool, Field(description="Replace rows of the same keys, which are an error otherwise.")] = False
    bitorder: BitOrder = None


# ---------------------------------------------------------------------- answers


class Problem(BaseModel):
    """An error."""

    type: Annotated[str, Field(examples=["ParameterError"])]
    message: Annotated[str, Field(examples=["condition 'age >' cannot be read; ..."])]


class Failure(BaseModel):
    """The response to a request that is rejected or fails."""

    error: Problem


class Reason(BaseModel):
    """A value of the query, its match in the document, and its share of the score; no match if it matched nothing."""

    path: Path
    query: Any
    match: Any = None
    share: float


class Hit(BaseModel):
    """A row that was found, with its score, or for codes its distance, in the unit that measure names."""

    id: Id
    score: float | None = None
    distance: float | None = None
    measure: Annotated[
        Literal["coverage", "overlap", "cosine", "ip", "l2", "bits"],
        Field(description="bits: differing bits, a distance; with levels, one minus the cosine has measure cosine."),
    ]
    key: Key | None = None
    source: Annotated[str | None, Field(description="Where a document was read.")] = None
    reasons: list[Reason] | None = None
    document: Any = None


class Result(BaseModel):
    """Hits, best first."""

    hits: list[Hit]
    notes: Annotated[list[str], Field(description="How a query was read.")] = []


class Moment(BaseModel):
    """The generation of the index that a response reflects, and the time it took."""

    took_ms: float
    generation: Annotated[int, Field(description="Number of the change up to which the index was seen.")]


class Answer(Result, Moment):
    """The result of a search."""

    exact: Annotated[bool, Field(description="Whether every row was compared.")]
    options: Annotated[dict[str, Any], Field(description="Options that the search was done with.")] = {}


class BatchAnswer(Moment):
    """The results of a batch, one per query."""

    results: list[Result]
    exact: bool
    options: dict[str, Any] = {}


class Explanation(Moment):
    """A document's score and its reasons, largest share first."""

    id: Id
    score: float
    reasons: list[Reason]


class Row(BaseModel):
    """A row."""

    id: Id
    key: Key | None = None
    source: str | None = None
    document: Any = None


class Page(Moment):
    """Rows that meet the conditions, and their total number."""

    total: int
    rows: list[Row]


class Value(BaseModel):
    """A possible value at a path, decoded from a vector; see ``hdc json decode``."""

    value: Any
    similarity: float
    confidence: float
    interval: tuple[float, float] | None = None


class Decoded(Moment):
    """Values, most probable first."""

    values: list[Value]


class Info(BaseModel):
    """The description of an index."""

    model_config = ConfigDict(extra="allow")
    name: str
    kind: Literal["json", "embeddings", "codes"]
    rows: int
    row: Annotated[str, Field(description="What a row is called.")]
    dim: int
    generation: int
    writable: bool
    failure: Annotated[str | None, Field(description="Why the last look for changes failed.")] = None


class Changed(BaseModel):
    """The result of a change."""

    ids: list[int]
    rows: int
    generation: int


class Refreshed(Moment):
    """Whether there was something new to show."""

    changed: bool
    rows: int


class Health(BaseModel):
    """The state of the server, and the indexes that could not be refreshed."""

    status: Literal["ok", "degraded"]
    version: str
    indexes: dict[str, Literal["ok", "warming", "failing"]]
