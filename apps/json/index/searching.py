"""Search, explain and count documents, on the newest snapshot of an index of JSON documents."""

from collections.abc import Iterable
from typing import Any, TypeAlias, cast, overload

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.json.document.given import check_depth, taken
from hdc.apps.json.document.rules import Weights
from hdc.apps.json.encoder.decoding_capacity import Capacity
from hdc.apps.json.index.documents import Documents, parsed
from hdc.apps.json.index.explaining import Explainer
from hdc.apps.json.index.facets import Facets
from hdc.apps.json.index.hits import Hit, Hits
from hdc.apps.json.index.interpreting import Interpretation
from hdc.apps.json.index.matcher import Reasons
from hdc.apps.json.index.meaning import Meanings
from hdc.apps.json.index.posting_search import MISSING, Asking, Missing, PostingSearch
from hdc.apps.json.index.where import Condition, Conditions, Filter, as_filter
from hdc.checks import choice, instance, integer, listed
from hdc.distinct import distinct
from hdc.errors import ParameterError
from hdc.search.engine import Engine
from hdc.search.index import Index
from hdc.search.live import Mask, live
from hdc.search.measures import Floats, Ids
from hdc.search.postings.searcher import PostingRows
from hdc.search.searcher import Searcher
from hdc.store import Snapshot

Where: TypeAlias = str | Iterable[str] | Filter | None

PREDICTED = 32
"""Documents to predict capacity from: a prediction takes about a millisecond per value."""


