"""``/openapi.json`` describes every operation; its examples are sent to a server, and are answered as it says."""

import contextlib
import json
import re
import time
from functools import partial
from importlib.resources import files

import numpy as np
import pytest

from hdc.apps.json import JSONEncoder
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, SignBinarizer
from tests.serving import serving, wait

from hdc.apps.demo.command import load_index  # isort: skip  # behind the skip where there are no libraries
from hdc.apps.serve import Tokens  # isort: skip
from hdc.apps.serve.guard import Access  # isort: skip

TOKEN = "a-token-that-may-do-all"
EXAMPLES = json.loads((files("hdc.apps.serve") / "examples.json").read_text(encoding="utf-8"))

VARYING = {"late", "methods", "ms", "part", "points", "recall", "seconds", "source", "state", "took_ms", "version"}
VARYING |= {"working"}
"""Names of values that differ from run to run, or with what is installed."""

BEGIN = ("start_experiment", "make_map", "measure_tradeoff")
"""Operations that begin what other examples show when it is done."""


@contextlib.contextmanager
def example_server():
    """Serve the two indexes of the demonstration, one of vectors and one of codes; yields a client."""
    vectors = np.random.default_rng(1).standard_normal((500, 8)).astype(np.float32).round(2)
    model = SignBinarizer(64, backend="numpy").fit(vectors)
    embeddings = EmbeddingIndex.create(None, model, kind="ivf", keep="float32")
    embeddings.train(vectors, 16)
    embeddings.add(vectors, keys=[f"v{number}" for number in range(500)])
    codes = BinaryIndex(64, backend="numpy")
    codes.add(embeddings.codes.codes(embeddings.ids()))
    indexes = {name: load_index(name, JSONEncoder()) for name in ("operations", "earthquakes")}
    with serving({**indexes, "vectors": embeddings, "codes": codes}, access=Access(Tokens(all=TOKEN))) as client:
        yield client


def asked(client, method, path, one):
    """Send the request of an example; return the status, the type and the content of its answer."""
    for name, value in one.get("path", {}).items():
        path = path.replace(f"{{{name}}}", str(value))
    query = "&".join(f"{name}={value}" for name, value in one.get("query", {}).items()).replace(" ", "%20")
    address = f"{path}?{query}" if query else path
    status, headers, content = client.ask(method.upper(), address, one.get("request"), Authorization=f"Bearer {TOKEN}")
    return status, headers["content-type"], content


def finished(client):
    """Wait until no map, experiment or measurement is being made."""
    token = {"Authorization": f"Bearer {TOKEN}"}
    wait(lambda: client.get("/api/earthquakes/map", **token)["working"] is None)
    for path in ("/api/capacity/experiment", "/api/vectors/tradeoff"):
        wait(lambda path=path: (client.get(path, **token) or {"state": ""})["state"] != "working")
    while not client.get("/api/earthquakes/decodable", **token)["done"]:
        time.sleep(0.05)


