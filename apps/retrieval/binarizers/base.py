"""Binarizer, the base of all binarizers: scikit-learn conventions, input checked in blocks, scores and search.

Codes are ``(n, words)`` uint64 rows as in :mod:`hdc.words`. A code with several levels stores its bit planes one after
another, the most significant first, each in ``word_count(dim)`` words.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.files import read_model, write_model
from hdc.apps.retrieval.binarizers.symmetric import symmetric_scores, symmetric_search
from hdc.apps.retrieval.binarizers.transformer import VectorTransformer
from hdc.apps.retrieval.vectors.rows import as_rows, finite
from hdc.apps.retrieval.vectors.space import Mapped, Space
from hdc.checks import array, flag, integer
from hdc.dispatch import numpy_backend, search_kernels, table_kernels
from hdc.errors import DimensionError, DTypeError, FileFormatError, UnsupportedError
from hdc.kernels import Backend, SearchKernels
from hdc.words import Words, word_count

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

BLOCK_BYTES = 1 << 26
"""Temporaries of :meth:`Binarizer.transform` and of searches stay below about this many bytes (64 MiB) per thread."""

MOST_BITS = 1 << 20
"""Longest code, in components; recall stops improving far below."""

GROUP_BITS = 4
"""Bits per nibble table, which has one entry per value of these bits."""


def blocks(rows: int, row_bytes: int) -> Iterator[slice]:
    """Yield slices of ``rows`` rows whose temporaries use at most ``BLOCK_BYTES``."""
    step = max(1, BLOCK_BYTES // max(1, row_bytes))
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


class Binarizer(VectorTransformer):
    """Base of transformers from float vectors to packed codes, which also score vectors against codes."""

    dim_: int
    """Components of a code; set by :meth:`fit`."""
    mean_: Floats
    """Mean of the vectors after ``space_`` maps them."""
    space_: Space = Space("cosine", as_given=True)
    """Maps vectors and queries before every other step; set by :meth:`fit` if the class has a ``metric``."""
    backend: str
    """Backend that computes; :meth:`set_params` changes it at once."""

    @abstractmethod
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from ``(n, d)`` vectors."""

    @abstractmethod
    def _encode(self, x: Floats) -> Words:
        """Encode one block of checked, mapped rows."""

    def _encode_asked(self, x: Floats) -> Words:
        """Encode one block of mapped queries for comparison with codes; vectors too, if queries are mapped alike."""
        if self.space_.metric == "cosine":
            return self._encode(x)
        moved = x.copy()
        moved[:, : len(self.mean_)] += self.mean_
        return self._encode(moved)

    @abstractmethod
    def nibble_tables(self, queries: Any) -> Floats:
        """Return ``(q, 16, groups)`` float32: what each value of each four bits of a code adds to a query's product.

        Pass mapped queries, as for :meth:`tables`.
        """

    @property
    def kernels(self) -> Backend:
        """The backend that computes.

        Raises
        ------
        UnknownNameError, BackendUnavailableError
            If no backend has this name, or its library is not installed.
        UnsupportedError
            If the backend does not compute on NumPy arrays.
        """
        return numpy_backend(self.backend, f"a {type(self).__name__}")

    @property
    def _search_kernels(self) -> SearchKernels:
        return search_kernels(self.kernels)

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name; see :meth:`hdc.apps.parameters.Parameters.set_params`.

        A new backend computes from now on. Other changes apply at the next ``fit``.
        """
        super().set_params(**parameters)
        if "backend" in parameters and hasattr(self, "n_features_in_"):
            self._prepare()
        return self

    def scale(self, codes: Words) -> Floats:
        """Return ``(n,)`` float32 factors: the table sum of each code is multiplied by its factor."""
        return np.ones(len(codes), dtype=np.float32)

    def offset(self, codes: Words) -> Floats:
        """Return ``(n,)`` float32 offsets, added after the scale is applied."""
        return np.zeros(len(codes), dtype=np.float32)

    @property
    def symmetric(self) -> bool:
        """Whether codes can be compared with each other."""
        return True

    @property
    def levels(self) -> int:
        """Bit planes of a code."""
        return 1

    @property
    def words(self) -> int:
        """Words of a code."""
        self._check_fitted()
        return self.levels * word_count(self.dim_)

    @property
    def bits(self) -> int:
        """Used bits of a code: components times levels."""
        self._check_fitted()
        return self.dim_ * self.levels

    @property
    def bytes_per_vector(self) -> int:
        """Code size: bytes per vector that a search needs."""
        return self.words * 8

    def transform(self, X: Any) -> Any:
        """Encode vectors, block by block.

        Parameters
        ----------
        X : (n, d) array or data frame
            Numbers are read as float32. An array may be memory-mapped from a file larger than memory.

        Returns
        -------
        (n, words) uint64 array
            A data frame if :meth:`set_output` chose one.

        Raises
        ------
        ParameterError
            If the model is not fitted, a row contains NaN or infinity, or column names differ from those of ``fit``.
        DTypeError, DimensionError
            If X is not numeric, or its rows have another length than in ``fit``.
        """
        return self._contained(self.encode(self._given(X)), X)

    def encode(self, rows: npt.NDArray[Any]) -> Words:
        """Encode ``(n, d)`` numbers as :meth:`transform` does, but always return an array."""
        out = np.empty((len(rows), self.words), dtype=np.uint64)
        for part in blocks(len(rows), 16 * self._row_numbers):
            x = finite(rows[part], part.start)
            out[part] = self._encode(x if self.space_.as_given else self.space_.vectors(self._search_kernels, x))
        return out

    def encode_mapped(self, x: Floats, *, asked: bool = False) -> Words:
        """Encode ``(n, width)`` vectors, or queries if ``asked``, that ``space_`` has already mapped."""
        out, encode = np.empty((len(x), self.words), dtype=np.uint64), self._encode_asked if asked else self._encode
        for part in blocks(len(x), 16 * self._row_numbers):
            out[part] = encode(x[part])
        return out

    def _asked(self, rows: Floats) -> Floats:
        """Map checked queries by ``space_``."""
        return rows if self.space_.as_given else self.space_.queries(self._search_kernels, rows)

    def scores(self, queries: Any, codes: Words, *, asymmetric: bool = True) -> Floats:
        """Score every query against every code; a greater score means nearer.

        Parameters
        ----------
        queries : (q, d) float array, or (q, words) uint64 codes
            Codes are compared symmetrically.
        codes : (n, words) uint64 array
        asymmetric : bool
            For float queries. True estimates the score of the ``metric``: a cosine less the product with the mean, an
            inner product, or the negated squared Euclidean distance. False encodes the queries and returns the cosine
            between components of codes, exact up to the division by their norms.

        Returns
        -------
        (q, n) float32 array

        Raises
        ------
        DTypeError, DimensionError, ParameterError
            As :meth:`transform`, and if the codes have another size than this model's.
        UnsupportedError
            If codes would be compared with codes, but the model is not ``symmetric``.
        """
        items = self._as_codes(codes)
        if not self._looks_up(queries, asymmetric):
            signs = self._signs(self._as_query_codes(queries)), self._signs(items)
            return symmetric_scores(self.kernels, *signs, self.dim_, self.levels)
        rows = finite(as_rows(queries, self._check_fitted(), "queries"), 0, "queries")
        return self.space_.from_products(self.products(self._asked(rows), items), rows)

    def products(self, asked: Floats, codes: Words) -> Floats:
        """Estimate the ``(q, n)`` products of mapped queries with the mapped vectors behind the codes."""
        tables, as_bytes = self.tables(asked), self.sign_bytes(codes)
        sums = np.zeros((len(asked), len(codes)), dtype=np.float32)
        for group, values in enumerate(as_bytes.T):
            sums += tables[:, group, values]
        sums *= self.scale(codes)
        sums += self.offset(codes)
        return sums + self.beside(asked)[:, None]

    def beside(self, asked: Floats) -> Floats:
        """Return the ``(q,)`` float32 products with the mean, which codes leave out; zeros for cosine."""
        if self.space_.metric == "cosine":
            return np.zeros(len(asked), dtype=np.float32)
        return np.asarray(asked[:, : len(self.mean_)] @ self.mean_)

    def search(self, queries: Any, codes: Words, k: int = 10, *, asymmetric: bool = True) -> tuple[Floats, Ids]:
        """Find the k codes with the highest scores for each query, in bounded memory.

        Parameters
        ----------
        queries, codes, asymmetric
            As :meth:`scores`.
        k : int
            At least 1; at most n results are returned.

        Returns
        -------
        scores : (q, min(k, n)) float32 array
            Descending.
        ids : (q, min(k, n)) int64 array
            Among equal scores, the lower id comes first.

        Raises
        ------
        DTypeError, DimensionError, ParameterError
            As :meth:`scores`, and if k is less than 1.
        """
        items = self._as_codes(codes)
        k = min(integer(k, "k", 1), len(items))
        if not self._looks_up(queries, asymmetric):
            signs = self._signs(self._as_query_codes(queries)), self._signs(items)
            return symmetric_search(self.kernels, *signs, self.dim_, self.levels, k)
        return self._search_tables(queries, items, k)

    def _looks_up(self, queries: Any, asymmetric: bool) -> bool:
        floats = array(queries, "queries").dtype.kind == "f"
        asymmetric = flag(asymmetric, "asymmetric")
        if not self.symmetric and not (asymmetric and floats):
            raise UnsupportedError(f"codes of this {type(self).__name__} are not compared with codes; pass floats")
        return asymmetric and floats

    def _search_tables(self, queries: Any, codes: Words, k: int) -> tuple[Floats, Ids]:
        rows = as_rows(queries, self._check_fitted(), "queries")
        scores = np.empty((len(rows), k), dtype=np.float32)
        ids = np.empty((len(rows), k), dtype=np.int64)
        if k:
            as_bytes, scale, offset = self.sign_bytes(codes), self.scale(codes), self.offset(codes)
            for part in blocks(len(rows), 2 * as_bytes.shape[1] * 1024):
                own = finite(rows[part], part.start, "queries")
                asked = self._asked(own)
                best, ids[part] = table_kernels(self.kernels).top_k(self.tables(asked), as_bytes, scale, offset, k)
                scores[part] = self.space_.from_products(best + self.beside(asked)[:, None], own)
        return scores, ids

    def tables(self, queries: Any) -> Floats:
        """Return ``(q, groups, 256)`` float32: what each value of each byte of a code adds to a query's score."""
        return byte_tables(self.nibble_tables(queries))

    def sign_bytes(self, codes: Words) -> npt.NDArray[np.uint8]:
        """Return the ``(n, groups)`` uint8 bytes of codes that index the tables."""
        return np.ascontiguousarray(self._signs(codes), dtype="<u8").view(np.uint8)

    def _signs(self, codes: Words) -> Words:
        """Return the words of the bit planes, which tables and symmetric scores read."""
        return codes

    def _as_query_codes(self, queries: Any) -> Words:
        if np.asanyarray(queries).dtype.kind == "f":
            rows = finite(as_rows(queries, self._check_fitted(), "queries"), 0, "queries")
            return self.encode_mapped(self._asked(rows), asked=True)
        return self._as_codes(queries, "queries")

    def _as_codes(self, codes: Any, what: str = "codes") -> Words:
        found = array(codes, what)
        if found.dtype.kind != "u" or found.dtype.itemsize != 8:
            raise DTypeError(f"{what} must be packed uint64 codes from transform, not {found.dtype}")
        if found.ndim != 2 or found.shape[1] != self.words:
            raise DimensionError(f"{what} must have shape (n, {self.words}), not {found.shape}")
        words: Words = found.astype(np.uint64, copy=False)
        return words

    def _mapped(self, rows: npt.NDArray[Any], metric: Any, **options: bool) -> Mapped:
        """Fit ``space_`` for a metric, and return the rows of a fit mapped by it.

        Options are those of :meth:`Space.fit`.
        """
        self.space_ = Space.fit(metric, rows, **options)
        return Mapped(self.space_, self._search_kernels, rows)

    @property
    def _columns(self) -> int:
        return self.words

    @property
    def _row_numbers(self) -> int:
        """Numbers in memory per encoded row."""
        return 3 * self.n_features_in_ + self.bits

    def __sklearn_tags__(self) -> Any:
        """Return the tags that scikit-learn asks for: the output is words of codes for every input dtype."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(),
        )

    def save(self, folder: Any) -> None:
        """Write ``model.safetensors``, then ``model.json`` with its checksum, into a folder; create it if needed.

        The backend is not part of a saved model.

        Raises
        ------
        ParameterError
            If the model is not fitted.
        OSError
            If the folder cannot be written.
        """
        self._check_fitted()
        parameters = self._own_params()
        if self.space_.as_given:  # the format of models from before metrics existed
            parameters.pop("metric", None)
        arrays = self._state() | self.space_.to_arrays() | self._kept_names()
        write_model(folder, type(self).__name__, parameters, arrays)

    @classmethod
    def load(cls, folder: Any, backend: str = "auto") -> Self:
        """Load a model that :meth:`save` wrote, to compute on a backend.

        Raises
        ------
        FileFormatError
            If a file is damaged, from another version, or of another class of model.
        OSError
            If a file cannot be read.
        """
        parameters, arrays = read_model(folder, cls.__name__)
        model = cls(**{**parameters, "backend": backend})
        try:
            model._take_names(arrays)
            model.space_ = Space.of_arrays(parameters.get("metric", "cosine"), arrays)
            model._set_state(arrays)
        except KeyError as error:
            raise FileFormatError(f"the model in {folder} lacks {error}; it is from another version") from None
        return model

    def _own_params(self) -> dict[str, Any]:
        """Return the parameters that determine what a model learns: all but the backend."""
        return {name: value for name, value in self.get_params().items() if name != "backend"}

    @abstractmethod
    def _prepare(self) -> None:
        """Derive what searches need from the fitted arrays, on the backend."""

    @abstractmethod
    def _state(self) -> dict[str, npt.NDArray[Any]]:
        """Return the fitted arrays that a saved model stores."""

    @abstractmethod
    def _set_state(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Restore the arrays of :meth:`_state`."""


def byte_tables(nibbles: Floats) -> Floats:
    """Join the tables of each byte's halves, the low half first: ``(q, 16, 2b)`` to ``(q, b, 256)`` float32."""
    low, high = nibbles[:, None, :, 0::2], nibbles[:, :, None, 1::2]
    joined = (low + high).reshape(len(nibbles), 256, -1)
    return np.ascontiguousarray(joined.transpose(0, 2, 1))


def sign_tables(weights: Floats) -> Floats:
    """Return nibble tables whose sums are ``weights . signs``: ``(q, 4 groups)`` to ``(q, 16, groups)`` float32."""
    values = np.arange(1 << GROUP_BITS)[:, None] >> np.arange(GROUP_BITS)
    signs = (2.0 * (values & 1) - 1).astype(np.float32)
    tables: Floats = np.einsum("vb,qgb->qvg", signs, weights.reshape(len(weights), -1, GROUP_BITS))
    return tables
