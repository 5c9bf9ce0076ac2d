"""JSON documents to vectors, after Gallant (2022), "Orthogonal Matrices for MBAT, and a 'Soft' VSA for JSON".

An object is the sum of its values, each bound by the operator of its key; an array is the sum of its items,
bound by a power of one operator where order counts. Written out, a document is a weighted sum of its leaves,
each bound by the operators along its path, so a batch of documents is a sparse matrix times leaf vectors.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, Literal, Self, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

import hdc
from hdc import words
from hdc.apps.estimators import Transformer
from hdc.apps.garbage import uncollected
from hdc.apps.json.document.batches import Batch, batches, weigh
from hdc.apps.json.document.given import given, taken
from hdc.apps.json.document.leaves import LeafTable
from hdc.apps.json.document.paths import Path, parse_path
from hdc.apps.json.document.rules import Arrays, Layout, Weights
from hdc.apps.json.encoder.decoder import SIGN_GAIN, Decoder
from hdc.apps.json.encoder.decoding_capacity import Capacity, predict
from hdc.apps.json.encoder.leaf_vectors import LeafVectors, on_host
from hdc.apps.json.encoder.sign_bits import sign_bits
from hdc.apps.json.values.embedding import Embeddings, StringEncoder
from hdc.apps.json.values.learning import ProfileBuilder
from hdc.apps.json.values.statistics import Profile
from hdc.apps.json.values.values import Numbers, ValueOptions, Values
from hdc.checks import choice, integer, mapping, number, wrong
from hdc.errors import FileFormatError, ParameterError

Floats = npt.NDArray[np.float32]

Output: TypeAlias = Literal["float", "packed"]

OUTPUTS: tuple[Output, ...] = ("float", "packed")

_KEPT: WeakKeyDictionary["JSONEncoder", tuple[str, LeafVectors]] = WeakKeyDictionary()
"""Caches from an encoder's last call, with the parameters of that call; they are not part of its state."""


