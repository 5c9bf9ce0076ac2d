"""The map of a collection: axes, points and files of them, colors and regions, and what a server says of it."""

import base64
import threading
import time
import tracemalloc

import numpy as np
import pytest

from hdc import words
from hdc.apps.json import JSONEncoder, JSONIndex, split
from hdc.apps.retrieval import (
    BinaryIndex,
    EmbeddingIndex,
    MultiVectorIndex,
    RaBitQBinarizer,
    ScalarBinarizer,
    ShardedIndex,
    SignBinarizer,
)
from hdc.errors import (
    BackendUnavailableError,
    ConflictError,
    FileFormatError,
    HDCError,
    ParameterError,
    UnsupportedError,
)
from tests import naive
from tests.serving import serving, wait

from hdc.apps.serve.background import CalledOffError  # isort: skip  # behind the skip where there are no libraries
from hdc.apps.serve.projection import axes, colors, making, neighbor_map, region, rows  # isort: skip
from hdc.apps.serve.projection.made import Landmarks, Map, caught_up  # isort: skip

RNG = np.random.default_rng(11)
GROUPS = RNG.integers(4, size=300)
VECTORS = (3 * RNG.standard_normal((4, 24))[GROUPS] + RNG.standard_normal((300, 24))).astype(np.float32)
KINDS = ("bird", "fish", "tree")


def document(number):
    kind = KINDS[number % 3]
    return {"id": str(number), "kind": kind, "size": number % 40, "about": {"of": kind, "tags": [kind, "all"]}}


def documents_index(count=90, path=None, **options):
    encoder = JSONEncoder(256, seed=1, backend="numpy").fit(map(document, range(90)))
    index = (
        JSONIndex(encoder, key="id", **options)
        if path is None
        else JSONIndex.create(path, encoder, key="id", **options)
    )
    return index.add(map(document, range(count)))


def embeddings(path=None, keep="float32", model=None):
    model = SignBinarizer(128, backend="numpy") if model is None else model
    index = EmbeddingIndex.create(path, model.fit(VECTORS), keep=keep)
    if not index.trained:
        index.train(VECTORS)
    index.add(VECTORS, keys=[f"group {group}/{i}" for i, group in enumerate(GROUPS)])
    return index


def learned(matrix, count, step=64, seed=0):
    def blocks():
        for start in range(0, len(matrix), step):
            yield matrix[start : start + step]

    return axes.learn(blocks, matrix.shape[1], count, seed=seed, tick=lambda: None)


def made_of(index, method="pca"):
    return making.make(rows.vectors_of(index), index.store.snapshot, method, making.Work(method))


# ---------------------------------------------------------------------- axes


@pytest.mark.parametrize("step", [7, 300])
def test_axes_are_those_of_a_whole_svd(step):
    matrix = VECTORS + np.float32(5)
    mean, directions, shares = naive.principal_axes(matrix, 3)
    found = learned(matrix, 3, step)
    assert np.allclose(found.mean, mean, atol=1e-4)
    assert np.allclose(np.abs(np.einsum("dm,dm->m", found.directions, directions)), 1, atol=1e-4)
    assert np.allclose(found.directions, directions, atol=0.02)  # the signs too
    assert np.allclose(found.shares, shares, rtol=1e-3)
    assert np.allclose(found.place(matrix), (matrix - mean) @ directions, atol=0.2)


def test_axes_are_the_same_each_time():
    one, two = learned(VECTORS, 2), learned(VECTORS, 2)
    assert (one.directions.tobytes(), one.mean.tobytes()) == (two.directions.tobytes(), two.mean.tobytes())


