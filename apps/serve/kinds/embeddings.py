"""Indexes of embeddings."""

from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval import EmbeddingIndex, ShardedIndex
from hdc.apps.retrieval.vectors.texts import Encoder, encoded
from hdc.apps.serve import models
from hdc.apps.serve.answers import unprocessable
from hdc.apps.serve.kinds.kind import Kind, Name, Queries, Result, hits, named_options
from hdc.apps.serve.vectors import vectors_of
from hdc.errors import UnsupportedError
from hdc.search.measures import Floats, Ids


class Embeddings(Kind):
    """Operations of an :class:`~hdc.apps.retrieval.EmbeddingIndex`, or of several as one.

    Parameters
    ----------
    index : EmbeddingIndex or ShardedIndex
    encoder : function, optional
        The encoder of texts that made the vectors.
    """

    NAME: ClassVar[Name] = "embeddings"
    SINGLE = ("text", "vector")
    SEVERAL = ("texts", "vectors")
    IGNORED = ("where", "missing", "weights", "explain", "bitorder")

    def __init__(self, index: EmbeddingIndex | ShardedIndex, encoder: Encoder | None = None) -> None:
        super().__init__(index)
        self._encoder = encoder

    def asked(self, name: str, values: list[Any], body: models.Found) -> Queries:
        """Return ``(n, dim)`` vectors."""
        if name not in ("text", "texts"):
            return vectors_of(values, self.index.model.n_features_in_)
        if self._encoder is None:
            raise unprocessable("this index has no encoder of texts; send a vector, or start the server with --encoder")
        return encoded(values, self._encoder)

    def search(self, queries: Queries, found: models.Found) -> list[Result]:
        """Return one result per vector."""
        scores, ids = self.index.search(queries, found.k, among=found.among, **named_options(found))
        measure = self.first.metric
        return [{"hits": self.with_keys(hits("score", measure, *row))} for row in zip(scores, ids, strict=True)]

    def like(self, number: int, found: models.Like) -> Result:
        """Return the vectors nearest to a row's, without the row: by its kept vector, or otherwise by its code."""
        self.check(found)
        shard, own = self._owner(number)
        if shard.codes.originals is not None:
            wider = found.model_copy(update={"k": found.k + 1})
            (result,) = self.search(self._original(shard, own), wider)
            near = result["hits"]
        elif shard is self.index and shard.codes.reader is None and shard.codes.levels == 1:
            options = named_options(found)
            codes = shard.codes.codes([own])
            row = shard.codes.search(codes, found.k + 1, among=found.among, **options)
            near = self.with_keys(hits("distance", "bits", row[0][0], row[1][0]))
        else:
            raise UnsupportedError("this index keeps no vectors to search with; make it with keep=, or send the vector")
        return {"hits": [hit for hit in near if hit["id"] != number][: found.k]}

    @property
    def first(self) -> EmbeddingIndex:
        """The index, or its first shard."""
        shard: EmbeddingIndex = self.index.shards[0] if isinstance(self.index, ShardedIndex) else self.index
        return shard

    def _owner(self, number: int) -> tuple[EmbeddingIndex, int]:
        """Return the shard of a row, and the row's id there."""
        if not isinstance(self.index, ShardedIndex):
            return self.index, number
        at = int(self.index.store.snapshot.owners(np.array([number]))[0])
        return self.index.shards[at], number - self.index.offsets[at]

    @staticmethod
    def _original(shard: EmbeddingIndex, number: int) -> Floats:
        originals, snapshot, space = shard.codes.originals, shard.store.snapshot, shard.model.space_
        assert originals is not None
        vectors = originals.decoded(snapshot, snapshot.positions([number]))
        return vectors if space.center is None or space.metric != "l2" else vectors + space.center

    def how(self, found: models.Found) -> tuple[bool, dict[str, Any]]:
        """Return whether a search compares the codes of all rows, and its options."""
        options = named_options(found)
        prefix = options.pop("prefix", None)
        chosen = asdict(self.first.chosen(found.k, None, **options))
        chosen = {name: value for name, value in {**chosen, "prefix": prefix}.items() if value is not None}
        return self.index.kind == "flat" and prefix is None, chosen

    def info(self) -> dict[str, Any]:
        """Return the description of the model and its codes."""
        model, originals = self.index.model, self.first.codes.originals
        return {
            "dim": model.n_features_in_,
            "bits": model.bits,
            "binarizer": type(model).__name__,
            "metric": self.first.metric,
            "search": self.index.kind,
            "keeps": None if originals is None else originals.dtype,
            "texts": self._encoder is not None,
        }

    def prepare(self) -> None:
        """Build lists, planes or a graph."""
        for shard in self.index.shards if isinstance(self.index, ShardedIndex) else [self.index]:
            shard.prepare()

    def add(self, body: models.Write) -> Ids:
        """Add vectors."""
        if body.vectors is None or body.documents is not None or body.codes is not None or body.bitorder is not None:
            raise unprocessable("to an index of embeddings you add vectors")
        vectors: npt.NDArray[np.float32] = vectors_of(body.vectors, self.index.model.n_features_in_)
        if not body.replace:
            added: Ids = self.index.add(vectors, body.keys)
            return added
        if isinstance(self.index, ShardedIndex):
            raise UnsupportedError("rows of a sharded index cannot be replaced; remove them, then add the new ones")
        if body.keys is None:
            raise unprocessable("replace needs keys, which name the rows to replace")
        return self.first.put(vectors, body.keys)