def differences(expected, found, place="answer"):
    """Yield where an answer differs from its example.

    Lists may be longer than in the example, and texts that end in ``...`` there. Varying values may be any.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        if expected.keys() != found.keys():
            yield f"{place} has {sorted(found)}, and in the example {sorted(expected)}"
            return
        for name, value in expected.items():
            if name not in VARYING:
                yield from differences(value, found[name], f"{place}.{name}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) <= len(found):
        for at, value in enumerate(expected):
            yield from differences(value, found[at], f"{place}[{at}]")
    elif isinstance(expected, float) and isinstance(found, int | float):
        if abs(expected - found) > 1e-3 * max(abs(expected), abs(found)):
            yield f"{place} is {found}, and in the example {expected}"
    elif isinstance(expected, str) and isinstance(found, str) and expected.endswith("..."):
        if not found.startswith(expected[:-3]):
            yield f"{place} is {found!r}, and in the example {expected!r}"
    elif expected != found:
        yield f"{place} is {found!r}, and in the example {expected!r}"


@pytest.fixture(scope="module")
def client():
    with example_server() as asked:
        yield asked


@pytest.fixture(scope="module")
def described(client):
    return client.get("/openapi.json", Authorization=f"Bearer {TOKEN}")


def operations_of(described):
    """Return method, path and description by the name of the operation."""
    found = [
        (method, path, operation)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]
    by_name = {operation["operationId"]: (method, path, operation) for method, path, operation in found}
    assert len(by_name) == len(found)
    return by_name


def test_examples_are_answered_as_described(client, described):
    operations, wrong = operations_of(described), []
    assert EXAMPLES.keys() == operations.keys()
    for name, details in EXAMPLES.items():
        method, path, operation = operations[name]
        for key, one in details["examples"].items():
            status, kind, content = asked(client, method, path, one)
            if str(status) not in operation["responses"] or status >= 300:
                wrong.append(f"{name} {key}: {status} {content.decode()}")
            elif kind == "application/json":
                wrong += [f"{name} {key}: {text}" for text in differences(one["answer"], json.loads(content))]
        if name in BEGIN:
            finished(client)
    assert not wrong, "\n".join(wrong)


def test_every_link_can_be_followed(client, described):
    operations = operations_of(described)
    for name, details in EXAMPLES.items():
        one = next(iter(details["examples"].values()), None)
        for target, link in details.get("links", {}).items():
            method, path, _ = operations[name]
            status, _, content = asked(client, method, path, one)
            assert status < 300, (name, content)
            if name in BEGIN:
                finished(client)
            found = partial(resolved, request=one, answer=json.loads(content))
            method, path, operation = operations[target]
            given = {place: {} for place in ("path", "query")}
            for parameter in operation["parameters"]:
                if parameter["name"] in link["parameters"]:
                    given[parameter["in"]][parameter["name"]] = found(link["parameters"][parameter["name"]])
            if "requestBody" in operation:
                body = next(iter(EXAMPLES[target]["examples"].values()))["request"]
                given["request"] = found(link.get("requestBody", body))
            status, _, content = asked(client, method, path, given)
            assert status < 300, (name, target, given, content)


def resolved(value, request, answer):
    """Return a value of a link with its expressions replaced by what they stand for."""
    if isinstance(value, dict):
        return {name: resolved(one, request, answer) for name, one in value.items()}
    if isinstance(value, list):
        return [resolved(one, request, answer) for one in value]
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    if value.startswith("$request.path."):
        return request["path"][value.rpartition(".")[2]]
    place, _, pointer = value.partition("#/")
    assert place == "$response.body"
    for step in pointer.split("/"):
        answer = answer[int(step) if step.isdecimal() else step]
    return answer


def test_every_operation_is_described(described):
    tags = {tag["name"] for tag in described["tags"]}
    for name, (_, path, operation) in operations_of(described).items():
        assert 5 < len(operation["summary"]) < 60, name
        assert operation["description"] != operation["summary"], name
        assert set(operation["tags"]) <= tags, name
        assert all(one["description"] for one in operation.get("parameters", ())), name
        (answer,) = (answer for status, answer in operation["responses"].items() if status < "300")
        assert answer["description"] != "Successful Response", name
        if "application/json" in answer["content"]:
            content = answer["content"]["application/json"]
            assert content["schema"], name
            assert content["examples"], name
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]["application/json"]["examples"], name
        assert ("security" in operation) == (path != "/health"), name


def test_every_model_that_is_named_is_there(described):
    named = set(re.findall('"#/components/schemas/([^"]+)"', json.dumps(described)))
    assert {"Search", "Answer", "Failure"} <= named <= described["components"]["schemas"].keys()


def is_described(field):
    """Return whether a field says what it is, or leads to a model that does."""
    if "description" in field or "$ref" in field:
        return True
    return any(map(is_described, (*field.get("anyOf", ()), field.get("items", {}))))


def test_every_field_is_described(described):
    silent = [
        f"{model}.{name}"
        for model, schema in described["components"]["schemas"].items()
        for name, field in schema.get("properties", {}).items()
        if not is_described(field)
    ]
    assert silent == []


def test_links_lead_to_operations_and_their_parameters(described):
    operations = operations_of(described)
    for name, (_, _, operation) in operations.items():
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                _, _, target = operations[link["operationId"]]
                known = {one["name"] for one in target.get("parameters", ())}
                assert link["parameters"].keys() <= known, (name, link)
                assert "requestBody" not in link or "requestBody" in target, (name, link)