class DocumentSearch(Index):
    """The read methods of :class:`~hdc.apps.json.index.index.JSONIndex`, which also adds and stores documents."""

    _meanings: Meanings
    _engine: Engine
    _documents: Documents
    _signs: Searcher

    def _posting_rows(self) -> PostingRows:
        """Return the posting rows of the newest snapshot."""
        return cast(PostingRows, self._engine.prepared())

    def texts(self, ids: npt.ArrayLike) -> list[bytes]:
        """Return documents as JSON texts; raises as :meth:`document` does."""
        snapshot = self.store.snapshot
        unpacked = self._meanings.of(snapshot).texts.unpacked
        return [unpacked(text or b"null") for text in snapshot.documents(self._positions(snapshot, ids))]

    def rows(self) -> int:
        """Return the number of rows in the store, with those of replaced and removed documents."""
        return self.store.snapshot.count

    def vectors(self, ids: npt.ArrayLike) -> Floats:
        """Return the vectors of documents: ``(n, dim)`` float32; if the index stores float16, rounded to it.

        Raises
        ------
        ParameterError
            If an id has no document.
        """
        snapshot = self.store.snapshot
        positions, meaning = self._positions(snapshot, ids), self._meanings.of(snapshot)
        if meaning.vectors == "float16":
            return snapshot.take("vectors", positions).astype(np.float32)
        return meaning.encoder.vectors([parsed(text, meaning.texts) for text in snapshot.documents(positions)])

    def source(self, number: int) -> str:
        """Return where a document was read, in the form of :class:`Hit`; raises as :meth:`document` does."""
        snapshot = self.store.snapshot
        return snapshot.sources(self._positions(snapshot, [integer(number, "an id")]))[0] or ""

    def _positions(self, snapshot: Snapshot, ids: npt.ArrayLike) -> Ids:
        try:
            return snapshot.positions(ids)
        except ParameterError:
            self._check_ids(ids)
            raise

    def _document(self, text: bytes | None) -> Any:
        return parsed(text, self._meanings.of(self.store.snapshot).texts)

    def filter(self, condition: Where) -> npt.NDArray[np.int64]:
        """Return the ids of the documents that meet a condition, ascending.

        Parameters
        ----------
        condition : str, iterable of str, or function of a document
            As ``where`` of :meth:`search`.
        """
        accept = as_filter(condition)
        if not isinstance(accept, Conditions | Condition):
            return super().filter(accept or (lambda _: True))
        search = self._search()
        return np.sort(search.rows.snapshot.ids[search.passing(accept)])

    # ------------------------------------------------------------------ search

    def search(
        self,
        query: Any,
        k: int = 10,
        *,
        where: Where = None,
        missing: Missing = "ignore",
        among: npt.ArrayLike | None = None,
        weights: Weights = None,
    ) -> Hits:
        """Find the documents that best match a (partial) document.

        The score is the share of the query's weight that the document matches: 1.0 is a full match. Fields that the
        query does not mention do not count, so a document's size does not matter. The result is exact, as if every
        document were compared.

        If no document has a value at a path and only one other path can be meant, that path is searched: see
        :meth:`interpret`. The hits' ``notes`` say so.

        Parameters
        ----------
        query : JSON value
            The key ``"*"`` matches any field: ``{"*": "red shoes"}``; beneath a path: ``{"author": {"*": "Ada"}}``.
        k : int
            At least 1.
        where : str, iterable of str, or function of a document, optional
            Conditions that must all be met; see :func:`parse_where`. Posting lists answer all but ``~`` and the
            order of texts; these and functions are tried on documents in order of score until enough pass. A function
            must not change the documents.
        missing : {"ignore", "count"}
            ``"count"`` also divides by what the document has beyond the query: only an equal document scores 1.0.
        among : (m,) array of ids, optional
            Find only these.
        weights : mapping of path to number, optional
            Override the encoder's weights of these paths, for this search only.

        Returns
        -------
        Hits
            A list of at most k hits, best first, equal scores by id; with ``notes``.

        Raises
        ------
        ParameterError
            If the query is not JSON or asks for nothing, a condition cannot be read, k is below 1, or an id does not
            exist.
        """
        query = taken(query, "the query")
        check_depth(query, "the query")
        k, accept = integer(k, "k", 1), as_filter(where)
        choice(missing, "missing", MISSING)
        search = self._search()
        return search.found(query, Asking(k, accept, missing, self._allowed(search, among), weights))

    def search_many(
        self,
        queries: Iterable[Any],
        k: int = 10,
        *,
        where: Where = None,
        missing: Missing = "ignore",
        among: npt.ArrayLike | None = None,
        weights: Weights = None,
    ) -> list[Hits]:
        """Return the hits of several queries on one state; parameters and errors as in :meth:`search`."""
        asked = listed(queries, "queries")
        k, accept, found = integer(k, "k", 1), as_filter(where), list[Hits]()
        choice(missing, "missing", MISSING)
        search = self._search()
        asking = Asking(k, accept, missing, self._allowed(search, among), weights)
        for query in asked:
            query = taken(query, "the query")
            check_depth(query, "the query")
            found.append(search.found(query, asking))
        return found

    def _search(self) -> PostingSearch:
        """Start a search of the newest snapshot by posting lists."""
        rows = self._posting_rows()
        return PostingSearch(rows, self._meanings.of(rows.snapshot), self._documents)

    def _allowed(self, search: PostingSearch, among: npt.ArrayLike | None) -> Ids | None:
        return None if among is None else distinct(self._positions(search.rows.snapshot, among))

    def interpret(self, query: Any) -> Interpretation:
        """Return a query as :meth:`search` reads it, and notes on paths where no document has a value.

        A path is corrected if only one thing can be meant: ``{"author": "Ada"}`` where authors are objects with a name,
        ``{"tags": "red"}`` where tags are arrays, ``{"auhtor": …}`` for ``author``, a key for the one path that ends in
        it. A text or number alone matches any field.

        Examples
        --------
        >>> from hdc.apps.json import JSONEncoder, JSONIndex
        >>> index = JSONIndex(JSONEncoder(64)).add([{"author": {"name": "Ada"}, "tags": ["red"]}])
        >>> index.interpret({"auhtor": "Ada", "tags": "red"}).query
        {'author': {'name': 'Ada'}, 'tags': ['red']}
        """
        search = self._search()
        return search.interpreted(taken(query, "the query"), search.meaning.layout)

    def like(self, number: int, k: int = 10, *, where: Where = None, among: npt.ArrayLike | None = None) -> Hits:
        """Find the documents nearest to a stored one, except itself, by the cosine of their vectors.

        Parameters
        ----------
        number : int
            Its id.
        k, where, among
            As for :meth:`search`.

        Raises
        ------
        ParameterError
            If an id does not exist, a condition cannot be read, or k is below 1.
        """
        k, accept, number = integer(k, "k", 1), as_filter(where), integer(number, "an id")
        search = self._search()
        own = int(self._positions(search.rows.snapshot, [number])[0])
        signs = None if search.meaning.vectors is None else self._signs.prepared(search.rows.snapshot, None)
        return Hits(search.like(own, Asking(k, accept, allowed=self._allowed(search, among)), signs))

    # ------------------------------------------------------------------ what documents have

    def paths(self) -> list[str]:
        """Return the paths at which documents have values, in their order; at most some thousands."""
        return list(self._search().counting.paths)

    def facets(
        self, paths: Iterable[str], *, where: Where = None, among: npt.ArrayLike | None = None, most: int = 20
    ) -> Facets:
        """Count what documents have at some paths: values, kinds, a histogram of numbers.

        Postings answer; see :mod:`hdc.apps.json.index.facets` for which values are counted.

        Parameters
        ----------
        paths : iterable of str
        where, among
            Which documents count, as for :meth:`search`.
        most : int
            Values of each path that are listed.

        Returns
        -------
        Facets
            A list of one facet per path; ``documents`` says how many documents counted.

        Raises
        ------
        ParameterError
            If a path or a condition is invalid, or an id has no document.

        Examples
        --------
        >>> from hdc.apps.json import JSONEncoder, JSONIndex
        >>> index = JSONIndex(JSONEncoder(64)).add([{"color": "red"}, {"color": "red"}, {"color": "blue"}])
        >>> index.facets(["color"])[0].values
        (('red', 2), ('blue', 1))
        """
        most, search = integer(most, "most", 1), self._search()
        mask = self._counted(search, where, among)
        found = [search.counting.facet(path, mask, most) for path in listed(paths, "paths")]
        return Facets(found, len(live(search.rows.snapshot)) if mask is None else int(mask.sum()))

    def suggest(self, path: str, prefix: str = "", *, where: Where = None, most: int = 20) -> list[tuple[Any, int]]:
        """Return values at a path that begin with a text, and how many documents have each; as :meth:`facets`.

        Examples
        --------
        >>> from hdc.apps.json import JSONEncoder, JSONIndex
        >>> index = JSONIndex(JSONEncoder(64)).add([{"color": "red"}, {"color": "blue"}])
        >>> index.suggest("color", "r")
        [('red', 1)]
        """
        most, search = integer(most, "most", 1), self._search()
        return search.counting.values(path, checks.text(prefix, "prefix"), self._counted(search, where, None), most)

    def capacity(self, target: float = 0.99) -> Capacity:
        """Predict how well values can be decoded, from a sample of documents; see :meth:`JSONEncoder.capacity`."""
        search = self._search()
        return search.meaning.encoder.capacity(search.counting.few(PREDICTED), target)

    def _counted(self, search: PostingSearch, where: Where, among: npt.ArrayLike | None) -> Mask | None:
        """Return which rows meet the conditions: ``(rows,)`` bool; None if all do."""
        accept, allowed = as_filter(where), self._allowed(search, among)
        if accept is None and allowed is None:
            return None
        passing = live(search.rows.snapshot) if accept is None else search.passing(accept)
        mask = np.zeros(search.rows.snapshot.count, bool)
        mask[passing if allowed is None else np.intersect1d(passing, allowed)] = True
        return mask

    # ------------------------------------------------------------------ reasons

    @overload
    def explain(self, query: Any, hit: Hit, *, weights: Weights = None) -> Reasons: ...

    @overload
    def explain(self, query: Any, hit: Iterable[Hit], *, weights: Weights = None) -> list[Reasons]: ...

    def explain(self, query: Any, hit: Hit | Iterable[Hit], *, weights: Weights = None) -> Reasons | list[Reasons]:
        """Say which leaves of the query made a hit's score, or the scores of several.

        Pass all hits at once: the query is then taken apart once, and all are explained on one state of the index.

        Parameters
        ----------
        query : JSON value
            What :meth:`search` was given, or the document that :meth:`like` was asked about.
        hit : Hit, or iterable of Hit
        weights : mapping of path to number, optional
            What :meth:`search` was given.

        Returns
        -------
        Reasons, or list of Reasons
            Of each hit a list of Reason, the largest share first.
            The shares sum to the score. For a cosine a leaf's share is its own vector's part of the dot
            product: a leaf without counterpart has a share of about 0, within 1/sqrt(dim).

        Raises
        ------
        ParameterError
            If the query is not JSON or asks for nothing, a path or weight is invalid, or ``hit`` is not a hit.

        Examples
        --------
        >>> from hdc.apps.json import JSONEncoder, JSONIndex
        >>> index = JSONIndex(JSONEncoder(64)).add([{"name": "Ada", "born": 1815}, {"name": "Ada"}])
        >>> query = {"name": "Ada"}
        >>> hits = index.search(query)
        >>> for hit, reasons in zip(hits, index.explain(query, hits)):
        ...     print(hit.id, [reason.to_dict() for reason in reasons])
        0 [{'path': 'name', 'query': 'Ada', 'match': 'Ada', 'share': 1.0}]
        1 [{'path': 'name', 'query': 'Ada', 'match': 'Ada', 'share': 1.0}]
        """
        explainer = Explainer(self._search(), taken(query, "the query"), weights)
        if isinstance(hit, Hit):
            return explainer.reasons([hit])[0]
        try:
            hits = list(hit)
        except TypeError:
            raise checks.wrong(hit, "hit", "a Hit or an iterable of hits") from None
        return explainer.reasons([instance(one, "each hit", Hit) for one in hits])
