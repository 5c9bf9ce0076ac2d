"""The routes of fields, values, facets and comparisons."""

import math
import time

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from starlette.testclient import TestClient

from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.serve import Served, create_app

DOCUMENTS = [
    {
        "id": f"p{i}",
        "sex": "female" if i % 3 else "male",
        "age": i % 60,
        "tags": [{"name": ["red", "blue", "green"][i % 3]}, {"name": "all"}],
        **({"note": "seldom said"} if i % 20 == 0 else {}),
    }
    for i in range(120)
]


@pytest.fixture(scope="module")
def client():
    index = JSONIndex(JSONEncoder(512).fit(DOCUMENTS), key="id").add(DOCUMENTS)
    served = Served({"people": index, "bare": JSONIndex(JSONEncoder(64)).add([{"a": 1}, {"a": "<b>"}])})
    with TestClient(create_app(served), base_url="http://127.0.0.1") as client:
        yield client
    served.close()


def test_fields_say_what_documents_have(client):
    answer = client.get("/api/people/fields").json()
    assert (answer["documents"], answer["paths"]) == (120, 5)
    fields = {field["path"]: field for field in answer["fields"]}
    assert list(fields) == ["id", "sex", "age", "tags[].name", "note"]
    assert fields["sex"]["values"] == [{"value": "female", "documents": 80}, {"value": "male", "documents": 40}]
    assert fields["age"]["histogram"]["median"] == 29.5
    assert sum(fields["age"]["histogram"]["counts"]) == 120
    assert fields["tags[].name"]["values"][0] == {"value": "all", "documents": 120}
    assert fields["note"]["documents"] == 6
    expected = (80 * math.log(121 / 81) + 40 * math.log(121 / 41)) / 120 + 0.1
    assert fields["sex"]["weight"] == pytest.approx(expected)
    assert "weight" not in client.get("/api/bare/fields").json()["fields"][0]


def test_fields_follow_a_change(client):
    before = client.get("/api/bare/fields?most=3").json()
    assert client.get("/api/bare/fields?most=3").json() == before
    index = JSONIndex(JSONEncoder(64)).add([{"a": 1}])
    served = Served({"growing": index})
    with TestClient(create_app(served), base_url="http://127.0.0.1") as other:
        assert other.get("/api/growing/fields").json()["documents"] == 1
        index.add([{"b": 2}])
        answer = other.get("/api/growing/fields").json()
        assert [field["path"] for field in answer["fields"]] == ["a", "b"]
        assert answer["documents"] == 2
    served.close()


def test_values_are_suggested(client):
    found = client.get("/api/people/values", params={"path": "tags[].name", "prefix": "R"}).json()["values"]
    assert found == [{"path": "tags[].name", "value": "red", "documents": 40}]
    anywhere = client.get("/api/people/values", params={"prefix": "fem"}).json()["values"]
    assert anywhere == [{"path": "sex", "value": "female", "documents": 80}]
    assert client.get("/api/people/values?path=age&prefix=5&most=2").json()["values"][0]["documents"] == 2
    assert client.get("/api/people/values?path=nowhere").json()["values"] == []


def test_facets_count_what_passes(client):
    body = {"paths": ["sex", "age"], "where": ["age >= 30", {"path": "sex", "op": "=", "value": "male"}]}
    answer = client.post("/api/people/facets", json=body).json()
    passing = [d for d in DOCUMENTS if d["age"] >= 30 and d["sex"] == "male"]
    assert answer["documents"] == len(passing)
    assert answer["facets"][0]["values"] == [{"value": "male", "documents": len(passing)}]
    everybody = client.post("/api/people/facets", json={"paths": []}).json()
    assert (everybody["documents"], everybody["facets"]) == (120, [])
    some = client.post("/api/people/facets", json={"paths": ["id"], "among": [3, 4]}).json()
    assert [value["value"] for value in some["facets"][0]["values"]] == ["p3", "p4"]


