"""Searches in many threads while another one changes the index: every answer is that of one state of it."""

import os
import threading

import numpy as np
import pytest

from hdc import words
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, RaBitQBinarizer, RecurrentBinarizer, SignBinarizer
from hdc.search import hnsw, once

DIM, THREADS, CHANGES = 40, 4, 25


def clustered(n, seed=0):
    centers = np.random.default_rng(9).standard_normal((10, DIM))
    rng = np.random.default_rng(seed)
    x = centers[rng.integers(0, 10, n)] + 0.6 * rng.standard_normal((n, DIM))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


class Codes:
    """A BinaryIndex, and what it should answer."""

    def __init__(self, kind, levels, path):
        self.kind, self.levels, self.path = kind, levels, path
        self.index = BinaryIndex(DIM, kind=kind, levels=levels, path=path)
        if kind == "ivf":
            self.index.train(self.rows(clustered(100)), 5)

    def rows(self, x):
        codes = words.pack(x > 0)
        return codes if self.levels == 1 else np.stack([codes, words.pack(np.abs(x) > 0.1)], axis=1)

    def options(self):
        own = {"ivf": {"probes": 5}, "hnsw": {"effort": 60}}.get(self.kind, {})
        return own if self.levels == 1 else own | {"candidates": 10**6}

    def search(self, x, k):
        return self.index.search(self.rows(x), k, **self.options())

    def open(self):
        return BinaryIndex.open(self.path)

    def twin(self):
        """Return an empty one that finds exactly what this one finds, or in a graph may find."""
        return Codes("flat", self.levels, None)


class Embeddings(Codes):
    """An EmbeddingIndex that ends with exact cosines of all rows, or estimates them."""

    def __init__(self, kind, model, path):
        self.kind, self.levels, self.path = kind, 1, path
        self.index = EmbeddingIndex.create(path, model, kind=kind, keep="int8" if kind == "ivf" else None)

    def rows(self, x):
        return x

    def options(self):
        return {"probes": 5, "candidates": 10**6} if self.kind == "ivf" else {}

    def open(self):
        return EmbeddingIndex.open(self.path)

    def twin(self):
        return Embeddings(self.kind, self.index.model, None)


def subjects():
    for kind in ("flat", "ivf", "hnsw"):
        for levels in (1, 2):
            yield pytest.param(lambda path, k=kind, n=levels: Codes(k, n, path), id=f"codes-{kind}-{levels}")
    x = clustered(100)
    models = {"rabitq-ivf": RaBitQBinarizer(lists=5), "rabitq-flat": RaBitQBinarizer(), "sign-flat": SignBinarizer()}
    models["recurrent-flat"] = RecurrentBinarizer(dim=64, rounds=1)
    for name, model in models.items():
        yield pytest.param(lambda path, m=model, k=name: Embeddings(k.split("-")[1], m.fit(x), path), id=name)


def made(make, path):
    try:
        return make(path)
    except ImportError:
        pytest.skip("usearch is not installed")


def together(*jobs):
    """Run functions in threads at once; raise what one of them raises."""
    errors = []
    gate = threading.Barrier(len(jobs))

    def run(job):
        gate.wait()
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("make", list(subjects()))
def test_a_fresh_index_is_searched_by_many_threads_at_once(make, tmp_path):
    subject = made(make, tmp_path / "i")
    subject.index.add(subject.rows(clustered(700)))
    queries = clustered(24, seed=3)
    subject.search(queries, 5)  # builds the graph, if there is one
    subject.index.close()
    subject.index = subject.open()
    found = [None] * 8

    def search(i):
        found[i] = [subject.search(queries[at : at + 1 + 11 * (i % 2)], 5) for at in range(0, 24, 1 + 11 * (i % 2))]

    together(*(lambda i=i: search(i) for i in range(8)))
    expected = subject.search(queries, 5)
    for parts in found:
        scores, ids = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        np.testing.assert_array_equal(ids, expected[1])
        np.testing.assert_allclose(scores, expected[0], atol=1e-6)


QUICK = ("codes-ivf-2", "codes-hnsw-1")
"""Lists and graphs, which a search prepares; the others are marked as slow."""


