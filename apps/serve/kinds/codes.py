"""Indexes of packed codes."""

from dataclasses import asdict
from typing import Any, ClassVar

from hdc.apps.serve import models
from hdc.apps.serve.answers import unprocessable
from hdc.apps.serve.kinds.kind import Kind, Name, Queries, Result, hits, named_options
from hdc.apps.serve.vectors import codes_of
from hdc.search.measures import Ids
from hdc.search.options import options_of


class Codes(Kind):
    """Operations of a :class:`~hdc.apps.retrieval.BinaryIndex`."""

    NAME: ClassVar[Name] = "codes"
    SINGLE = ("code",)
    SEVERAL = ("codes",)
    IGNORED = ("where", "missing", "weights", "explain")

    def asked(self, name: str, values: list[Any], body: models.Found) -> Queries:
        """Return codes in the shape of the index."""
        return codes_of(values, self.index, body.bitorder)

    def search(self, queries: Queries, found: models.Found) -> list[Result]:
        """Return one result per code, by distance."""
        rows = self.index.search(queries, found.k, among=found.among, **self._options(found))
        measure = "bits" if self.index.levels == 1 else "cosine"
        return [{"hits": self.with_keys(hits("distance", measure, *row))} for row in zip(*rows, strict=True)]

    def like(self, number: int, found: models.Like) -> Result:
        """Return the codes nearest to a row's code, without the row itself."""
        self.check(found)
        (result,) = self.search(self.index.codes([number]), found.model_copy(update={"k": found.k + 1}))
        return {"hits": [hit for hit in result["hits"] if hit["id"] != number][: found.k]}

    @staticmethod
    def _options(found: models.Found) -> dict[str, int]:
        options = named_options(found)
        if "prefix" in options:
            raise unprocessable("prefix is for an index of embeddings whose model was trained with prefixes")
        return options

    def how(self, found: models.Found) -> tuple[bool, dict[str, Any]]:
        """Return whether a search compares all codes, and its options."""
        chosen = asdict(options_of(self.index.kind, None, **self._options(found)))
        return self.index.kind == "flat", {name: value for name, value in chosen.items() if value is not None}

    def info(self) -> dict[str, Any]:
        """Return the length of codes."""
        return {"dim": self.index.dim, "levels": self.index.levels, "search": self.index.kind}

    def prepare(self) -> None:
        """Build lists, planes or a graph."""
        self.index.engine.prepared()

    def add(self, body: models.Write) -> Ids:
        """Add codes."""
        if body.codes is None or body.documents is not None or body.vectors is not None:
            raise unprocessable("to an index of codes you add codes")
        codes = codes_of(body.codes, self.index, body.bitorder)
        if not body.replace:
            added: Ids = self.index.add(codes, keys=body.keys)
            return added
        if body.keys is None:
            raise unprocessable("replace needs keys, which name the rows to replace")
        replaced: Ids = self.index.put(codes, body.keys)
        return replaced