def test_what_can_be_decoded_is_predicted(client):
    until = time.monotonic() + 60
    while not (answer := client.get("/api/people/decodable").json())["done"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert answer["dim"] == 512
    assert set(answer["paths"]) == {"id", "sex", "age", "tags[].name", "note"}
    assert all(0 <= path["accuracy"] <= 1 for path in answer["paths"].values())
    while not (answer := client.get("/api/bare/decodable").json())["done"]:
        assert time.monotonic() < until
    assert answer["paths"] == {}


def test_two_documents_are_compared(client):
    answer = client.post("/api/people/compare", json={"a": 0, "b": "p20"}).json()
    assert (answer["a"]["key"], answer["b"]["id"]) == ("p0", 20)
    assert answer["b"]["document"] == DOCUMENTS[20]
    assert sum(field["share"] for field in answer["fields"]) == pytest.approx(answer["cosine"], abs=1e-5)
    rows = {(field["path"], field.get("a"), field.get("b")) for field in answer["fields"]}
    assert rows == {
        ("id", "p0", "p20"),
        ("sex", "male", "female"),
        ("age", 0, 20),
        ("tags[].name", "red", "green"),
        ("tags[].name", "all", "all"),
        ("note", "seldom said", "seldom said"),
    }
    by_value = {field.get("a"): field["share"] for field in answer["fields"]}
    assert max(by_value, key=by_value.get) == "seldom said"


def test_every_value_of_both_is_beside_another_or_alone(client):
    first = {"t": ["x", "x", True, 1], "same": {"deep": []}, "only": 1.5}
    second = {"t": ["x", 1.0, "y", "z"], "same": {"deep": []}, "other": None}
    index = JSONIndex(JSONEncoder(1024)).add([first, second])
    served = Served({"two": index})
    with TestClient(create_app(served), base_url="http://127.0.0.1") as other:
        fields = other.post("/api/two/compare", json={"a": 0, "b": 1}).json()["fields"]
    served.close()
    rows = [(field["path"], field.get("a", "-"), field.get("b", "-")) for field in fields]
    assert ("t[]", "x", "x") in rows
    assert ("same.deep", [], []) in rows
    assert ("only", 1.5, "-") in rows
    assert ("other", "-", None) in rows
    assert [row[0] for row in rows] == sorted([row[0] for row in rows], key=["t[]", "same.deep", "only", "other"].index)
    held = [row[2] for row in rows if row[0] == "t[]" and row[2] != "-"]
    assert sorted(map(repr, held)) == sorted(map(repr, ["x", 1.0, "y", "z"]))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"a": 0, "b": 0}, 422),
        ({"a": 0, "b": "p0"}, 422),
        ({"a": 0, "b": "nobody"}, 404),
        ({"a": 0, "b": 10**6}, 400),
        ({"a": 0}, 422),
        ({"a": 0.5, "b": 1}, 422),
    ],
)
def test_what_cannot_be_compared(client, body, status):
    answer = client.post("/api/people/compare", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_large_documents_are_not_compared():
    index = JSONIndex(JSONEncoder(64)).add([{"a": list(range(6000))}, {"a": 1}])
    served = Served({"large": index})
    with TestClient(create_app(served), base_url="http://127.0.0.1") as client:
        answer = client.post("/api/large/compare", json={"a": 0, "b": 1})
    served.close()
    assert answer.status_code == 422
    assert "5,000 values" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/nobody/fields", None, 404),
        ("GET", "/api/people/fields?most=1000", None, 422),
        ("GET", "/api/people/values?most=0", None, 422),
        ("GET", "/api/people/values?path=a b", None, 400),
        ("POST", "/api/people/facets", {"paths": ["a"] * 51}, 422),
        ("POST", "/api/people/facets", {"paths": ["sex"], "where": "nonsense"}, 400),
        ("POST", "/api/people/facets", {"paths": ["sex"], "most": 0}, 422),
        ("POST", "/api/people/facets", {"paths": ["sex"], "among": [999999]}, 400),
    ],
)
def test_wrong_requests_are_refused_with_a_reason(client, method, path, body, status):
    answer = client.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
