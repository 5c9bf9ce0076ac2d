"""Durable rows: packed codes and vectors, keys and documents, with immutable snapshots for any number of readers."""

from hdc.store.joined import JoinedSnapshot, JoinedStore
from hdc.store.snapshot import Snapshot
from hdc.store.store import Store

__all__ = ["JoinedSnapshot", "JoinedStore", "Snapshot", "Store"]
