"""RecurrentBinarizer: BEBR's codes, chosen and decoded by learned tables."""

from collections.abc import Sequence
from copy import copy
from dataclasses import fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import GROUP_BITS, MOST_BITS, Binarizer, Floats
from hdc.apps.retrieval.binarizers.bebr.checkpoint import Checkpoint
from hdc.apps.retrieval.binarizers.bebr.comparison import warn_if_untrained_find_more
from hdc.apps.retrieval.binarizers.bebr.decoder import Groups, TableDecoder, fit_tables
from hdc.apps.retrieval.binarizers.bebr.nested import Effort, Nested, check_prefixes, cut_tables, train_nested
from hdc.apps.retrieval.binarizers.bebr.recurrence import Recurrence, initial, nested_initial, regressed
from hdc.apps.retrieval.binarizers.bebr.rounds import alternated
from hdc.apps.retrieval.binarizers.bebr.signs import group_signs
from hdc.apps.retrieval.binarizers.bebr.starts import SIGNS, STARTS, TABLES, Starts, begin, few_vectors, usual_steps
from hdc.apps.retrieval.binarizers.bebr.training import Settings, train
from hdc.apps.retrieval.binarizers.bebr.validation import NEIGHBORS, Validation, nearest
from hdc.apps.retrieval.vectors.rows import finite
from hdc.checks import integer, number, text
from hdc.errors import MismatchError, ParameterError
from hdc.words import WORD_BITS, Words, pack, unpack

SAMPLE = 50_000
"""Most vectors that a fit learns from, drawn at random."""

LARGEST = 1e6
"""Bound of whitening, parallel, temperature and learning rate: far beyond useful values, but no power overflows."""

MOST_LOOPS = 15
"""An index stores at most 16 bits per component."""


