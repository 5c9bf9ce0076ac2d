"""Partitions that any engine maps: counted, merged, encoded and gathered to the index of all their documents."""

import json
import pickle

import numpy as np
import pytest

from hdc import files
from hdc.apps.json import JSONEncoder, JSONIndex, cluster
from hdc.apps.json.build import encoded
from hdc.errors import FileFormatError, MismatchError, ParameterError

DOCUMENTS = [
    {"id": i, "name": f"n{i % 7}", "size": i * 1.5, "born": f"19{i % 90 + 10}-01-01", "tags": [f"t{i % 3}", "all"]}
    for i in range(120)
]
PARTS = [DOCUMENTS[:50], [], DOCUMENTS[50:51], DOCUMENTS[51:]]


@pytest.fixture
def encoder():
    return JSONEncoder(64, convert=("dates",))


def everything(path):
    """Return encoder, entries and answers of an index, the scales of its rows and the bits of their codes."""
    with JSONIndex.open(path) as index:
        index.verify()
        hits = [(hit.id, round(hit.score, 9)) for hit in index.search({"name": "n3", "size": 40}, 10)]
        entries = [index.store.entry(number) for number in index.ids()]
        columns = index.store.columns
        scales = np.concatenate([index.store.rows(name) for name in columns if name != "codes"], axis=1)
        codes = index.store.rows("codes").view(np.uint8) if "codes" in columns else np.zeros(0, np.uint8)
        return (json.dumps(index.encoder.to_json()), entries, hits), scales, np.unpackbits(codes)


def assert_same(path, other):
    """Assert that two indexes have the same documents and answers, and vectors that differ by rounding only."""
    (known, scales, codes), (others, other_scales, other_codes) = everything(path), everything(other)
    assert known == others
    np.testing.assert_allclose(scales, other_scales, atol=1e-2)
    assert not len(codes) or (codes == other_codes).mean() > 0.95  # of sums that are zero, rounding gives the sign


@pytest.fixture
def expected(encoder, tmp_path):
    encoder = encoder.frozen().fit(DOCUMENTS)
    with JSONIndex.create(tmp_path / "expected", encoder, key="id") as index:
        index.add(DOCUMENTS)
    return tmp_path / "expected"


def gathered(encoder, counts, encode, path):
    """Gather what functions of the partitions made of them."""
    fitted = cluster.fit(encoder, counts)
    report = cluster.gather(encode(fitted), path, fitted, key="id")
    assert (report.documents, report.rejected) == (len(DOCUMENTS), 0)
    return path


def test_partitions_make_the_index_of_all_documents(encoder, expected, tmp_path):
    counts = [cluster.count(part, encoder) for part in PARTS]

    def encode(fitted):
        fitted = pickle.loads(pickle.dumps(fitted))  # as engines send it
        return [cluster.encode(part, fitted, key="id") for part in PARTS]

    assert_same(gathered(encoder, counts, encode, tmp_path / "index"), expected)
    assert encoder.profile_ == JSONEncoder().profile_


@pytest.mark.parametrize("vectors", ["float16", None])
def test_rows_of_other_vectors_travel(encoder, tmp_path, vectors):
    parts = [cluster.encode(part, encoder, vectors=vectors) for part in PARTS]
    cluster.gather(parts, tmp_path / "index", encoder, vectors=vectors)
    with JSONIndex.create(tmp_path / "expected", encoder, vectors=vectors) as index:
        index.add(DOCUMENTS)
    assert_same(tmp_path / "index", tmp_path / "expected")


def test_what_a_string_encoder_makes_travels(tmp_path):
    def lengths(texts):
        return np.array([[len(text), 1.0] for text in texts])

    encoder = JSONEncoder(64, string_encoder=lengths)
    with pytest.raises(MismatchError, match="another encoder"):
        cluster.gather([cluster.encode(PARTS[0], encoder)], tmp_path / "index", JSONEncoder(64))
    pieces, _ = encoded.from_bytes(cluster.encode(PARTS[0], encoder), encoded.settings_of(encoder, None, "packed"))
    assert pieces[0].segment.vectors.width == 2


def test_an_index_there_is_replaced_only_by_a_whole_one(encoder, tmp_path):
    part = cluster.encode(PARTS[0], encoder)
    cluster.gather([part], tmp_path / "index", encoder)
    for wrong, error in [
        (cluster.encode(PARTS[0], JSONEncoder(64)), MismatchError),
        (cluster.encode(PARTS[0], encoder, key="id"), MismatchError),
        (cluster.encode(PARTS[0], encoder, vectors=None), MismatchError),
        (part[:-1], FileFormatError),
        (files.pack("other", {}, {}), FileFormatError),
    ]:
        with pytest.raises(error):
            cluster.gather([part, wrong], tmp_path / "index", encoder)
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    with JSONIndex.open(tmp_path / "index") as index:
        assert len(index) == 50


