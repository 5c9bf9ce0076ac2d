"""The store against a dictionary: any sequence of changes, reopenings and compactions."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hdc.store import Store

FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None
KEYS = st.sampled_from("abcdefgh")
BATCHES = st.dictionaries(KEYS, st.tuples(st.integers(0, 255), st.none() | st.binary(max_size=5)), max_size=4)


def column(values):
    return {"codes": np.array(values, np.uint8).reshape(-1, 1)}


class StoreMachine(RuleBasedStateMachine):
    """``self.model`` maps ids to (value, key, document); ``self.seen`` is the reader's copy of an earlier one."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=FAST))
        self.store = Store.create(self.folder / "s", "thing", {"codes": ("u1", 1)})
        self.reader = Store.open(self.folder / "s", "thing")
        self.model, self.seen, self.next_id = {}, {}, 0
        self.kept = []

    def teardown(self):
        self.store.close()
        self.reader.close()
        shutil.rmtree(self.folder)

    def ids_of(self, keys):
        held = {key: number for number, (_, key, _) in self.model.items()}
        return [held.get(key) for key in keys]

    def expect(self, ids, batch):
        for number, (key, (value, document)) in zip(ids, batch.items(), strict=True):
            self.model[number] = (value, key, document)

    def new_ids(self, count):
        self.next_id += count
        return list(range(self.next_id - count, self.next_id))

    @rule(values=st.lists(st.integers(0, 255), max_size=3))
    def append(self, values):
        ids = self.new_ids(len(values))
        assert self.store.append(column(values)).tolist() == ids
        self.model.update({number: (value, None, None) for number, value in zip(ids, values, strict=True)})

    @rule(batch=BATCHES)
    def put(self, batch):
        held = self.ids_of(batch)
        new = iter(self.new_ids(held.count(None)))
        ids = [next(new) if number is None else number for number in held]
        values, documents = [v for v, _ in batch.values()], [d for _, d in batch.values()]
        assert self.store.put(column(values), keys=list(batch), documents=documents).tolist() == ids
        self.expect(ids, batch)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), value=st.integers(0, 255))
    def replace(self, data, value):
        number = data.draw(st.sampled_from(sorted(self.model)))
        self.store.replace([number], column([value]))
        self.model[number] = (value, *self.model[number][1:])

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data):
        gone = data.draw(st.sets(st.sampled_from(sorted(self.model)), max_size=3))
        assert self.store.remove(ids=sorted(gone)) == len(gone)
        for number in gone:
            del self.model[number]

    @rule()
    def compact(self):
        self.store.compact()
        assert self.store.alive() is None

    @rule()
    def reopen(self):
        self.store.close()
        self.store = Store.open(self.folder / "s", "thing", writable=True)

    @rule(of_reader=st.booleans())
    def keep(self, of_reader):
        """Take a snapshot, which is the same at the end."""
        store, model = (self.reader, self.seen) if of_reader else (self.store, self.model)
        self.kept.append((store.snapshot, dict(model)))

    @rule()
    def refresh(self):
        self.reader.refresh()
        self.seen = dict(self.model)

    def content(self, snapshot):
        alive = snapshot.alive
        live = np.flatnonzero(np.ones(snapshot.count, bool) if alive is None else alive)
        values = snapshot.rows("codes")[live, 0].tolist()
        assert snapshot.take("codes", live)[:, 0].tolist() == values
        ids = snapshot.ids[live].tolist()
        assert len(ids) == len(set(ids)) == len(snapshot)
        assert snapshot.positions(ids).tolist() == live.tolist()
        keys, documents = snapshot.keys(live), snapshot.documents(live)
        assert snapshot.entries(live) == list(zip(keys, documents, [None] * len(ids), strict=True))
        rows = dict(zip(keys, live.tolist(), strict=True))
        assert snapshot.find_all("abcdefgh") == [rows.get(key) for key in "abcdefgh"]
        return dict(zip(ids, zip(values, keys, documents, strict=True), strict=True))

    @invariant()
    def holds_what_the_model_holds(self):
        assert self.content(self.store.snapshot) == self.model
        assert self.content(self.reader.snapshot) == self.seen
        assert [self.store.find(key) for key in "abcdefgh"] == self.ids_of("abcdefgh")
        for snapshot, model in self.kept:
            assert self.content(snapshot) == model
        self.store.verify()
        self.reader.verify()


StoreMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
test_store_machine = StoreMachine.TestCase