class RecurrentBinarizer(Binarizer):
    """Codes of ``dim`` components with one or more levels (BEBR), improved by local search.

    :mod:`~hdc.apps.retrieval.binarizers.bebr.recurrence` computes a code, and
    :mod:`~hdc.apps.retrieval.binarizers.bebr.decoder` decodes it. With ``rounds=0``, codes are BEBR's own and suit
    symmetric comparison. Each round improves the codes for float queries (``asymmetric=True``), which then have better
    recall than with other codes of the same size. Symmetric comparison gets worse.

    Parameters
    ----------
    dim : int
        Components per code; a multiple of 64.
    loops : int
        Residual loops, BEBR's u. A component uses ``loops + 1`` bits; 0 loops make a hash.
    rounds : int
        Most rounds of choosing codes and fitting tables.
    steps : int or None
        Local search steps per vector; None: one per two bits, but at most 128 if there are fewer than 64 vectors per
        four bits. Without rounds there is no search.
    epochs : int
        Most epochs of gradient training of the recurrence (needs the extra ``torch``).
    patience : int
        Rounds or epochs without a better validation recall before training stops.
    whitening, parallel : float
        Parameters of the error that codes minimize; see :mod:`~hdc.apps.retrieval.binarizers.bebr.decoder`. If tables
        start from residuals or levels, ``parallel`` is 0.
    temperature, learning_rate : float
        Parameters of gradient training.
    negatives, queue : int
        Number of hardest negatives that count, and how many earlier vectors they are chosen from.
    device : str
        Where gradients are computed; ``"auto"`` chooses a GPU if there is one.
    seed : int
    metric : {"cosine", "ip", "l2"}
        Measure of nearness: cosine, inner product or Euclidean distance.
    backend : str
        ``"auto"``, or one of :func:`hdc.list_backends` that computes on NumPy arrays.
    prefixes : sequence of int
        Sizes in bits, ascending multiples of 64 below dim, at which a truncated code is also a code, with its own
        tables: see :meth:`prefix`. Only for codes of one level.

    Attributes
    ----------
    start_ : {"signs", "residuals", "levels"}
        How training started: see :mod:`~hdc.apps.retrieval.binarizers.bebr.starts`.
    recalls_ : list of float
        Recall, as :attr:`recall_`, of each of :attr:`sizes`; set only with prefixes.
    recall_ : float
        Recall@10 of held-out float queries among the training vectors, as :meth:`transform` encodes them. NaN if there
        were too few vectors to hold some out. A :class:`TrainingWarning` is issued if plain signs, or scalar codes of
        at most the same size, have better recall.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((500, 32)).astype(np.float32)
    >>> binarizer = RecurrentBinarizer(dim=64, rounds=2).fit(x)
    >>> codes = binarizer.transform(x)
    >>> codes.shape, binarizer.bytes_per_vector
    ((500, 1), 8)
    """

    def __init__(
        self,
        dim: int = 256,
        loops: int = 0,
        rounds: int = 8,
        steps: int | None = None,
        epochs: int = 0,
        patience: int = 2,
        whitening: float = 0.25,
        parallel: float = 4.0,
        temperature: float = 0.05,
        learning_rate: float = 1e-3,
        negatives: int = 64,
        queue: int = 4096,
        device: str = "auto",
        seed: int = 0,
        backend: str = "auto",
        metric: str = "cosine",
        prefixes: Sequence[int] = (),
    ) -> None:
        self.dim = dim
        self.loops = loops
        self.rounds = rounds
        self.steps = steps
        self.epochs = epochs
        self.patience = patience
        self.whitening = whitening
        self.parallel = parallel
        self.temperature = temperature
        self.learning_rate = learning_rate
        self.negatives = negatives
        self.queue = queue
        self.device = device
        self.seed = seed
        self.backend = backend
        self.metric = metric
        self.prefixes = prefixes

    @property
    def levels(self) -> int:
        """Bit planes per code."""
        return self.loops + 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes in bits at which codes of this model can be cut; the last one is the whole code."""
        self._check_fitted()
        ends = (self.dim_ // GROUP_BITS,) if self.nested_ is None else self.nested_.ends
        return tuple(GROUP_BITS * end for end in ends if GROUP_BITS * end <= self.dim_)

    def prefix(self, bits: int) -> Self:
        """Return the model of the first ``bits`` of the codes; it scores, searches and saves like any other.

        It encodes as this model does, then cuts, so its codes are those that :meth:`cut` returns.

        Parameters
        ----------
        bits : int
            One of :attr:`sizes`.

        Raises
        ------
        ParameterError
            If the model is not fitted, or was not trained for this size.
        """
        bits = self._size(bits)
        shorter = copy(self)
        if bits != self.dim_:
            assert self.nested_ is not None
            place = self.sizes.index(bits)
            shorter.dim_, shorter.decoder_ = bits, self.nested_.decoders[place]
            shorter.recall_ = self.recalls_[place]
        return shorter

    def cut(self, codes: Words, bits: int) -> Words:
        """Return the first ``bits`` of ``(n, words)`` codes: ``(n, bits / 64)`` uint64; raises as :meth:`prefix`."""
        return np.ascontiguousarray(self._as_codes(codes)[:, : self._size(bits) // WORD_BITS])

    def _size(self, bits: int) -> int:
        if integer(bits, "bits") not in self.sizes:
            raise ParameterError(f"bits must be one of {self.sizes}, the sizes of this model, not {bits}")
        return int(bits)

    def fit(self, X: Any, y: Any = None, *, old_codes: Words | None = None, checkpoint: Any = None) -> Self:
        """Learn from vectors without labels.

        Parameters
        ----------
        X : (n, d) float array
            At most ``SAMPLE`` rows, drawn at random, are read.
        y : None
        old_codes : (n, words) uint64 array or None
            Codes of the same objects by another model with this dim and loops, from vectors of any kind. New codes are
            trained to be comparable with them (backward-compatible training). Needs epochs and ``rounds=0``.
        checkpoint : path or None
            Folder that stores the state after each round or epoch. An interrupted fit with the same data and
            parameters resumes from it, with the same result.

        Raises
        ------
        DTypeError, DimensionError
            If X is not a two-dimensional array of floats.
        ParameterError
            If X has no rows or contains NaN or infinity, or a parameter is out of range.
        MismatchError
            If the old codes have another size, or are not one per row.
        BackendUnavailableError
            If there are epochs and torch is not installed.
        FileFormatError
            If the checkpoint is damaged, or belongs to other parameters or data.
        """
        rows = self._table(X)
        self._check_parameters(len(rows), old_codes)
        rng = np.random.default_rng(self.seed)
        chosen = np.sort(rng.permutation(len(rows))[:SAMPLE])
        given = finite(rows[chosen], 0)
        lifted = self.metric == "l2" or not self.rounds  # tables decode lengths, but not to one percent
        x = self._mapped(given, self.metric, lifted=lifted, centered=lifted)[:]
        old = None if old_codes is None else self._as_signs(np.asarray(old_codes)[chosen])
        asked = None if self.metric == "cosine" else self._asked(given)
        validation = Validation.draw(x, rng, asked, of_one_length=self._of_one_length)
        kept = None if old is None else old[validation.training]
        state = Checkpoint(checkpoint, self._own_params(), x)
        learned = validation.training
        self._fit(x[learned], kept, None if asked is None else asked[learned], validation, state)
        return self

    def _check_parameters(self, n: int, old_codes: Words | None) -> None:
        if integer(self.dim, "dim", WORD_BITS, MOST_BITS) % WORD_BITS:
            raise ParameterError(f"dim must be a multiple of {WORD_BITS}, not {self.dim}")
        integer(self.loops, "loops", 0, MOST_LOOPS)
        for name in ("rounds", "epochs"):
            integer(getattr(self, name), name, 0)
        for name in ("patience", "negatives", "queue"):
            integer(getattr(self, name), name, 1)
        if self.steps is not None:
            integer(self.steps, "steps", 0)
        integer(self.seed, "seed", 0)
        for name in ("whitening", "parallel", "temperature", "learning_rate"):
            number(getattr(self, name), name, 0, LARGEST)
        text(self.device, "device")
        check_prefixes(self.prefixes, self.dim, self.loops)
        if not n:
            raise ParameterError("fit needs at least one vector, but X has none")
        if old_codes is None:
            return
        if self.rounds or not self.epochs:
            raise ParameterError("old_codes need gradient training of plain codes; set rounds=0 and epochs above 0")
        expected = (n, self.levels * self.dim // WORD_BITS)
        if np.shape(old_codes) != expected:
            raise MismatchError(f"old_codes must have shape {expected}, not {np.shape(old_codes)}")

    def _fit(
        self, x: Floats, old: Floats | None, asked: Floats | None, validation: Validation, state: Checkpoint
    ) -> None:
        maps = initial(x, self.dim, self.loops, self.seed) if old is None else regressed(x, old)
        if self.prefixes and old is None:
            maps = nested_initial(x, (*self.prefixes, self.dim), self.seed)
        if self.epochs:
            maps = train(maps, x, old, self._settings, validation, state)
        validation, unseen = validation.halves()
        validation = validation.with_learned(x, asked)
        few = not self.prefixes and few_vectors(len(x), self.levels * self.dim // GROUP_BITS)
        self.steps_ = usual_steps(self.dim * self.levels, few)
        starts = Starts(maps, self.whitening, self.parallel, self.seed, self._effort, self.kernels.name)
        sizes = (*self.prefixes, self.dim)
        self.start_ = starts.chosen(x, sizes, self._of_one_length, few) if self.rounds else SIGNS
        start = starts.of(self.start_, x, sizes[0])
        nested, self.first_, ends = None, None, tuple(size // GROUP_BITS for size in self.prefixes)
        if self.prefixes and self.rounds:  # blocks have starts of their own
            ends = (*ends, self.dim // GROUP_BITS)
            nested = train_nested(
                x, ends, start.decoder, start.counts, TABLES.get(self.start_), self._effort, validation, state
            )
            maps, decoder = nested.starts[0] if nested.starts else maps, nested.decoders[-1]
        elif self.rounds:
            decoder, codes = alternated(x, start, self.levels, self._effort, validation, state)
            maps = regressed(x, group_signs(codes).reshape(len(x), self.levels, -1))
            self.first_ = start.decoder if few and self.start_ != SIGNS else None
        else:
            decoder = fit_tables(x, start.codes, start.decoder)
            nested = Nested(cut_tables(x, start.codes, decoder, ends), ()) if self.prefixes else None
        self._set_maps(maps, decoder, nested)
        self._report(x, unseen, plain=self.rounds > 0)

    def _report(self, x: Floats, unseen: Validation, plain: bool) -> None:
        """Measure the recall of queries that influenced no choice, and warn if untrained codes do better."""
        codes = self._as_groups(self.encode_mapped(x))
        decoders = (self.decoder_,) if self.nested_ is None else self.nested_.decoders
        found = (unseen.scores(d.decode(np.ascontiguousarray(codes[:, : d.groups]))) for d in decoders)
        of_sizes = [unseen.hits(nearest(scores, NEIGHBORS)) for scores in found]
        recalls, hits = [float(hits.mean()) if len(hits) else float("nan") for hits in of_sizes], of_sizes[-1]
        self.recall_ = recalls[-1]
        if self.nested_ is not None:
            self.recalls_ = recalls
        if plain:
            metric = "cosine" if self._of_one_length else self.metric
            warn_if_untrained_find_more(x, unseen, hits, self.bits, seed=self.seed, backend=self.backend, metric=metric)

    @property
    def _settings(self) -> Settings:
        return Settings(**{field.name: getattr(self, field.name) for field in fields(Settings)})

    @property
    def _steps(self) -> int:
        return self.steps_ if self.steps is None else self.steps

    @property
    def _effort(self) -> Effort:
        """Effort of nested training and encoding; steps per bit are those of a whole code."""
        return Effort(self.rounds, self.patience, self._steps / (self.dim * self.levels), self.seed)

    def _set_maps(self, maps: Recurrence, decoder: TableDecoder, nested: Nested | None) -> None:
        self.maps_, self.decoder_, self.nested_ = maps, decoder, nested
        self.dim_, self.mean_ = self.dim, decoder.mean
        self.n_features_in_ = len(decoder.mean) - self.space_.added

    def _prepare(self) -> None:
        self.decoder_ = replace(self.decoder_, backend=self.kernels.name)
        if self.first_ is not None:
            self.first_ = replace(self.first_, backend=self.kernels.name)
        if self.nested_ is not None:
            self.nested_ = self.nested_.with_backend(self.kernels.name)

    def _encode(self, x: Floats) -> Words:
        return pack(self._whole_signs(x)[..., : self.dim_] > 0).reshape(len(x), -1)

    def _whole_signs(self, x: Floats) -> Floats:
        """Return the ``(n, levels, dim)`` signs of the whole codes of mapped vectors."""
        if not self.rounds:
            return self.maps_.signs(x)
        if self.nested_ is not None:
            return group_signs(self.nested_.encode(x, self._effort))[:, None]
        begun = begin(self.start_, x, self.first_ or self.decoder_, self.maps_)
        signs = group_signs(self.decoder_.refine(x, begun, self._steps))
        return signs.reshape(len(x), self.levels, -1)

    def decode(self, codes: Words) -> Floats:
        """Decode codes to ``(n, width)`` float32 vectors, as ``space_`` maps them.

        Asymmetric scores are products of mapped queries with these. If vectors are mapped to length 1, the products are
        divided by the decoded lengths. These differ between codes, and long ones would hide near ones.
        """
        return self.decoder_.decode(self._as_groups(self._as_codes(codes)))

    @property
    def _of_one_length(self) -> bool:
        """Whether mapped vectors have length 1, so that scores estimate cosines."""
        return self.space_.metric == "cosine" or self.space_.radius > 0

    def scale(self, codes: Words) -> Floats:
        """Return one over the decoded length of each code, or 1 if codes encode lengths."""
        if not self._of_one_length:
            return super().scale(codes)
        lengths = self.decoder_.lengths(self._as_groups(codes))
        return np.divide(1, lengths, out=np.ones_like(lengths), where=lengths > 0)

    def beside(self, asked: Floats) -> Floats:
        """Return zeros: tables include the products with the mean."""
        return np.zeros(len(asked), dtype=np.float32)

    def _as_groups(self, codes: Words) -> Groups:
        as_bytes = np.ascontiguousarray(codes, dtype="<u8").view(np.uint8)
        return np.stack([as_bytes & 15, as_bytes >> 4], axis=2).reshape(len(codes), 2 * as_bytes.shape[1])

    def _as_signs(self, codes: Words) -> Floats:
        planes = np.asarray(codes, dtype=np.uint64).reshape(len(codes), self.levels, -1)
        return 2 * unpack(planes, WORD_BITS * planes.shape[-1]).astype(np.float32) - 1

    def nibble_tables(self, queries: Any) -> Floats:
        """Return tables of the dot products of queries with table entries, plus a share of that with the mean."""
        products = queries @ self.decoder_.tables.T + (queries @ self.mean_ / self.decoder_.groups)[:, None]
        tables: Floats = products.reshape(len(queries), 16, -1)
        return tables

    def _state(self) -> dict[str, npt.NDArray[Any]]:
        decoder = self.decoder_ if self.nested_ is None else self.nested_.decoders[-1]
        scalars = np.array([decoder.parallel, self.recall_, STARTS.index(self.start_), self.steps_])
        arrays = {"mean": decoder.mean, "metric": decoder.metric, "tables": decoder.tables, "scalars": scalars}
        if self.nested_ is not None:
            more = {"recalls": np.array(self.recalls_), "cut": np.array([self.dim_])}
            arrays = {**arrays, **self.nested_.to_arrays(), **more}
        if self.first_ is not None:
            arrays["first"] = self.first_.tables
        return {**self.maps_.to_arrays(), **arrays}

    def _set_state(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        parallel, self.recall_, *more = (float(value) for value in arrays["scalars"])
        self.start_ = STARTS[int(more[0])] if more else SIGNS  # models of earlier releases do not store both
        self.steps_ = int(more[1]) if len(more) > 1 else usual_steps(self.dim * self.levels, few=False)
        decoder = TableDecoder(arrays["mean"], arrays["metric"], parallel, arrays["tables"], self.kernels.name)
        self.first_ = replace(decoder, tables=arrays["first"]) if "first" in arrays else None
        maps, self.prefixes = Recurrence.from_arrays(arrays, self.loops), tuple(self.prefixes)  # JSON makes lists
        if not self.prefixes:
            self._set_maps(maps, decoder, None)
            return
        blocks = len(self.prefixes) + 1 if self.rounds and self.start_ == SIGNS else 0
        self._set_maps(maps, decoder, Nested.from_arrays(arrays, decoder, len(self.prefixes), blocks))
        self.recalls_ = arrays["recalls"].tolist()
        bits = int(arrays["cut"][0])
        if bits < self.dim:
            vars(self).update(vars(self.prefix(bits)))
