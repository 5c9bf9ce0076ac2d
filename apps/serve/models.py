"""Bodies of requests: models that validate them, and that ``/openapi.json`` describes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[int, Field(description="Id of a row.", examples=[117])]
Key = Annotated[str, Field(description="Key of a row, if the index has keys.", examples=["SQS/DeleteMessage"])]
Path = Annotated[
    str,
    Field(
        description="Path in a document. A dot separates names; `[]` means every item of an array.",
        examples=["findings[].label"],
    ),
]
Documents = Annotated[bool, Field(description="Return the documents. Pass false for shorter answers.")]


class Body(BaseModel):
    """A JSON body. A name that does not exist is an error, and no value is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


def given(body: "Body", *names: str) -> list[str]:
    """Return which of some names a body gives. A name that is null is not given, but null is a query."""
    named = [name for name in names if name in body.model_fields_set]
    return [name for name in named if name == "query" or getattr(body, name) is not None]


class Condition(Body):
    """A condition on documents. The text `"age >= 30"` means the same as `{"path": "age", "op": ">=", "value": 30}`."""

    path: Path
    op: Annotated[
        Literal["=", "!=", "<", "<=", ">", ">=", "~", "exists", "missing"],
        Field(description="`~` finds a regular expression (RE2) in a text. `exists` and `missing` take no value."),
    ]
    value: Annotated[
        str | int | float | bool | None, Field(description="What to compare the values at the path with.")
    ] = None


Where = Annotated[
    str | Condition | list[str | Condition] | None,
    Field(
        description="Search only documents that meet this condition, or every condition of a list. A condition is a "
        "text, `PATH OPERATOR VALUE`, or an object. For indexes of documents.",
        examples=["age >= 30", {"path": "sex", "op": "=", "value": "F"}],
    ),
]

Missing = Annotated[
    Literal["ignore", "count"],
    Field(
        description="`count` lowers the score of a document for values that the query does not have; `ignore` does "
        "not. For indexes of documents."
    ),
]

Weights = Annotated[
    dict[str, float] | None,
    Field(
        description="Weights of paths, for this request only. The weights of other paths are those of the index.",
        examples=[{"service": 2, "summary": 0.5}],
    ),
]

Vector = Annotated[
    list[float] | str,
    Field(
        description="A vector: its numbers, or the base64 of its numbers as little-endian float32, which is shorter.",
        examples=[[0.1, -0.2]],
    ),
]

BitOrder = Annotated[
    Literal["little", "big"] | None,
    Field(
        description="Which bit of a byte comes first. `numpy.packbits` writes `big`. You can leave it out if the index "
        "was made with a bit order."
    ),
]


class Options(Body):
    """How to search an index of embeddings or codes. An option that the index does not have is an error."""

    probes: Annotated[int | None, Field(ge=1, description="IVF lists to search. For indexes of kind `ivf`.")] = None
    effort: Annotated[
        int | None, Field(ge=1, description="Candidates that the graph search keeps. For indexes of kind `hnsw`.")
    ] = None
    candidates: Annotated[
        int | None, Field(ge=1, description="Rows whose score is computed exactly, after their codes were compared.")
    ] = None
    prefix: Annotated[
        int | None,
        Field(ge=1, description="Bits at the start of each code to compare first. For models with prefixes."),
    ] = None


class Found(Body):
    """What every search takes: how many hits, among which rows, and what to return of them."""

    k: Annotated[int, Field(ge=1, description="Hits to return. The server sets the most: 1000 by default.")] = 10
    where: Where = None
    among: Annotated[list[int] | None, Field(description="Search only the rows with these ids.")] = None
    missing: Missing = "ignore"
    weights: Weights = None
    explain: Annotated[bool, Field(description="Return the `reasons` of each score. For indexes of documents.")] = False
    documents: Documents = True
    options: Annotated[Options | None, Field(description="For indexes of embeddings and of codes.")] = None
    bitorder: BitOrder = None
    timeout_ms: Annotated[
        float | None,
        Field(ge=1, description="Give up after this many milliseconds, with status 504. The server's limit stays."),
    ] = None


class Search(Found):
    """A search. Send exactly one of `query`, `words`, `text`, `vector` and `code`."""

    query: Annotated[
        Any, Field(description="A partial document, or any other JSON value. For indexes of documents.")
    ] = None
    words: Annotated[str | None, Field(description="Words to look for in every field. For indexes of documents.")] = (
        None
    )
    text: Annotated[
        str | None, Field(description="A text that the server turns into a vector. Needs `hdc serve --encoder`.")
    ] = None
    vector: Vector | None = None
    code: Annotated[str | None, Field(description="Base64 of a packed code. For indexes of codes.")] = None


