"""Search engines for JSON documents, ours and its opponents, with one interface.

Opponents see a document as tokens: ``path=value`` of each leaf, ``path~word`` of each word of a text (letters and
digits, lower case), and with ``grams`` also ``path#abc``, the 3-grams of each word with a mark at both ends. Items of
an array share the path of the array. BM25 has the parameters that its library starts with; TF-IDF is scikit-learn's,
sublinear, rows of length 1. Each runs on one thread.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1", RAYON_NUM_THREADS="1")

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.json import JSONEncoder, JSONIndex

Documents: TypeAlias = Callable[[], Iterable[Any]]
"""Starts the documents of a collection anew, so that nothing need hold them."""

Found: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]
"""Ids, which count from 0, and scores above 0, best first."""

WORD = re.compile(r"\w+")
SEPARATOR = "\x00"
"""Between the tokens that tantivy gets as one text; in no text of the collections."""


def tokens(document: Any, grams: bool = False) -> list[str]:
    """Return the tokens of a document, once for each time they are there."""
    return list(_tokens(document, "", grams))


def _tokens(value: Any, path: str, grams: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _tokens(item, f"{path}.{key}", grams)
    elif isinstance(value, list):
        for item in value:
            yield from _tokens(item, f"{path}[]", grams)
    else:
        yield f"{path}={value}"
        if isinstance(value, str):
            for word in WORD.findall(value.lower()):
                yield f"{path}~{word}"
                if grams:
                    marked = f"<{word}>"
                    yield from (f"{path}#{marked[at : at + 3]}" for at in range(len(marked) - 2))


class Ours:
    """JSONIndex with its defaults, fitted to the documents as the command line does it, in a folder."""

    title = "hdc"

    def __init__(self, documents: Documents, folder: Path) -> None:
        hdc.threads(1)
        self.folder = folder / "hdc"
        self.index = JSONIndex.create(self.folder, JSONEncoder().fit(documents()))
        self.index.add(documents())

    def search(self, query: Any, k: int) -> Found:
        """Return the k best at most."""
        hits = [hit for hit in self.index.search(query, k) if hit.score > 0]
        return np.array([hit.id for hit in hits], np.int64), np.array([hit.score for hit in hits])

    def size(self) -> int:
        """Return the bytes of the index."""
        return _size(self.folder)


class TFIDF:
    """scikit-learn's TfidfVectorizer; a query goes through the documents that share a token with it."""

    title = "TF-IDF"
    grams = False

    def __init__(self, documents: Documents, folder: Path) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vectorizer = TfidfVectorizer(analyzer=lambda text: text, sublinear_tf=True)
        rows = self.vectorizer.fit_transform(tokens(document, self.grams) for document in documents())
        self.postings = rows.T.tocsr()

    def search(self, query: Any, k: int) -> Found:
        """Return the k best at most."""
        row = self.vectorizer.transform([tokens(query, self.grams)])
        found = row @ self.postings
        return _best(found.indices, found.data, k)

    def size(self) -> int:
        """Return the bytes of the index."""
        return int(self.postings.data.nbytes + self.postings.indices.nbytes + self.postings.indptr.nbytes)


class TFIDFGrams(TFIDF):
    """The same with 3-grams of words."""

    title = "TF-IDF + 3-grams"
    grams = True


class BM25s:
    """bm25s with its compiled backend."""

    title = "BM25 (bm25s)"
    grams = False

    def __init__(self, documents: Documents, folder: Path) -> None:
        import bm25s

        self.folder = folder / "bm25s"
        numbers: dict[str, int] = {}
        ids = [
            [numbers.setdefault(token, len(numbers)) for token in tokens(document, self.grams)]
            for document in documents()
        ]
        self.count = len(ids)
        self.index = bm25s.BM25(backend="numba")
        self.index.index((ids, numbers), show_progress=False)

    def search(self, query: Any, k: int) -> Found:
        """Return the k best at most."""
        asked = [token for token in tokens(query, self.grams) if token in self.index.vocab_dict]
        if not asked:
            return np.empty(0, np.int64), np.empty(0)
        ids, scores = self.index.retrieve([asked], k=min(k, self.count), show_progress=False, n_threads=1)
        good = scores[0] > 0
        return ids[0][good].astype(np.int64), scores[0][good].astype(float)

    def size(self) -> int:
        """Return the bytes of the index."""
        self.index.save(self.folder, show_progress=False)
        return _size(self.folder)


class BM25sGrams(BM25s):
    """The same with 3-grams of words."""

    title = "BM25 + 3-grams (bm25s)"
    grams = True


class Tantivy:
    """tantivy: one text field without positions, the number of the document beside it, one segment."""

    title = "BM25 (tantivy)"
    HEAP = 256 << 20

    def __init__(self, documents: Documents, folder: Path) -> None:
        import tantivy

        self.folder = folder / "tantivy"
        self.folder.mkdir()
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("tokens", stored=False, tokenizer_name="separated", index_option="freq")
        schema.add_integer_field("number", stored=False, indexed=False, fast=True)
        self.schema = schema.build()
        index = tantivy.Index(self.schema, path=str(self.folder))
        separated = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(f"[^{SEPARATOR}]+")).build()
        index.register_tokenizer("separated", separated)
        writer = index.writer(self.HEAP, num_threads=1)
        for number, document in enumerate(documents()):
            writer.add_document(tantivy.Document(tokens=SEPARATOR.join(tokens(document)), number=number))
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        self.searcher = index.searcher()
        self.term, self.boolean = tantivy.Query.term_query, tantivy.Query.boolean_query
        self.should = tantivy.Occur.Should

    def search(self, query: Any, k: int) -> Found:
        """Return the k best at most."""
        asked = [(self.should, self.term(self.schema, "tokens", token, "freq")) for token in tokens(query)]
        hits = self.searcher.search(self.boolean(asked), limit=k, count=False).hits
        ids = self.searcher.fast_field_values("number", [address for _, address in hits])
        return np.array(ids, np.int64), np.array([score for score, _ in hits])

    def size(self) -> int:
        """Return the bytes of the index."""
        return _size(self.folder)


ENGINES: dict[str, Callable[[Documents, Path], Any]] = {
    engine.title: engine  # type: ignore[attr-defined]
    for engine in (Ours, TFIDF, BM25s, Tantivy, TFIDFGrams, BM25sGrams)
}


def _best(ids: Any, scores: Any, k: int) -> Found:
    if len(ids) > k:
        best = np.argpartition(-scores, k - 1)[:k]
        ids, scores = ids[best], scores[best]
    order = np.lexsort((ids, -scores))
    return ids[order].astype(np.int64), scores[order]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def text_bytes(documents: Documents) -> int:
    """Return the bytes of the documents as JSON Lines."""
    return sum(
        len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()) + 1 for document in documents()
    )