@pytest.mark.parametrize(
    "make", [pytest.param(*s.values, id=s.id, marks=[] if s.id in QUICK else [pytest.mark.slow]) for s in subjects()]
)
def test_answers_are_of_one_state_while_a_writer_changes_it(make, tmp_path, monkeypatch):
    monkeypatch.setattr(hnsw, "LEAST_TAIL", 15)  # the graph is copied and extended often
    monkeypatch.setattr(hnsw, "TAIL", 8)
    subject = made(make, tmp_path / "i")
    queries = clustered(3, seed=5)
    states, held, done = [], {}, threading.Event()

    def settle():
        """Note the state after a change; searches that ran meanwhile may have seen this one or the one before."""
        states.append(dict(held))

    def change():
        rng = np.random.default_rng(1)
        try:
            for step in range(CHANGES):
                x = clustered(int(rng.integers(1, 40)), seed=100 + step)
                what = rng.choice(["add", "add", "remove", "update", "compact"])
                living = sorted(held)
                if what == "add" or len(living) < 20:
                    held.update(zip(subject.index.add(subject.rows(x)).tolist(), x, strict=True))
                elif what == "remove":
                    gone = rng.choice(living, 7, replace=False).tolist()
                    subject.index.remove(ids=gone)
                    for number in gone:
                        del held[number]
                elif what == "update":
                    some = rng.choice(living, min(5, len(x)), replace=False).tolist()
                    subject.index.update(some, subject.rows(x[: len(some)]))
                    held.update(zip(some, x, strict=False))
                else:
                    subject.index.compact()
                settle()
        finally:
            done.set()

    answers = []

    def ask(i):
        while not done.is_set():
            before = len(states)
            found = subject.search(queries[: 1 + i % 3], 8)
            answers.append((before, len(states), found))

    settle()
    together(change, *(lambda i=i: ask(i) for i in range(THREADS)))
    every = {}

    def expected(state):
        """Return distances or scores, and ids, of all rows of a state."""
        if state not in every:
            twin, ids = subject.twin(), np.array(sorted(states[state]), dtype=np.int64)
            rows = np.array([states[state][number] for number in ids.tolist()], dtype=np.float32).reshape(-1, DIM)
            twin.index.add(subject.rows(rows))
            values, places = twin.search(queries, max(1, len(ids)))
            every[state] = values, ids[places] if len(ids) else places
        return every[state]

    def possible(found, state):
        (values, ids), (all_values, all_ids) = found, (part[: len(found[1])] for part in expected(state))
        if ids.shape[1] != min(8, all_ids.shape[1]):
            return False
        if subject.kind == "hnsw":  # which may miss rows
            known = [dict(zip(i, v, strict=True)) for i, v in zip(all_ids.tolist(), all_values.tolist(), strict=True)]
            hits = [zip(i, v, strict=True) for i, v in zip(ids.tolist(), values.tolist(), strict=True)]
            return all(row.get(i) == v for row, pairs in zip(known, hits, strict=True) for i, v in pairs)
        return bool((ids == all_ids[:, :8]).all()) and np.allclose(values, all_values[:, :8], atol=1e-6)

    assert len(answers) >= THREADS
    for before, after, found in answers[:: max(1, len(answers) // 100)]:
        between = range(max(0, before - 1), min(after + 1, len(states)))
        assert any(possible(found, state) for state in between), (before, after)


# ---------------------------------------------------------------------- turns and forks


def test_turns_are_of_one_setting_at_a_time():
    now, seen, running = [None], [], [0, 0]
    turns = once.Turns(lambda setting: now.__setitem__(0, setting))

    def run(setting):
        for _ in range(200):
            with turns.at(setting):
                running[setting] += 1
                seen.append((now[0], setting, running[1 - setting]))
                running[setting] -= 1

    together(*(lambda i=i: run(i % 2) for i in range(6)))
    assert len(seen) == 1200
    assert {(have, other) for have, wanted, other in seen if have == wanted} == {(0, 0), (1, 0)}
    assert all(have == wanted for have, wanted, _ in seen)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_a_forked_child_searches_whatever_the_parents_threads_hold(kind, tmp_path):
    subject = made(lambda path: Codes(kind, 1, path), tmp_path / "i")
    subject.index.add(subject.rows(clustered(300)))
    queries = clustered(12, seed=3)
    expected = subject.search(queries, 5)[1]
    held, leave = threading.Event(), threading.Event()
    turns = once.Turns(lambda setting: None)

    def hold():
        with subject.index.engine._preparing, turns.at(1):
            held.set()
            leave.wait()

    holder = threading.Thread(target=hold)
    subject.index.add(subject.rows(clustered(1, seed=9)) ^ np.uint64(0))  # to be prepared
    holder.start()
    held.wait()
    child = os.fork()
    if child == 0:
        with turns.at(2):
            found = subject.search(queries, 301)[1]
        os._exit(0 if (np.sort(found, axis=1)[:, -1] == 300).all() or kind == "hnsw" else 1)
    leave.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert expected.shape == (12, 5)