class Batch(Found):
    """Several searches on one state of the index. Send exactly one of `queries`, `texts`, `vectors` and `codes`."""

    queries: Annotated[
        list[Any] | None, Field(description="Partial documents, or other JSON values. For indexes of documents.")
    ] = None
    texts: Annotated[
        list[str] | None, Field(description="Texts that the server turns into vectors. Needs `hdc serve --encoder`.")
    ] = None
    vectors: Annotated[list[Vector] | None, Field(description="Vectors. For indexes of embeddings.")] = None
    codes: Annotated[list[str] | None, Field(description="Base64 of packed codes. For indexes of codes.")] = None


class Named(Body):
    """One row. Send its `id` or its `key`."""

    id: Id | None = None
    key: Key | None = None


class Like(Found, Named):
    """A search for the rows nearest to a row of the index. Send its `id` or its `key`."""


class Explain(Named):
    """A document and a query. Send `id` or `key`, and `query` or `words`."""

    query: Annotated[Any, Field(description="A partial document, or any other JSON value.")] = None
    words: Annotated[str | None, Field(description="Words to look for in every field.")] = None
    missing: Missing = "ignore"
    weights: Weights = None


class Filter(Body):
    """Conditions, and the part of the matching rows to return."""

    where: Where = None
    limit: Annotated[
        int, Field(ge=0, description="Rows to return. The server sets the most: 1000 by default. 0 returns the total.")
    ] = 20
    offset: Annotated[int, Field(ge=0, description="Rows to skip before the first one that is returned.")] = 0
    documents: Documents = True


class Decode(Named):
    """A path, and a vector to decode. Send `id` or `key` of a row, or `query`, a document to encode."""

    path: Path
    query: Annotated[Any, Field(description="A document that the server encodes first.")] = None
    k: Annotated[int, Field(ge=1, description="Values to return, most probable first.")] = 1


class Write(Body):
    """Rows to add. Send exactly one of `documents`, `vectors` and `codes`; the server adds all of them or none."""

    documents: Annotated[list[Any] | None, Field(description="Documents, at most 100 by default.")] = None
    vectors: Annotated[list[Vector] | None, Field(description="Vectors, at most 100 by default.")] = None
    codes: Annotated[list[str] | None, Field(description="Base64 of packed codes, at most 100 by default.")] = None
    keys: Annotated[
        list[str] | None, Field(description="A key per vector or code. Documents have their keys in a field.")
    ] = None
    replace: Annotated[
        bool, Field(description="Replace rows that have the same keys. Otherwise a key that exists is an error.")
    ] = False
    bitorder: BitOrder = None


MOST_VALUES = 100
"""Values of a path that one request lists."""

Most = Annotated[int, Field(ge=1, le=MOST_VALUES, description="Values to list per path, most frequent first.")]


class Facets(Body):
    """The paths whose values to count, and the documents to count them in."""

    paths: Annotated[list[str], Field(max_length=50, description="Paths, at most 50.", examples=[["service"]])]
    where: Where = None
    among: Annotated[
        list[int] | None, Field(max_length=100_000, description="Count only the documents with these ids.")
    ] = None
    most: Most = 10


class Compare(Body):
    """The two documents to compare."""

    a: Annotated[int | str, Field(description="Id of a document, or its key as a text.", examples=[117])]
    b: Annotated[int | str, Field(description="Id or key of the other document.", examples=[118])]


Method = Literal["pca", "umap"]


class MakeMap(Body):
    """Which map to make."""

    method: Annotated[
        Method, Field(description="`pca` is quick. `umap` shows clusters better; it needs the extra `umap`.")
    ] = "pca"


class Region(Body):
    """A region of a map."""

    method: Annotated[Method, Field(description="Which map.")] = "pca"
    polygon: Annotated[
        list[list[float]],
        Field(description="Corners `[x, y]` in the coordinates of the map, 3 to 512. The last joins the first."),
    ]
    ids: Annotated[bool, Field(description="Return the ids in the region, at most 100,000.")] = True


MOST_TRIALS = 2048
"""Most trials of a point."""


class MakeExperiment(Body):
    """An experiment."""

    setting: Annotated[
        dict[str, str | int | float | bool],
        Field(
            description="What `GET /api/capacity/bounds` takes, except `axis`: `task`, `model`, `items`, `universe`, "
            "`error`, and the options of the task. What you leave out has the same default as there.",
            examples=[{"task": "membership", "model": "MAP-B", "items": 20, "universe": 1000, "error": 0.01}],
        ),
    ]
    trials: Annotated[int, Field(ge=1, le=MOST_TRIALS, description="Trials per dimension.")] = 256
