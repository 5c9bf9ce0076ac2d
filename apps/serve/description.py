"""What ``/openapi.json`` says beyond what FastAPI finds: bodies, failures, examples, links and tokens.

``examples.json`` has, by operation, requests with their answers, and links to the operations that take a part of an
answer. The tests send these requests and compare the answers.
"""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, cast

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hdc.apps.serve import models, results

JSON = "application/json"

REFERENCES = "#/components/schemas/{model}"

STATUSES = {
    400: "A parameter is wrong, or the body is not JSON. The message says where.",
    401: "The token is missing or wrong.",
    403: "The token is for reading only, or the server was started without `--writable`.",
    404: "There is no such index or row.",
    408: "The body arrived too slowly.",
    409: "Another process changed the index, or a job of this kind is running.",
    413: "The body is too long, or it has too many queries or rows.",
    422: "The body is JSON, but not what this operation takes. The message names the field.",
    429: "Too many requests are waiting. Try again after the seconds in `Retry-After`.",
    504: "The time limit ran out. If a change had begun, it may have been made; read the row before you repeat it.",
}
"""Descriptions of error statuses."""

PARAMETERS = {"index": "Name of an index.", "name": "Key of a row, or its id; see `by`."}
"""Descriptions of the parts of an address."""

TAGS = {
    "service": "The server and its indexes.",
    "search": "Find rows, and see why they were found. All take the same options.",
    "rows": "Read rows.",
    "changes": "Change an index. The server must be started with `--writable`, and you send its token.",
    "fields": "What the documents of an index have. For indexes of documents.",
    "map": "A map of an index in two dimensions: make it once, then read its points, colors and regions.",
    "capacity": "How many dimensions a task needs, by theory and by experiment. Needs no index.",
}

TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "The token of the server, `HDC_TOKEN`, or its token for reading, `HDC_READ_TOKEN`.",
}


def described(model: type[models.Body]) -> dict[str, Any]:
    """Return what OpenAPI says of a request with such a body, and of the failures that a body brings."""
    refused = {str(s): {"description": STATUSES[s], "content": _content("Failure")} for s in (408, 413, 422)}
    return {"requestBody": {"required": True, "content": _content(model.__name__)}, "responses": refused}


def answers(model: Any, *statuses: int, ok: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of answers: a model, and the failures that every request may meet, and more."""
    text = model.__doc__ if isinstance(model, type) and issubclass(model, BaseModel) else "The answer."
    return {ok: {"model": model, "description": (text or "").strip()}, **failures(*statuses)}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of the failures that every request may meet, and of more."""
    always = {400, 401, 404, 429, 504, *statuses}
    return {status: {"model": results.Failure, "description": STATUSES[status]} for status in sorted(always)}


def describe(app: FastAPI, names: Sequence[str], *, open: bool) -> None:
    """Let an application's OpenAPI have what FastAPI does not find.

    Parameters
    ----------
    app : FastAPI
    names : sequence of str
        Names of the indexes.
    open : bool
        Whether reading needs no token.
    """
    made = app.openapi
    examples = json.loads((files("hdc.apps.serve") / "examples.json").read_text(encoding="utf-8"))

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema: dict[str, Any] = made()
            _add_models(schema["components"]["schemas"], names)
            schema["components"]["securitySchemes"] = {"token": TOKEN}
            for path, operations in schema["paths"].items():
                for operation in operations.values():
                    _complete(operation, examples.get(operation["operationId"], {}))
                    if path != "/health":
                        free = open and "changes" not in operation["tags"]
                        operation["security"] = [*([{}] if free else []), {"token": []}]
            return schema  # which FastAPI remembers, and returns the next time
        return cast(dict[str, Any], app.openapi_schema)

    app.openapi = openapi


def _add_models(known: dict[str, Any], names: Sequence[str]) -> None:
    """Add the models of bodies, which FastAPI does not read, and the names of indexes."""
    bodies = [(model, "validation") for model in _all(models.Body)]
    _, definitions = models_json_schema(bodies, ref_template=REFERENCES)
    for name, value in definitions["$defs"].items():
        known.setdefault(name, value)
    known["IndexName"] = {"type": "string", "enum": list(names), "description": PARAMETERS["index"]}
    for unused in ("HTTPValidationError", "ValidationError"):
        known.pop(unused, None)


def _complete(operation: dict[str, Any], details: dict[str, Any]) -> None:
    """Complete an operation: its summary is the first line of its docstring, its description is the rest."""
    first, _, rest = operation["description"].partition("\n\n")
    operation |= {"summary": first.rstrip("."), "description": rest or first}
    examples, answered = details.get("examples", {}), _answered(operation)
    parameters = operation.get("parameters", ())
    for parameter in parameters:
        _complete_parameter(parameter, examples)
    if operation["responses"].get("422", {}).get("content") == _content("HTTPValidationError"):  # FastAPI's own
        del operation["responses"]["422"]
        if any(parameter["in"] == "query" for parameter in parameters):
            operation["responses"]["422"] = {"description": STATUSES[422], "content": _content("Failure")}
    if requests := _shown(examples, "request"):
        operation["requestBody"]["content"][JSON]["examples"] = requests
    if shown := _shown(examples, "answer"):
        answered["content"][JSON]["examples"] = shown
    if links := details.get("links"):
        answered["links"] = {name: {"operationId": name, **given} for name, given in links.items()}


def _complete_parameter(parameter: dict[str, Any], examples: dict[str, Any]) -> None:
    name, place = parameter["name"], parameter["in"]
    if place == "path":
        parameter["description"] = PARAMETERS[name]
    if name == "index":
        parameter["schema"] = {"$ref": REFERENCES.format(model="IndexName")}
        return
    for one in examples.values():
        if name in one.get(place, {}):
            parameter.setdefault("example", one[place][name])


def _shown(examples: dict[str, Any], part: str) -> dict[str, Any]:
    """Return the requests or the answers of examples, as OpenAPI has them."""
    return {key: {"summary": one["summary"], "value": one[part]} for key, one in examples.items() if part in one}


def _content(model: str) -> dict[str, Any]:
    return {JSON: {"schema": {"$ref": REFERENCES.format(model=model)}}}


def _answered(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of an operation that succeeds."""
    (answer,) = (answer for status, answer in operation["responses"].items() if status.startswith("2"))
    return cast(dict[str, Any], answer)


def _all(model: type[models.Body]) -> list[type[models.Body]]:
    return [found for child in model.__subclasses__() for found in (child, *_all(child))]