def test_what_cannot_be_fitted_is_told(encoder):
    with pytest.raises(ParameterError, match="no partition has one"):
        cluster.fit(encoder, [cluster.count([], encoder)])
    with pytest.raises(MismatchError, match="counted with convert"):
        cluster.fit(encoder, [cluster.count(DOCUMENTS, JSONEncoder(64))])
    with pytest.raises(ParameterError, match="vectors must be"):
        cluster.encode(DOCUMENTS, encoder, vectors="int8")


def lies(meta, arrays):
    """Yield headers and arrays that contradict each other, each under a checksum that is right."""
    piece = meta["pieces"][0]
    for change in (
        {"lengths": [49]},
        {"lengths": [50, 0]},
        {"lengths": ["50"]},
        {"sources": [""] * 49},
        {"sources": [3] * 50},
        {"keys": [["k"]]},
        {"keys": []},
    ):
        yield {**meta, "pieces": [{**piece, **change}]}, arrays
    yield {**meta, "pieces": 3}, arrays
    yield {**meta, "pieces": [piece, piece]}, arrays
    starts = arrays["0.text starts"]
    for change in (
        {"0.text starts": starts[:-1]},
        {"0.text starts": starts + 1},
        {"0.row.codes": arrays["0.row.codes"][:-1]},
        {"0.postings": arrays["0.postings"] + np.uint32(1000)},
        {"0.masses": arrays["0.masses"][:-1]},
    ):
        yield meta, {**arrays, **change}
    yield meta, {name: array for name, array in arrays.items() if name != "rejects"}


def test_bytes_that_lie_are_refused(encoder):
    data = cluster.encode(PARTS[0], encoder)
    settings = encoded.settings_of(encoder, None, "packed")
    meta, arrays = files.unpack(data, encoded.KIND)
    assert len(encoded.from_bytes(data, settings)[0][0].batches) == 1
    for said, given in lies(meta, arrays):
        with pytest.raises(FileFormatError):
            encoded.from_bytes(files.pack(encoded.KIND, said, given), settings)


# ---------------------------------------------------------------------- engines


def test_a_dask_bag(encoder, expected, tmp_path):
    bags = pytest.importorskip("dask.bag", reason="needs Dask")
    bag = bags.from_sequence(DOCUMENTS, npartitions=3)

    def mapped(work, *arguments, **options):
        made = bag.map_partitions(lambda part: [work(part, *arguments, **options)])
        return made.compute(scheduler="sync")

    counts = mapped(cluster.count, encoder)
    assert_same(gathered(encoder, counts, lambda fit: mapped(cluster.encode, fit, key="id"), tmp_path / "i"), expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray(encoder, expected, tmp_path):
    ray = pytest.importorskip("ray", reason="needs Ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:

        def mapped(work, *arguments, **options):
            task = ray.remote(work).options(num_cpus=1)
            return ray.get([task.remote(part, *arguments, **options) for part in PARTS])

        counts = mapped(cluster.count, encoder)
        assert counts == [cluster.count(part, encoder) for part in PARTS]
        found = gathered(encoder, counts, lambda fit: mapped(cluster.encode, fit, key="id"), tmp_path / "index")
        assert_same(found, expected)
    finally:
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Spark's own
def test_spark(encoder, expected, tmp_path):
    sql = pytest.importorskip("pyspark.sql", reason="needs pyspark")
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        lines = [(place, json.dumps(document)) for place, document in enumerate(DOCUMENTS)]
        frame = session.createDataFrame(lines, "place long, document string").repartitionByRange(3, "place")
        frame = frame.sortWithinPartitions("place")

        def mapped(work, *arguments, **options):
            def partition(batches):
                places, documents = [], []
                for batch in batches:
                    places += batch.column("place").to_pylist()
                    documents += map(json.loads, batch.column("document").to_pylist())
                made = work(documents, *arguments, **options)
                yield pyarrow.RecordBatch.from_pydict({"place": [min(places, default=-1)], "part": [made]})

            rows = frame.mapInArrow(partition, "place long, part binary").collect()
            return [bytes(row.part) for row in sorted(rows, key=lambda row: row.place)]

        counts = mapped(cluster.count, encoder)
        found = gathered(encoder, counts, lambda fit: mapped(cluster.encode, fit, key="id"), tmp_path / "index")
        assert_same(found, expected)
    finally:
        session.stop()
