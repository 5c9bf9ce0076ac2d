"""``/openapi.json`` says what the server does; Schemathesis, where it is installed, sends what follows from it."""

import shutil
import subprocess

import pytest

from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, SignBinarizer
from tests.serving import serving
from tests.test_serve import DOCUMENTS, VECTORS

from hdc.apps.serve import Tokens, results  # isort: skip  # behind the skip where there are no libraries
from hdc.apps.serve.guard import Access  # isort: skip

METHODS = {"get", "post", "put", "delete"}
TOKEN = "a-token-that-may-do-all"
SCHEMATHESIS = shutil.which("schemathesis")

CONFIG = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 504]  # a request may ask for an answer within a millisecond

[checks.positive_data_acceptance]
enabled = false  # a schema cannot say which texts are conditions, paths or base64, nor what kind an index is of

[phases.stateful]
max-steps = 5
generation.max-examples = 200

[[operations]]
include-operation-id = ["get_map", "get_experiment", "cancel_map", "cancel_experiment"]
checks.use_after_free.enabled = false  # what is canceled is the making; a map that is ready stays
"""


@pytest.fixture
def client():
    documents = JSONIndex(JSONEncoder(64, seed=1, backend="numpy").fit(DOCUMENTS), key="id").add(DOCUMENTS)
    embeddings = EmbeddingIndex.create(None, SignBinarizer(64, backend="numpy").fit(VECTORS), keep="float32")
    embeddings.add(VECTORS)
    codes = BinaryIndex(64, backend="numpy")
    codes.add(embeddings.codes.codes(embeddings.ids()))
    indexes = {"people": documents, "vectors": embeddings, "codes": codes}
    with serving(indexes, access=Access(Tokens(all=TOKEN, open=False))) as asked:
        yield asked


def test_every_request_and_its_failures_are_described(client):
    described = client.get("/openapi.json", Authorization=f"Bearer {TOKEN}")
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            if not path.startswith("/api/"):
                continue
            answers = operation["responses"]
            assert {"400", "401", "404", "429", "504"} <= answers.keys(), (method, path)
            assert len([status for status in answers if status < "300"]) == 1, (method, path)
            assert "requestBody" not in operation or {"408", "413", "422"} <= answers.keys(), (method, path)
            for one in operation.get("parameters", ()):
                if one["name"] == "index":
                    assert one["schema"] == {"$ref": "#/components/schemas/IndexName"}
    assert described["components"]["schemas"]["IndexName"]["enum"] == ["people", "vectors", "codes"]


def test_other_methods_of_an_address_are_refused_with_those_that_it_takes(client):
    token = {"Authorization": f"Bearer {TOKEN}"}
    for path, operations in client.get("/openapi.json", **token)["paths"].items():
        if not path.startswith("/api/"):
            continue
        address = path.replace("{index}", "people").replace("{name}", "p7")
        for method in (METHODS | {"options", "patch", "trace"}) - operations.keys():
            status, headers, content = client.ask(method.upper(), address, **token)
            assert (status, headers["allow"]) == (405, ", ".join(sorted(map(str.upper, operations)))), (method, path)
            assert b"this address takes" in content
    for nowhere in ("/api/people/nothing", "/api", "/docs"):
        error = client.json("GET", nowhere, status=404, **token)["error"]
        assert error["type"] == "NotFoundError"
        assert "/openapi.json lists" in error["message"]
    refreshed = client.post("/api/people/refresh", None, **token)
    results.Refreshed.model_validate(refreshed, extra="forbid")


@pytest.mark.slow
@pytest.mark.skipif(SCHEMATHESIS is None, reason="needs Schemathesis: nox -s api")
def test_schemathesis_finds_nothing(client, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command = [SCHEMATHESIS, "--config-file", tmp_path / "schemathesis.toml", "run"]
    options = ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "5", "--seed", "1", "--no-color"]
    options += ["--continue-on-failure", "--request-timeout", "60", "--generation-database", "none"]
    address = f"http://127.0.0.1:{client.port}/openapi.json"
    command += [address, "-H", f"Authorization: Bearer {TOKEN}", "--suppress-health-check", "all", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