@pytest.mark.parametrize(
    "matrix",
    [np.ones((5, 3)), np.ones((1, 4)), np.arange(4.0)[:, None], np.zeros((3, 2)), np.outer(np.arange(6), np.ones(5))],
    ids=["alike", "one", "one component", "zero", "a line"],
)
def test_axes_of_rows_that_span_less_are_zero(matrix):
    found = learned(matrix.astype(np.float32), 3)
    assert found.directions.shape == (matrix.shape[1], 3)
    assert np.isfinite(found.directions).all()
    assert np.isfinite(found.shares).all()
    if matrix.std() > 0:
        assert found.shares[0] == pytest.approx(1, abs=1e-5)
        spread = found.place(matrix.astype(np.float32))
        assert np.ptp(spread[:, 0]) == pytest.approx(np.ptp(matrix, axis=0).max() * np.sqrt(matrix.shape[1]), rel=1e-4)
        assert np.abs(spread[:, 1:]).max() < 1e-3


def test_rows_are_read_in_blocks_and_never_all_at_once():
    many, dim = 20_000, 2048
    index = BinaryIndex(dim, backend="numpy")
    index.add(RNG.integers(2**64, size=(many, dim // 64), dtype=np.uint64))
    vectors = rows.vectors_of(index)
    largest = []

    def read(snapshot, at):
        largest.append(len(at) * dim)
        return vectors.read(snapshot, at)

    tracemalloc.start()
    made = making.make(rows.Vectors(dim, vectors.source, read), index.store.snapshot, "pca", making.Work("pca"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made.points.shape == (many, 2)
    assert max(largest) <= rows.BLOCK_NUMBERS
    assert peak < many * dim * 4 / 3  # bytes of all rows as floats


# ---------------------------------------------------------------------- rows


def components(codes, dim):
    return np.array([[2 * bit - 1 for bit in naive.bits(row, dim)] for row in codes])


def test_rows_of_documents():
    index = documents_index(20)
    found = rows.vectors_of(index).read(index.store.snapshot, np.arange(20))
    assert np.array_equal(found, components(index.store.rows("codes"), 256))
    unstored = documents_index(20, vectors=None)
    vectors = rows.vectors_of(unstored)
    assert vectors.source == "documents, encoded again"
    assert np.allclose(
        vectors.read(unstored.store.snapshot, np.arange(20)), index.encoder.vectors(map(document, range(20)))
    )


def test_rows_of_codes():
    codes = words.pack(VECTORS[:, :20] > 0)
    index = BinaryIndex(20, backend="numpy")
    index.add(codes)
    assert np.array_equal(rows.vectors_of(index).read(index.store.snapshot, np.arange(9)), components(codes[:9], 20))
    planes = BinaryIndex(20, levels=2, backend="numpy")
    planes.add(np.stack([codes[:9], codes[9:18]], axis=1))
    expected = 2 * components(codes[:9], 20) + components(codes[9:18], 20)
    assert np.array_equal(rows.vectors_of(planes).read(planes.store.snapshot, np.arange(9)), expected)


@pytest.mark.parametrize(
    ("model", "keep", "least"),
    [
        (SignBinarizer(128, backend="numpy"), "float32", 0.999),
        (SignBinarizer(128, backend="numpy"), "int8", 0.999),
        (RaBitQBinarizer(lists=4, backend="numpy"), None, 0.8),
        (ScalarBinarizer(backend="numpy"), None, 0.95),
    ],
)
def test_rows_of_embeddings_are_near_the_vectors(model, keep, least):
    index = embeddings(keep=keep, model=model)
    found = rows.vectors_of(index).read(index.store.snapshot, np.arange(300))
    given = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    given, found = given - given.mean(axis=0), found - found.mean(axis=0)
    cosines = (given * found).sum(axis=1) / np.linalg.norm(given, axis=1) / np.linalg.norm(found, axis=1)
    assert cosines.mean() > least


def test_rows_without_a_vector_each_have_no_map():
    index = MultiVectorIndex.create(None, SignBinarizer(64, backend="numpy").fit(VECTORS))
    with pytest.raises(UnsupportedError, match="MultiVectorIndex has no map"):
        rows.vectors_of(index)


def test_shards_have_one_map(tmp_path):
    whole = embeddings(tmp_path / "whole")
    for i in range(2):
        with EmbeddingIndex.create(tmp_path / f"parts/shard-{i}", whole.model, keep="float32") as part:
            part.add(VECTORS[150 * i : 150 * (i + 1)])
    with ShardedIndex.open(tmp_path / "parts") as shards:
        made = made_of(shards)
        assert np.allclose(np.abs(made.points), np.abs(made_of(whole).points), atol=1e-4)
        assert made.ids.tolist() == shards.ids().tolist()
        assert making.folder_of_index(shards) == tmp_path / "parts"
        kept = making.Maps(lambda: shards, making.folder_of_index(shards))
        kept.start()
        wait(lambda: kept.status("pca")["working"] is None)
        assert kept.status("pca")["kept"]
    with ShardedIndex.open(tmp_path / "parts") as shards:
        assert len(making.Maps(lambda: shards, making.folder_of_index(shards)).current("pca").points) == 300


# ---------------------------------------------------------------------- a map and its file


def test_a_file_holds_the_map_and_damage_shows(tmp_path):
    made = made_of(embeddings())
    made.save(tmp_path / "map.pca")
    read = Map.load(tmp_path / "map.pca")
    assert np.array_equal(read.points, made.points)
    assert (read.method, read.state, read.model, read.source) == (made.method, made.state, made.model, made.source)
    assert list(tmp_path.iterdir()) == [tmp_path / "map.pca"]
    content = (tmp_path / "map.pca").read_bytes()
    for at in range(0, len(content), 97):
        (tmp_path / "map.pca").write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        with pytest.raises(FileFormatError):
            Map.load(tmp_path / "map.pca")


def test_new_rows_are_placed_by_the_same_axes_and_gone_ones_go():
    index = documents_index(80)
    made = made_of(index)
    index.add(map(document, range(80, 90)))
    index.remove(keys=["3", "5"])
    index.put([{**document(7), "kind": "tree"}])
    now = caught_up(made, rows.vectors_of(index), index.store.snapshot)
    assert sorted(now.ids.tolist()) == index.ids().tolist()
    place = dict(zip(now.ids.tolist(), now.points.tolist(), strict=True))
    before = dict(zip(made.ids.tolist(), made.points.tolist(), strict=True))
    for number in (0, 1, 79):
        assert place[number] == before[number]
    vectors = rows.vectors_of(index).read(index.store.snapshot, index.store.positions([7, 85]))
    assert np.allclose([place[7], place[85]], made.axes.place(vectors), atol=1e-4)
    assert place[7] != before[7]
    assert now.generation == index.store.snapshot.generation > made.generation


def test_after_a_compaction_rows_are_placed_again(tmp_path):
    with documents_index(60, tmp_path / "index") as index:
        made = made_of(index)
        index.remove(keys=[str(number) for number in range(30)])
        index.compact()
        now = caught_up(made, rows.vectors_of(index), index.store.snapshot)
        assert now.ids.tolist() == list(range(30, 60))
        assert np.allclose(now.points, made.points[30:], atol=1e-4)


def test_a_map_of_other_vectors_counts_as_none():
    made, other = made_of(documents_index()), documents_index()
    encoder = JSONEncoder(256, seed=2, backend="numpy").fit(map(document, range(90)))
    other = JSONIndex(encoder, key="id").add(map(document, range(90)))
    assert caught_up(made, rows.vectors_of(other), other.store.snapshot) is None


# ---------------------------------------------------------------------- making


def test_a_map_is_kept_beside_the_index(tmp_path):
    with documents_index(90, tmp_path / "index") as index:
        maps = making.Maps(lambda: index, making.folder_of_index(index))
        assert maps.status("pca")["state"] == "none"
        maps.start()
        wait(lambda: maps.status("pca")["working"] is None)
        status = maps.status("pca")
        assert (status["state"], status["points"], status["kept"], status["error"]) == ("ready", 90, True, "")
        assert 0 < sum(status["shares"]) < 1
        points = maps.current("pca").points
    assert (tmp_path / "index" / "map.pca").is_file()
    with JSONIndex.open(tmp_path / "index") as index:
        maps = making.Maps(lambda: index, making.folder_of_index(index))
        assert np.array_equal(maps.current("pca").points, points)
        index.verify()
        (tmp_path / "index" / "map.pca").write_bytes(b"damaged")
        assert making.Maps(lambda: index, making.folder_of_index(index)).status("pca")["state"] == "none"


def test_a_map_that_cannot_be_written_is_held(tmp_path):
    index = embeddings()
    maps = making.Maps(lambda: index, tmp_path / "not there")
    maps.start()
    wait(lambda: maps.status("pca")["working"] is None)
    assert maps.status("pca")["state"] == "ready"
    assert not maps.status("pca")["kept"]


class Slow:
    """Reads rows only when it may."""

    def __init__(self, vectors):
        self.vectors, self.begun, self.go = vectors, threading.Event(), threading.Event()

    def read(self, snapshot, at):
        self.begun.set()
        assert self.go.wait(60)
        return self.vectors.read(snapshot, at)


def test_one_map_is_made_at_a_time_and_canceled_cleanly(tmp_path, monkeypatch):
    index = embeddings(tmp_path / "index")
    vectors = rows.vectors_of(index)
    slow = Slow(vectors)
    monkeypatch.setattr(making, "vectors_of", lambda _: rows.Vectors(vectors.dim, vectors.source, slow.read))
    gate = threading.Semaphore()
    maps, others = (making.Maps(lambda: index, tmp_path / "index", gate) for _ in range(2))
    maps.start()
    assert slow.begun.wait(60)
    assert maps.status("pca")["working"]["stage"] == "finding the axes"
    for either in (maps, others):
        with pytest.raises(ConflictError, match="being made already"):
            either.start()
    threading.Timer(0.05, slow.go.set).start()
    maps.cancel()
    status = maps.status("pca")
    assert (status["state"], status["working"], status["error"]) == ("none", None, "")
    assert not list((tmp_path / "index").glob("*map*"))
    others.start()
    wait(lambda: others.status("pca")["state"] == "ready")
    index.close()


def test_what_cannot_be_mapped_is_refused():
    empty = JSONIndex(JSONEncoder(64, backend="numpy"))
    with pytest.raises(ParameterError, match="empty index has no map"):
        making.Maps(lambda: empty).start()
    with pytest.raises(ParameterError, match="method"):
        making.Maps(lambda: empty).start("tsne")
    few = documents_index(5)
    with pytest.raises((ParameterError, BackendUnavailableError), match="umap"):
        making.Maps(lambda: few).start("umap")


def test_umap_is_an_extra(monkeypatch):
    monkeypatch.setattr(neighbor_map.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailableError, match=r"hdc-toolkit\[umap\]"):
        neighbor_map.check(1000)


def test_an_error_is_told(monkeypatch):
    index = embeddings()
    vectors = rows.vectors_of(index)

    def read(snapshot, at):
        raise FileFormatError("codes is damaged")

    monkeypatch.setattr(making, "vectors_of", lambda _: rows.Vectors(vectors.dim, vectors.source, read))
    maps = making.Maps(lambda: index)
    maps.start()
    wait(lambda: maps.status("pca")["error"] != "")
    assert maps.status("pca")["error"] == "codes is damaged"


# ---------------------------------------------------------------------- neighbors


def test_landmarks_place_rows_among_their_neighbors():
    reduced = RNG.standard_normal((40, 6)).astype(np.float32)
    placed = RNG.standard_normal((40, 2)).astype(np.float32)
    landmarks = Landmarks(reduced, placed)
    assert np.allclose(landmarks.place(reduced), placed, atol=0.02)
    query = reduced[:1] + np.float32(0.1)
    far = np.linalg.norm(reduced - query, axis=1)
    near = np.argsort(far)[:5]
    weights = 1 / far[near]
    expected = (weights[:, None] * placed[near]).sum(axis=0) / weights.sum()
    assert np.allclose(landmarks.place(query)[0], expected, atol=1e-3)


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_can_be_ended():
    if not neighbor_map.available():
        pytest.skip("needs the extra umap")
    index = embeddings()
    made = made_of(index, "umap")
    middles = np.stack([made.points[group == GROUPS].mean(axis=0) for group in range(4)])
    nearest = np.linalg.norm(made.points[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == GROUPS).mean() > 0.95
    index.add(VECTORS[:20] + np.float32(0.01))
    now = caught_up(made, rows.vectors_of(index), index.store.snapshot)
    assert np.median(np.linalg.norm(now.points[300:] - now.points[:20], axis=1)) < 0.1 * np.ptp(made.points)
    ticks = []

    def tick():
        ticks.append(time.monotonic())
        if len(ticks) > 3:
            raise CalledOffError("stop")

    began = time.monotonic()
    with pytest.raises(CalledOffError):
        neighbor_map.lay_out(RNG.standard_normal((20_000, 32)).astype(np.float32), tick)
    assert time.monotonic() - began < 10


def test_a_process_that_fails_says_why(monkeypatch):
    monkeypatch.setattr(neighbor_map.sys, "executable", "/bin/false")
    with pytest.raises(HDCError, match="UMAP failed with status 1"):
        neighbor_map.lay_out(np.zeros((20, 2), np.float32), lambda: None)


# ---------------------------------------------------------------------- regions and colors


def test_inside_is_that_of_rays():
    points = RNG.integers(-8, 9, size=(400, 2)).astype(np.float32) / 4 + np.float32(0.03125)
    for corners in (
        [[-1, -1], [1, -1], [1, 1], [-1, 1]],
        [[-2, -2], [2, 2], [2, -2], [-2, 2]],
        [[0, 2], [1, -2], [-2, 1], [2, 1], [-1, -2]],
    ):
        found = region.inside(points, region.polygon_of(corners))
        assert found.tolist() == [naive.inside(point, corners) for point in points.tolist()]
        assert 0 < found.sum() < 400


@pytest.mark.parametrize(
    "corners",
    [[], [[0, 0], [1, 1]], [[0, 0, 0]] * 4, [[0, 0]] * 600, [[0, 0], [1, 0], [0, float("nan")]], "abc", [[1, "a"]] * 3],
)
def test_what_is_no_polygon(corners):
    with pytest.raises(ParameterError, match="polygon"):
        region.polygon_of(corners)


def test_what_sets_documents_apart():
    inner, outer = [document(n) for n in range(0, 90, 3)], [document(n) for n in range(1, 90) if n % 3]
    found = region.distinguishing(inner, outer)
    assert found[0] == {"path": "about.of", "value": "bird", "inside": 1.0, "outside": 0.0}
    assert {entry["path"] for entry in found[:3]} == {"about.of", "kind", "about.tags[]"}
    assert region.distinguishing(inner, inner) == []
    assert region.distinguishing([{"x": True}] * 2, [{"x": 1}] * 2)[0]["value"] is True


def test_colors_of_categories():
    values = ["b"] * 3 + ["a"] * 5 + [True, 1, None, colors.NOTHING]
    found = colors.colors_of(values)
    assert [(entry["label"], entry["count"]) for entry in found.labels] == [
        ("a", 5),
        ("b", 3),
        ("1", 1),
        ("null", 1),
        ("true", 1),
    ]
    assert found.shades.tolist() == [1] * 3 + [0] * 5 + [4, 2, 3, colors.MISSING]
    assert (found.kind, found.missing, found.others) == ("categories", 1, 0)
    many = colors.colors_of([letter for i, letter in enumerate("abcdefghijkl") for _ in range(20 - i)])
    assert len(many.labels) == colors.CATEGORIES
    assert many.others == sum(20 - i for i in range(8, 12)) == (many.shades == colors.OTHER).sum()
    assert colors.colors_of([]).labels == []
    assert len(colors.colors_of(["x" * 500]).labels[0]["label"]) == colors.LABEL


def test_colors_of_numbers():
    values = [float(number) for number in range(101)]
    found = colors.colors_of([*values, colors.NOTHING, 1e9])
    assert (found.kind, found.missing, found.logarithmic) == ("numbers", 1, False)
    assert found.low == pytest.approx(np.quantile([*values, 1e9], 0.02))
    assert found.high == pytest.approx(np.quantile([*values, 1e9], 0.98))
    expected = [round(254 * min(max((v - found.low) / (found.high - found.low), 0), 1)) for v in [*values, 1e9]]
    assert np.abs(np.delete(found.shades.astype(int), 101) - expected).max() <= 1
    assert found.shades[101] == colors.MISSING
    wide = colors.colors_of([10.0**exponent for exponent in range(-6, 20)])
    assert wide.logarithmic
    assert np.ptp(np.diff(wide.shades[2:-2].astype(int))) <= 1
    assert colors.colors_of([5] * 40).kind == "categories"


def test_fields_that_suit_come_first():
    found = colors.suitable([document(number) for number in range(90)])
    assert [entry["path"] for entry in found] == ["about.of", "kind", "size", "about.tags[]", "id"]
    assert {entry["path"]: entry["kind"] for entry in found}["size"] == "numbers"


# ---------------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    codes = BinaryIndex(20, backend="numpy")
    codes.add(words.pack(VECTORS[:, :20] > 0))
    indexes = {
        "documents": documents_index(90, folder / "documents"),
        "vectors": embeddings(folder / "vectors"),
        "codes": codes,
        "empty": JSONIndex(JSONEncoder(64, backend="numpy")),
    }
    with serving(indexes) as asked:
        for name in ("documents", "vectors", "codes"):
            assert asked.post(f"/api/{name}/map", {}, 202)["method"] == "pca"
            wait(lambda name=name: asked.get(f"/api/{name}/map")["state"] == "ready")
            wait(lambda name=name: asked.get(f"/api/{name}/map")["working"] is None)  # else the next one is refused
        yield asked


def points_of(client, name):
    status, headers, body = client.ask("GET", f"/api/{name}/map/points")
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    n = len(body) // 16
    return np.frombuffer(body, "<f4", 2 * n).reshape(n, 2), np.frombuffer(body, "<f8", n, 8 * n).astype(np.int64)


def test_points_over_http(client):
    points, ids = points_of(client, "vectors")
    index = client.served["vectors"].index
    made = made_of(index)
    assert np.array_equal(points, made.points)
    assert ids.tolist() == index.ids().tolist()


def test_colors_over_http(client):
    found = client.get("/api/documents/map/colors?field=kind")
    assert [(entry["label"], entry["count"]) for entry in found["labels"]] == [(kind, 30) for kind in KINDS]
    _, ids = points_of(client, "documents")
    shades = base64.b64decode(found["shades"])
    assert [KINDS[shade] for shade in shades] == [document(number)["kind"] for number in ids.tolist()]
    assert client.get("/api/documents/map/colors?field=nothing")["missing"] == 90
    assert client.get("/api/documents/map/colors?field=size")["kind"] == "numbers"
    assert client.get("/api/vectors/map/colors?field=key")["labels"][0]["label"].startswith("group")
    assert [entry["path"] for entry in client.get("/api/vectors/map/fields")] == ["key"]
    assert client.get("/api/codes/map/fields") == client.get("/api/empty/map/fields") == []


def test_a_region_over_http_filters_a_search(client):
    points, ids = points_of(client, "documents")
    corners = [[-20, -20], [0, -20], [0, 20], [-20, 20]]
    expected = [i for i, point in zip(ids.tolist(), points.tolist(), strict=True) if naive.inside(point, corners)]
    found = client.post("/api/documents/map/region", {"polygon": corners})
    assert (found["ids"], found["count"], found["of"]) == (expected, len(expected), 90)
    assert 0 < len(expected) < 90
    hits = client.post(
        "/api/documents/search", {"query": {"about": {"tags": ["all"]}}, "k": 90, "among": found["ids"]}
    )["hits"]
    assert sorted(hit["id"] for hit in hits) == expected
    assert "ids" not in client.post("/api/documents/map/region", {"polygon": corners, "ids": False})
    assert found["common"]


def test_thousands_of_ids_filter_a_search():
    index = BinaryIndex(64, backend="numpy")
    codes = RNG.integers(2**64, size=(60_000, 1), dtype=np.uint64)
    index.add(codes)
    chosen = RNG.permutation(60_000)[:30_000].tolist()
    with serving({"many": index}) as asked:
        code = base64.b64encode(codes[chosen[7]].astype("<u8").tobytes()).decode()
        found = asked.post("/api/many/search", {"code": code, "bitorder": "little", "k": 1, "among": chosen})
        assert codes[found["hits"][0]["id"], 0] == codes[chosen[7], 0]
        other = next(i for i in range(60_000) if i not in set(chosen))
        code = base64.b64encode(codes[other].astype("<u8").tobytes()).decode()
        assert (
            asked.post("/api/many/search", {"code": code, "bitorder": "little", "k": 1, "among": chosen})["hits"][0][
                "id"
            ]
            != other
        )


def test_cards_over_http(client):
    card = client.get("/api/documents/map/card?id=4")
    assert (card["id"], card["key"], card["more"]) == (4, "4", 0)
    assert card["lines"] == [
        ["id", "4"],
        ["kind", "fish"],
        ["size", 4],
        ["about.of", "fish"],
        ["about.tags[]", "fish"],
        ["about.tags[]", "all"],
    ]
    assert client.get("/api/codes/map/card?id=4") == {"id": 4, "key": None, "lines": [], "more": 0}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/nothing/map", None, 404),
        ("GET", "/api/empty/map/points", None, 404),
        ("POST", "/api/empty/map", {}, 400),
        ("POST", "/api/documents/map", {"method": "tsne"}, 422),
        ("GET", "/api/documents/map?method=tsne", None, 422),
        ("GET", "/api/documents/map/card?id=4000", None, 404),
        ("GET", "/api/documents/map/card?id=99999999999999999999", None, 404),
        ("GET", "/api/documents/map/colors?field=a..b", None, 400),
        ("GET", "/api/vectors/map/colors?field=kind", None, 400),
        ("POST", "/api/documents/map/region", {"polygon": [[0, 0]]}, 400),
        ("POST", "/api/documents/map/region", {"polygon": [[0, 0], [1, 1], [2]]}, 400),
    ],
)
def test_errors_over_http(client, method, path, body, status):
    error = client.json(method, path, body, status)["error"]
    assert error["message"]
    assert "Traceback" not in error["message"]


def test_a_map_over_http_follows_a_writer(tmp_path):
    with documents_index(40, tmp_path / "index"):
        pass
    with (
        JSONIndex.open(tmp_path / "index", writable=True) as writer,
        serving({"i": JSONIndex.open(tmp_path / "index")}, refresh_seconds=0.05) as asked,
    ):
        asked.post("/api/i/map", {}, 202)
        wait(lambda: asked.get("/api/i/map")["state"] == "ready")
        writer.add(map(document, range(40, 50)))
        wait(lambda: asked.get("/api/i")["rows"] == 50)
        assert asked.get("/api/i/map")["points"] == 50
        points, ids = points_of(asked, "i")
        assert (len(points), ids.tolist()) == (50, list(range(50)))


def test_split_indexes_are_mapped_as_one(tmp_path):
    with documents_index(60, tmp_path / "index"):
        pass
    split(tmp_path / "index", 2, tmp_path / "parts")
    with JSONIndex.open(tmp_path / "parts") as index:
        made = made_of(index)
        assert sorted(made.ids.tolist()) == list(range(60))
        assert caught_up(made, rows.vectors_of(index), index.store.snapshot) is made
