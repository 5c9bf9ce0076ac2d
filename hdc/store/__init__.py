"""Durable rows: packed codes and vectors in memory-mapped files, documents and keys in SQLite."""

from hdc.store.store import Store

__all__ = ["Store"]
