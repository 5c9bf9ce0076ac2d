"""Answers that the page shows, fields, maps, trade-offs and capacity, as ``/openapi.json`` describes them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from hdc.apps.serve.models import Id, Key, Method, Path
from hdc.apps.serve.results import Generation

State = Annotated[Literal["working", "ready", "canceled", "failed"], Field(description="State of the job.")]
Error = Annotated[str, Field(description="Why the job failed; empty if it did not.")]
BoundKind = Annotated[str, Field(description="Kind of bound: rigorous, gaussian or paper.")]
Part = Annotated[float, Field(ge=0, le=1, description="Share of the job that is done.")]


class Reflecting(BaseModel):
    """An answer of one state of the index."""

    generation: Generation


# ---------------------------------------------------------------------- fields


class Counted(BaseModel):
    """A value, and how many documents have it."""

    value: Annotated[Any, Field(description="The value.")]
    documents: Annotated[int, Field(description="Documents that have it.")]


class Histogram(BaseModel):
    """The distribution of numbers: `counts[i]` documents have one from `edges[i]` to `edges[i + 1]`."""

    kind: Annotated[Literal["number", "date", "duration"], Field(description="Dates and durations are in seconds.")]
    edges: Annotated[list[float], Field(description="Edges of the bins, ascending; one more than `counts`.")]
    counts: Annotated[list[int], Field(description="Documents per bin.")]
    least: Annotated[float, Field(description="Least number.")]
    median: Annotated[float, Field(description="Median of the numbers.")]
    greatest: Annotated[float, Field(description="Greatest number.")]


class Facet(BaseModel):
    """What documents have at a path."""

    path: Path
    documents: Annotated[int, Field(description="Documents that have a value at the path.")]
    kinds: Annotated[dict[str, int], Field(description="Documents by kind of value, such as text or number.")]
    values: Annotated[list[Counted], Field(description="The most frequent values.")]
    distinct: Annotated[int, Field(description="Number of distinct values that were counted.")]
    histogram: Annotated[Histogram | None, Field(description="Distribution of the numbers, if there are any.")] = None


class Described(Facet):
    """A path of an index of documents."""

    weight: Annotated[
        float | None, Field(description="Weight of a typical value in a search. Rare values weigh more.")
    ] = None


class Fields(Reflecting):
    """The paths of an index, in the order in which documents have them."""

    fields: Annotated[list[Described], Field(description="The first 400 paths.")]
    paths: Annotated[int, Field(description="Number of all paths.")]
    documents: Annotated[int, Field(description="Number of documents.")]


class FacetCounts(Reflecting):
    """Counts of values, a facet per path of the request."""

    documents: Annotated[int, Field(description="Documents that were counted.")]
    facets: list[Facet]


class Suggestion(Counted):
    """A value at a path, and how many documents have it."""

    path: Path


class Suggestions(Reflecting):
    """Values, most frequent first."""

    values: list[Suggestion]


class Accuracy(BaseModel):
    """How well the values of a path can be decoded."""

    accuracy: Annotated[float, Field(description="Predicted share of values that are decoded correctly.")]
    needed: Annotated[int | None, Field(description="Dimension at which the target is reached.")] = None


class Decodable(BaseModel):
    """How well values can be decoded, once the prediction is `done`. Only `done` is there before."""

    done: Annotated[bool, Field(description="Whether the prediction is finished. If not, ask again.")]
    dim: Annotated[int | None, Field(description="Dimension of the index.")] = None
    target: Annotated[float | None, Field(description="The accuracy that `needed` refers to.")] = None
    accuracy: Annotated[float | None, Field(description="Predicted accuracy over all paths.")] = None
    paths: Annotated[dict[str, Accuracy] | None, Field(description="Predictions by path.")] = None
    generation: Generation | None = None


class Side(BaseModel):
    """One of two documents."""

    id: Id
    key: Key | None = None
    document: Annotated[Any, Field(description="The document.")]


class Beside(BaseModel):
    """A field of two documents."""

    path: Path
    a: Annotated[Any, Field(description="The value of the first document. Left out if there is none.")] = None
    b: Annotated[Any, Field(description="The value of the second document. Left out if there is none.")] = None
    share: Annotated[float, Field(description="What the field adds to the cosine. The shares sum to the cosine.")]


class Comparison(Reflecting):
    """Two documents, field by field."""

    a: Side
    b: Side
    cosine: Annotated[float, Field(description="Cosine of the vectors of the documents.")]
    fields: list[Beside]


# ---------------------------------------------------------------------- maps


class Working(BaseModel):
    """A map that is being made."""

    method: Annotated[Method, Field(description="The map that is being made.")]
    stage: Annotated[str, Field(description="What the server is doing, for people.")]
    part: Annotated[float | None, Field(description="Share of the stage that is done; null if unknown.")]


class MapState(Reflecting):
    """Whether there is a map, and the one that is being made."""

    method: Annotated[Method, Field(description="The map that `state` is about.")]
    methods: Annotated[list[Method], Field(description="Maps that this server can make.")]
    made: Annotated[list[Method], Field(description="Maps of the current state of the index.")]
    rows: Annotated[int, Field(description="Rows of the index.")]
    state: Annotated[Literal["none", "ready"], Field(description="Whether the map is there.")]
    working: Working | None
    error: Annotated[str, Field(description="Why the last attempt to make this map failed; empty if it did not.")]
    points: Annotated[int | None, Field(description="Points of the map.")] = None
    source: Annotated[str | None, Field(description="What the points are made from, for people.")] = None
    shares: Annotated[list[float] | None, Field(description="Share of the variance along each axis.")] = None
    kept: Annotated[bool | None, Field(description="Whether the map is stored beside the index.")] = None


class Colorable(BaseModel):
    """A field that points can be colored by."""

    path: Path
    kind: Annotated[Literal["categories", "numbers"], Field(description="Colors, or a scale.")]
    distinct: Annotated[int, Field(description="Distinct values in a sample of 400 rows.")]
    share: Annotated[float, Field(description="Share of the sample that has a value.")]


class Category(BaseModel):
    """A category of a color."""

    label: Annotated[str, Field(description="The value as a text, cut to 80 characters.")]
    value: Annotated[Any, Field(description="The value.")]
    count: Annotated[int, Field(description="Points of the category.")]


class MapColors(Reflecting):
    """The colors of all points."""

    field: Path
    kind: Annotated[Literal["categories", "numbers"], Field(description="Colors, or a scale.")]
    labels: Annotated[list[Category], Field(description="Categories, most frequent first.")]
    others: Annotated[int, Field(description="Points of rarer categories.")]
    missing: Annotated[int, Field(description="Points without a value.")]
    low: Annotated[float, Field(description="Number at the lower end of the scale.")]
    high: Annotated[float, Field(description="Number at the upper end of the scale.")]
    logarithmic: Annotated[bool, Field(description="Whether the scale is logarithmic.")]
    shades: Annotated[
        str,
        Field(
            description="Base64 of a byte per point, in the order of the points. Categories: the place in `labels`, "
            "and 8 for rarer ones. Numbers: the place on the scale, 0 to 254. 255 means no value."
        ),
    ]


class Common(BaseModel):
    """A value that is more frequent inside a region than outside."""

    path: Path
    value: Annotated[Any, Field(description="The value.")]
    inside: Annotated[float, Field(description="Share of documents inside that have the value.")]
    outside: Annotated[float, Field(description="Share of documents outside that have the value.")]


class RegionRows(Reflecting):
    """The rows of a region."""

    count: Annotated[int, Field(description="Points in the region.")]
    of: Annotated[int, Field(description="Points of the map.")]
    common: Annotated[list[Common], Field(description="What distinguishes the region, from samples of 400 documents.")]
    ids: Annotated[list[int] | None, Field(description="Ids in the region, ascending; at most 100,000.")] = None


class Card(BaseModel):
    """A row in a few lines."""

    id: Id
    key: Key | None
    lines: Annotated[list[list[Any]], Field(description="Pairs of path and value, at most 12.")]
    more: Annotated[int, Field(description="Values that are left out.")]


# ---------------------------------------------------------------------- trade-offs


class TradeoffPoint(BaseModel):
    """Recall and time at one value of the option."""

    value: Annotated[int, Field(description="Value of the option.")]
    recall: Annotated[float, Field(description="Share of the true neighbors that were found.")]
    ms: Annotated[float, Field(description="Median time of a search in milliseconds.")]


class TradeoffState(Reflecting):
    """The measurement of an index."""

    option: Annotated[str, Field(description="The search option that varies: probes, effort or candidates.")]
    against: Annotated[str, Field(description="What the true neighbors are, for people.")]
    k: Annotated[int, Field(description="Neighbors per query.")]
    queries: Annotated[int, Field(description="Rows of the index that were searched with.")]
    state: State
    error: Error
    part: Part
    points: Annotated[list[TradeoffPoint], Field(description="In the order of the option.")]


# ---------------------------------------------------------------------- capacity


class Setting(BaseModel):
    """A task on a model, and its numbers."""

    task: Annotated[str, Field(description="Name of the task.")]
    model: Annotated[str, Field(description="Name of the model.")]
    items: Annotated[int, Field(description="Items that are stored together.")]
    universe: Annotated[int, Field(description="Symbols that items are drawn from.")]
    error: Annotated[float, Field(description="Probability of a wrong answer that you accept.")]
    options: Annotated[dict[str, Any], Field(description="Options of the task.")]


class Choices(BaseModel):
    """The tasks, models and bounds that there are."""

    tasks: Annotated[dict[str, list[str]], Field(description="The options of each task.")]
    models: Annotated[list[str], Field(description="Names of models.")]
    kinds: Annotated[list[str], Field(description="Kinds of bounds.")]
    known: Annotated[
        dict[str, dict[str, list[str]]], Field(description="By task and model: the kinds of bounds that are known.")
    ]
    ranges: Annotated[dict[str, list[float]], Field(description="The two ends of each axis of curves.")]
    defaults: Annotated[dict[str, Any], Field(description="Defaults of the options of tasks.")]


class BoundAnswer(BaseModel):
    """The dimension that a bound asks for. It is null, with a `reason`, if no such bound is known."""

    kind: BoundKind
    dimension: Annotated[int | None, Field(description="The least dimension, or null.")]
    statement: Annotated[str | None, Field(description="The theorem.")] = None
    source: Annotated[str | None, Field(description="Where the theorem is from.")] = None
    standing: Annotated[str | None, Field(description="Theorem, derived, or approximation.")] = None
    reason: Annotated[str | None, Field(description="Why there is no dimension.")] = None


class Along(BaseModel):
    """Dimensions along the axis; null where the numbers are incompatible."""

    kind: BoundKind
    y: Annotated[list[int | None], Field(description="A dimension per `x`.")]


class Curves(BaseModel):
    """The dimension that each bound asks for, along an axis."""

    axis: Annotated[Literal["items", "universe", "error"], Field(description="What `x` is.")]
    x: Annotated[list[float], Field(description="Places on the axis.")]
    series: list[Along]


class FailureCurve(BaseModel):
    """The error rate `y` that a bound guarantees at a dimension `x`."""

    kind: BoundKind
    x: Annotated[list[int], Field(description="Dimensions, ascending.")]
    y: Annotated[list[float], Field(description="An error rate per dimension.")]


class Stored(BaseModel):
    """The storage of a model for the same task."""

    model: Annotated[str, Field(description="Name of the model.")]
    kind: Annotated[str, Field(description="The bound that the dimension is from.")]
    dimension: Annotated[int, Field(description="The dimension that the bound asks for.")]
    bits: Annotated[int, Field(description="Bits of one hypervector.")]
    standing: Annotated[str, Field(description="What the bound is: theorem, derived, or approximation.")]


class Bounds(BaseModel):
    """What the page on capacity shows for a setting."""

    setting: Setting
    answers: list[BoundAnswer]
    curves: Curves
    failures: list[FailureCurve]
    storage: Annotated[list[Stored], Field(description="All models, the fewest bits first.")]


class Tried(BaseModel):
    """The trials at a dimension."""

    dim: Annotated[int, Field(description="The dimension.")]
    trials: Annotated[int, Field(description="Trials so far.")]
    failures: Annotated[int, Field(description="Trials that failed.")]
    failure: Annotated[float | None, Field(description="Share of the trials that failed.")] = None
    low: Annotated[float | None, Field(description="Lower end of the 95% interval of `failure`.")] = None
    high: Annotated[float | None, Field(description="Upper end of the 95% interval of `failure`.")] = None


class Experiment(BaseModel):
    """An experiment."""

    number: Annotated[int, Field(description="Number of the experiment, counted from the start of the server.")]
    setting: Setting
    state: State
    late: Annotated[bool, Field(description="Whether the 60 seconds ran out before all trials were done.")]
    error: Error
    trials: Annotated[int, Field(description="Trials per dimension.")]
    part: Part
    seconds: Annotated[float, Field(description="Seconds since the start of the experiment, or that it took.")]
    points: list[Tried]
    curves: Annotated[list[FailureCurve], Field(description="What the bounds guarantee, to compare the points with.")]