class JSONEncoder(Transformer):
    """Encode JSON documents so that similar documents have similar vectors.

    Follows the conventions of scikit-learn transformers. Without :meth:`fit`, every leaf weighs the same and
    numbers are compared by their logarithm; fitted, rare values weigh more and numbers are compared by their
    place in the distribution of their path.

    Parameters
    ----------
    dim : int
        Dimension of the vectors.
    output : {"float", "packed"}
        Result of :meth:`transform`: float32 vectors, or their sign bits, 64 per word, a 32nd of the bytes.
    matrix : {"permutation", "hadamard", "haar"}
        Family of the orthogonal operators; see :class:`hdc.MBAT`.
    seed : int
        Random seed. Other seeds give other vectors with the same similarities, up to noise of 1/sqrt(dim).
    arrays : {"auto", "bag", "sequence", "soft", "both"} or mapping of path to one of them
        Whether the positions of an array's items count; with ``"auto"`` only if all items are numbers. See
        :data:`hdc.apps.json.document.rules.MODES`. A path's mode applies to the arrays at it and beneath it, unless the
        mapping has a longer path; ``""`` means all other arrays, which default to ``"auto"``.
    weights : mapping of path to number, optional
        Factors of leaves at a path and beneath it, 1 by default; the longest path wins. 0 leaves them out of documents
        and queries.
    balance : float
        0: every leaf counts. 1: every object and array weighs as much as a scalar beside it, whatever its size. In
        between, an object of m times the weight of a scalar counts ``m ** (1 - balance)``.
    numbers : {"grid", "smooth"}
        Similarity of numbers: falls in steps, on three scales, or as a Gaussian kernel of width ``bandwidth``.
    bandwidth : float
        Distance at which the smooth similarity falls to exp(-1/2): a share of the path's distribution, or, without
        fit, decades.
    convert : collection of {"dates", "durations", "numbers"}
        Strings to compare as numbers, each path on its own scale: ISO 8601 dates and date-times, ISO 8601 durations
        such as an age ``"P19Y"``, and numerals.
    strings : mapping of {"exact", "words", "ngrams", "encoder"} to number, optional
        Weights of the parts of strings: the whole, its words, 3- and 4-grams of words (for typing errors), and the
        result of ``string_encoder``. Missing parts keep their defaults: a half, a half, 0, and 1 with an encoder. With
        None, strings that :meth:`fit` recognizes as identifiers count as wholes only.
    string_encoder : callable, optional
        From a list of n distinct strings to an ``(n, e)`` array of floats, such as a sentence transformer's ``encode``.
    rarity : bool
        Whether rare values weigh more, once fitted.
    backend : str
        ``"auto"`` or one of :func:`hdc.list_backends`: what binds and adds. Vectors of all backends agree to rounding
        and are NumPy arrays; :meth:`to_json` does not record the backend.
    device : str
        Of the backend: ``"cpu"``, or for torch ``"cuda"`` or ``"cuda:1"`` too.

    Attributes
    ----------
    profile_ : Profile
        What :meth:`fit` learned; empty before.
    """

    profile_: Profile = Profile()
    _embeddings: Embeddings | None = None

    def __init__(
        self,
        dim: int = 2048,
        *,
        output: Output = "float",
        matrix: str = "permutation",
        seed: int = 0,
        arrays: Arrays = "auto",
        weights: Weights = None,
        balance: float = 0.0,
        numbers: Numbers = "grid",
        bandwidth: float = 0.1,
        convert: Collection[str] = (),
        strings: Mapping[str, float] | None = None,
        string_encoder: StringEncoder | None = None,
        rarity: bool = True,
        backend: str = "auto",
        device: str = "cpu",
    ) -> None:
        self.dim = dim
        self.output: Output = output
        self.matrix = matrix
        self.seed = seed
        self.arrays: Arrays = arrays
        self.weights = weights
        self.balance = balance
        self.numbers: Numbers = numbers
        self.bandwidth = bandwidth
        self.convert = convert
        self.strings = strings
        self.string_encoder = string_encoder
        self.rarity = rarity
        self.backend = backend
        self.device = device

    # ------------------------------------------------------------------ parameters and state

    def to_json(self) -> dict[str, Any]:
        """Return parameters and fitted state as a JSON-able dict; :meth:`from_json` restores the encoder.

        The dict records only that there is a string encoder. It does not record backend and device, because the vectors
        are the same on all.
        """
        parameters = {**self.get_params(), "convert": list(self.convert), "string_encoder": bool(self.string_encoder)}
        del parameters["backend"], parameters["device"]
        return {"parameters": parameters, "profile": self.profile_.to_json()}

    @classmethod
    def from_json(
        cls,
        state: dict[str, Any],
        string_encoder: StringEncoder | None = None,
        *,
        backend: str = "auto",
        device: str = "cpu",
    ) -> Self:
        """Return the encoder that :meth:`to_json` wrote; it makes the same vectors.

        Parameters
        ----------
        state : dict
        string_encoder : callable
            The encoder's string encoder, if it had one.
        backend, device : str
            Of the new encoder.

        Raises
        ------
        ParameterError
            If the encoder had a string encoder and none is given, or the other way round.
        FileFormatError
            If the state is of another version, or not a state.
        """
        try:
            encoded = mapping(state, "state")["parameters"]["string_encoder"]
            own = {"string_encoder": string_encoder, "backend": backend, "device": device}
            encoder = cls(**{**state["parameters"], **own})
            encoder.profile_ = Profile.from_json(state["profile"])
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError("not a state of a JSONEncoder, or one of another version; fit it again") from error
        if encoded and string_encoder is None:
            raise ParameterError(
                "the encoder was made with a string encoder, which is not saved; pass string_encoder=..."
            )
        if string_encoder is not None and not encoded:
            raise ParameterError("the encoder was made without a string encoder; leave string_encoder out")
        return encoder

    def frozen(self) -> Self:
        """Return an independent copy of the encoder: parameters and fitted state."""
        encoder = type(self)(**deepcopy({**self.get_params(), "string_encoder": None}))
        encoder.string_encoder, encoder.profile_ = self.string_encoder, self.profile_
        return encoder

    def check(self) -> None:
        """Check the parameters, which the constructor stores unchecked.

        Raises
        ------
        ParameterError
            If one is out of range.
        """
        choice(self.output, "output", OUTPUTS)
        number(self.balance, "balance", 0, 1)
        _ = self.vsa, self.layout, self.values

    @property
    def vsa(self) -> hdc.VSA:
        """The model of the parameters."""
        return hdc.create(
            "MBAT", self.dim, matrix=self.matrix, seed=self.seed, backend=self.backend, device=self.device
        )

    @property
    def layout(self) -> Layout:
        """The rules for the leaves of documents and their weights."""
        return Layout.of(self.arrays, self.weights)

    @property
    def values(self) -> Values:
        """Makes tokens and vectors of values, with what :meth:`fit` learned."""
        options = ValueOptions(
            self.numbers, self.bandwidth, self.convert, self.strings, self.string_encoder, self.rarity
        )
        if self.string_encoder is None:
            return Values(self.profile_, options)
        if self._embeddings is None or self._embeddings.encoder is not self.string_encoder:
            self._embeddings = Embeddings(self.string_encoder)
        return Values(self.profile_, options, self._embeddings)

    # ------------------------------------------------------------------ estimator

    def fit(self, X: Iterable[Any], y: Any = None) -> Self:
        """Learn the rarity of values and the spread of numbers from documents.

        Memory is bounded, whatever the number of documents or of distinct values; see
        :mod:`hdc.apps.json.values.learning`.

        Parameters
        ----------
        X : iterable of documents, or data frame
            Read once, in batches.
        y : ignored

        Raises
        ------
        ParameterError
            If there are no documents, a document is not JSON, or a parameter is out of range.
        """
        return self._learn(self.count(X))

    def _learn(self, builder: ProfileBuilder) -> Self:
        if not builder.documents:
            raise ParameterError("fit needs at least one document, got none")
        self.profile_ = builder.build()
        return self

    def count(self, X: Iterable[Any]) -> ProfileBuilder:
        """Count documents without changing the encoder, to count parts of a collection separately.

        ``encoder.profile_ = encoder.count(X).merge(encoder.count(Y)).build()`` fits it to both.

        Raises
        ------
        ParameterError
            If a document is not JSON, or a parameter is out of range.
        """
        self.check()
        return self._counted(batches(given(X), self.table()))

    def _counted(self, walked: Iterable[Batch]) -> ProfileBuilder:
        builder = ProfileBuilder(self.convert, self.layout)
        for batch in walked:
            with uncollected():
                builder.add(batch)
        return builder.rest()

    def transform(self, X: Iterable[Any]) -> Any:
        """Encode documents.

        Memory beyond the result (twice the result, if ``X`` has no length) is bounded, for any number of documents, by
        ``TABLE_BYTES`` for distinct leaves, ``HELD_BYTES`` and ``HELD_TOKENS`` for vectors, ``ROLE_BYTES`` twice for
        the operators of keys and paths, and ``BATCH_DOCUMENTS``, ``BATCH_LEAVES`` and ``BLOCK`` for work in progress:
        about 250 MiB at dim 2048, for any number of distinct keys. Leaves, vectors and operators are kept for the next
        call, until the encoder is deleted.

        Parameters
        ----------
        X : iterable of n documents, or data frame of n rows
            JSON values: dict, list, str, int, float, bool, None, nested; NumPy's scalars, dates, times, decimals, UUIDs
            and bytes become such, see :func:`hdc.apps.frames.values.json_value`. One dict is not a list of documents.
            The rows of a frame are documents, missing values left out; see :func:`hdc.apps.frames.rows.rows_of`.

        Returns
        -------
        (n, dim) float32 NumPy array, on every backend
            Rows of expected norm 1; exactly linear in the leaves of a document.
        (n, ceil(dim / 64)) uint64 array, for ``output="packed"``
            Bit ``i`` of word ``w`` is 1 where component ``64 w + i`` of the float vector is positive (layout of
            :mod:`hdc.words`); a zero takes the sign of the next component that is not.

        Raises
        ------
        ParameterError
            If a document is not JSON, or a parameter is out of range.
        """
        return self._contained(self._output(self.encode(given(X))), X)

    def fit_transform(self, X: Iterable[Any], y: Any = None) -> Any:
        """Fit, then encode the same documents, in one walk; their distinct leaves are kept in memory."""
        self.check()
        table = self.table()
        walked = list(batches(given(X), table))
        self._learn(self._counted(walked))
        parts = self._encoded(walked, self._vectors_of(table))
        return self._contained(self._output((vectors, norms) for _, vectors, norms in parts), X)

    def vectors(self, X: Iterable[Any]) -> Floats:
        """Encode documents as :meth:`transform` does, to ``(n, dim)`` float32 whatever ``output`` is."""
        self.check()
        empty = np.empty((0, self.dim), dtype=np.float32)
        return np.concatenate([empty, *(vectors for vectors, _ in self.encode(given(X)))])

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn: documents in a list, without columns and y; works without ``fit``."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True, dict=True),
            requires_fit=False,
        )

    @property
    def _columns(self) -> int:
        return words.word_count(self.dim) if self.output == "packed" else self.dim

    def _output(self, parts: Iterable[tuple[Floats, npt.NDArray[np.float64]]]) -> npt.NDArray[Any]:
        self.check()
        finish = sign_bits if self.output == "packed" else np.asarray
        empty = finish(np.empty((0, self.dim), dtype=np.float32))
        return np.concatenate([empty, *(finish(vectors) for vectors, _ in parts)])

    def encode(self, X: Iterable[Any]) -> Iterator[tuple[Floats, npt.NDArray[np.float64]]]:
        """Yield, batch by batch, the vectors of documents and the norms they were divided by.

        Leaves and vectors that the call before has left are used again, if nothing was fitted or set since.

        Yields
        ------
        vectors : (batch, dim) float32 array
        norms : (batch,) float64 array
        """
        for _, vectors, norms in self.encode_batches(X):
            yield vectors, norms

    def encode_batches(self, X: Iterable[Any]) -> Iterator[tuple[Batch, Floats, npt.NDArray[np.float64]]]:
        """Yield the output of :meth:`encode`, together with the leaves of the documents."""
        self.check()
        settings, vectors = _KEPT.pop(self, ("", None))  # taken out, because calls may run in several threads
        if vectors is None or settings != self._settings or vectors.values.profile is not self.profile_:
            vectors = self._vectors_of(self.table())
        yield from self._encoded(batches(X, vectors.table), vectors)

    def _encoded(
        self, walked: Iterable[Batch], vectors: LeafVectors
    ) -> Iterator[tuple[Batch, Floats, npt.NDArray[np.float64]]]:
        for batch in walked:
            if vectors.table is not batch.table:
                vectors = self._vectors_of(batch.table)
            with uncollected():
                weights, norms = weigh(batch, vectors.masses(batch.leaves), self.balance)
                sums = vectors.sums(weights, batch.leaves, batch.starts)
            yield batch, sums, norms
        _KEPT[self] = self._settings, vectors

    def table(self) -> LeafTable:
        """Return an empty table of leaves, for documents that are going to be encoded."""
        return LeafTable(self.layout, on_host(self.vsa).kernels.texts)

    def _vectors_of(self, table: LeafTable) -> LeafVectors:
        return LeafVectors(table, self.vsa, self.values)

    @property
    def _settings(self) -> str:
        """Return the current parameters; for mappings, their contents."""
        return repr(self.get_params())

    # ------------------------------------------------------------------ decoding

    def decode(self, vectors: npt.NDArray[Any], path: str | Path, k: int = 1) -> Any:
        """Read the values at a path back out of document vectors; see :mod:`hdc.apps.json.encoder.decoder`.

        Parameters
        ----------
        vectors : (dim,) or (n, dim) float array, or sign bits as (words,) or (n, words) uint64 array
        path : str or tuple
            As explanations show it, ``"subject.sex"``, with ``[]`` for any place in an array, ``"tags[]"``.
        k : int
            Number of values to return. A document has more than one only if the path has a ``[]``.

        Returns
        -------
        list of Decoded, most probable first; a list of such lists for a batch
            Fewer than k where :meth:`fit` saw fewer values.

        Raises
        ------
        ParameterError
            If ``fit`` saw no value at the path, or k is below 1.
        DTypeError, DimensionError, PaddingError
            If these are not vectors of this encoder.
        """
        self.check()
        k = integer(k, "k", 1)
        try:
            rows = np.asarray(vectors)
        except ValueError:
            raise wrong(vectors, "vectors", "an array") from None
        steps = path if isinstance(path, tuple) else parse_path(path)
        decoder = Decoder(on_host(self.vsa), self.values, self.layout, steps)
        return decoder.decode(rows[None], k)[0] if rows.ndim == 1 else decoder.decode(rows, k)

    def capacity(self, documents: Iterable[Any], target: float = 0.99) -> Capacity:
        """Predict how many values :meth:`decode` finds at this dimension, and which dimension reaches a target.

        Nothing is encoded: the prediction follows from the weights of the values in the documents and from the
        codebooks that :meth:`fit` saw (see :mod:`hdc.apps.json.encoder.decoding_capacity`).

        Parameters
        ----------
        documents : iterable of documents
            Typical documents to decode.
        target : float
            Share of values to decode correctly, between 0 and 1.

        Returns
        -------
        Capacity
            Prints as a table.

        Raises
        ------
        ParameterError
            If nothing was fitted, no document has a value that ``fit`` saw, or the target is out of range.
        """
        self.check()
        gain = SIGN_GAIN if self.output == "packed" else 1.0
        return predict(self._weighed(documents), self.values, self.dim, target, gain)

    def _weighed(self, documents: Iterable[Any]) -> Iterator[tuple[Batch, npt.NDArray[np.float64]]]:
        vsa, values = self.vsa, self.values
        for batch in batches(given(documents), self.table()):
            masses = LeafVectors(batch.table, vsa, values).masses(batch.leaves)
            yield batch, weigh(batch, masses, self.balance)[0]

    # ------------------------------------------------------------------ leaves

    def leaf_vectors(self, document: Any) -> tuple[list[tuple[Path, Any]], Floats]:
        """Encode each leaf of one document separately.

        Returns
        -------
        leaves : list of (path, value)
            An item that a soft array binds by several positions, or ``"both"`` in two ways, is one leaf.
        vectors : (leaves, dim) float32 array
            Weighted as in the document: their sum is the document's vector.
        """
        self.check()
        vectors = self._vectors_of(self.table())
        (batch,) = batches([taken(document)], vectors.table)
        weights, _ = weigh(batch, vectors.masses(batch.leaves), self.balance)
        same: dict[tuple[Path, Any], list[int]] = {}
        for place, leaf in enumerate(batch.leaves.tolist()):
            same.setdefault((batch.table.nodes[leaf].place(), batch.table.values[leaf]), []).append(place)
        order, starts = [place for group in same.values() for place in group], np.cumsum([0, *map(len, same.values())])
        return list(same), vectors.sums(weights[order], batch.leaves[order], starts)
