"""OrthoHashBinarizer: supervised codes, near each other for vectors of the same class."""

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import MOST_BITS, Binarizer, Floats, blocks, sign_tables
from hdc.apps.retrieval.binarizers.orthohash.labels import names_of, numbered, packed, unpacked
from hdc.apps.retrieval.binarizers.orthohash.network import Network
from hdc.apps.retrieval.binarizers.orthohash.targets import METHODS, class_targets
from hdc.apps.retrieval.binarizers.orthohash.training import Settings, train
from hdc.apps.retrieval.binarizers.sign import mean_of
from hdc.apps.retrieval.vectors.rows import unit
from hdc.checks import choice, integer, listed, number, text
from hdc.errors import FileFormatError
from hdc.words import WORD_BITS, Words, pack, word_count

LARGEST = 1e6
"""Bound of scale, margin, learning rate and weight decay, far beyond useful values."""

LEAST_SCALE = 2.0
"""Smallest scale that ``"auto"`` chooses; with few classes, the formula alone would be zero."""


class OrthoHashBinarizer(Binarizer):
    """Supervised codes: signs of a network trained towards fixed orthogonal codes of classes (Hoe et al. 2021).

    Vectors of one class get similar codes, however far apart the vectors are. Codes of two classes differ in half of
    their bits. ``fit`` needs the extra ``torch``; the fitted network runs in NumPy. With ``targets="bernoulli"``, the
    code of a class is the MAP-B atom of its name. So ``hdc.MAPB(dim, seed=seed).symbols(names)``, searched in an index
    of codes, finds the vectors of classes.

    Asymmetric scores are cosines between the network's outputs and codes, from -1 to 1.

    Parameters
    ----------
    dim : int
        Bits per code.
    hidden : sequence of int
        Widths of the rectified layers before the code; () learns an affine map.
    targets : {"auto", "hadamard", "bernoulli", "equiangular"}
        See :func:`~hdc.apps.retrieval.binarizers.orthohash.targets.class_targets`.
    logit_scale : float or "auto"
        Factor of the cosines in the loss; ``"auto"`` is ``sqrt(2) log(classes - 1)`` (Zhang et al. 2019, "AdaCos"),
        and at least 2.
    margin : float
        Margin by which the cosine with a vector's own class must exceed the others.
    epochs, batch : int
        Passes over the vectors, and vectors per step.
    learning_rate, weight_decay : float
        Parameters of Adam; the rate falls to zero.
    device : str
        Where gradients are computed; ``"auto"`` chooses a GPU if there is one.
    seed : int
        Random seed of targets, initial weights and the order of vectors. The same data and seed give the same codes on
        one device.
    backend : str
        ``"auto"``, or one of :func:`hdc.list_backends` that computes on NumPy arrays.

    Attributes
    ----------
    classes_ : (classes,) array
        Labels, sorted.
    targets_ : (classes, dim) float32 array
        Targets of the labels.
    network_ : Network
        ``network_(x)`` returns the real outputs whose signs are the code.

    Notes
    -----
    Components are centered and divided by one common number. If they have different units, scale them first:
    ``make_pipeline(StandardScaler(), OrthoHashBinarizer())``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 200)
    >>> x = rng.standard_normal((200, 16)) + 4 * np.eye(16)[y]
    >>> binarizer = OrthoHashBinarizer(dim=64, hidden=()).fit(x, y)
    >>> codes = binarizer.transform(x)
    >>> scores, ids = binarizer.search(binarizer.target_codes_, codes, k=1)
    >>> y[ids[:, 0]]
    array([0, 1, 2])
    """

    def __init__(
        self,
        dim: int = 64,
        hidden: Sequence[int] = (512,),
        targets: str = "auto",
        logit_scale: float | str = "auto",
        margin: float = 0.2,
        epochs: int = 40,
        batch: int = 128,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.01,
        device: str = "auto",
        seed: int = 0,
        backend: str = "auto",
    ) -> None:
        self.dim = dim
        self.hidden = hidden
        self.targets = targets
        self.logit_scale = logit_scale
        self.margin = margin
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.device = device
        self.seed = seed
        self.backend = backend

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from labeled vectors.

        Parameters
        ----------
        X : (n, d) array or data frame of numbers
            Read in batches, so it may be memory-mapped from a file.
        y : (n,) array of integers, bools or texts
            At least two classes.

        Raises
        ------
        DTypeError, DimensionError, MismatchError
            If X or y has another dtype or shape, or they have different lengths.
        ParameterError
            If X has no rows or contains NaN or infinity, y is missing or has one class, or a parameter is out of range.
        BackendUnavailableError
            If torch is not installed.
        """
        rows = self._table(X)
        widths = self._check_parameters()
        mean = mean_of(rows)
        classes, labels = numbered(y, len(rows), type(self).__name__)
        targets = class_targets(names_of(classes), self.dim, self.targets, self.seed)
        rng = np.random.default_rng(self.seed)
        start = Network.initial(mean, _spread(rows, mean), widths, rng)
        trained = train(start, rows, labels, targets, self._settings(len(classes)), rng)
        self.network_, self.classes_, self.targets_ = trained.normalized(rows), classes, targets
        self._prepare()
        return self

    def _check_parameters(self) -> tuple[int, ...]:
        """Return the widths of all layers."""
        hidden = [integer(width, "each of hidden", 1, MOST_BITS) for width in listed(self.hidden, "hidden")]
        choice(self.targets, "targets", METHODS)
        for name in ("margin", "learning_rate", "weight_decay"):
            number(getattr(self, name), name, 0, LARGEST)
        if self.logit_scale != "auto":
            number(self.logit_scale, "logit_scale", 0, LARGEST)
        integer(self.epochs, "epochs", 0)
        integer(self.batch, "batch", 2)
        integer(self.seed, "seed", 0)
        text(self.device, "device")
        return (*hidden, integer(self.dim, "dim", 1, MOST_BITS))

    def _settings(self, classes: int) -> Settings:
        formula = max(LEAST_SCALE, math.sqrt(2) * math.log(max(classes - 1, 1)))
        return Settings(
            logit_scale=formula if isinstance(self.logit_scale, str) else float(self.logit_scale),
            margin=float(self.margin),
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=float(self.learning_rate),
            weight_decay=float(self.weight_decay),
            device=self.device,
        )

    def _prepare(self) -> None:
        self.mean_, self.dim_ = self.network_.mean, len(self.network_.biases[-1])
        self.n_features_in_ = len(self.mean_)

    @property
    def target_codes_(self) -> Words:
        """The ``(classes, words)`` uint64 codes of the classes; as queries, they find the vectors of each class."""
        self._check_fitted()
        return pack(self.targets_ > 0)

    @property
    def _row_numbers(self) -> int:
        return self.network_.width + self.dim_

    def _encode(self, x: Floats) -> Words:
        return pack(self.network_(x) > 0)

    def nibble_tables(self, queries: Any) -> Floats:
        """Return tables of the dot products of the network's unit outputs with the unit vectors of signs."""
        weights = np.zeros((len(queries), word_count(self.dim_) * WORD_BITS), dtype=np.float32)
        weights[:, : self.dim_] = unit(self.network_(queries)) / np.float32(math.sqrt(self.dim_))
        return sign_tables(weights)

    def __sklearn_tags__(self) -> Any:
        """Return the tags that scikit-learn asks for: as of other binarizers, but y is required."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _state(self) -> dict[str, npt.NDArray[Any]]:
        return {**self.network_.to_arrays(), "targets": self.targets_, "classes": packed(self.classes_)}

    def _set_state(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.network_ = Network.from_arrays(arrays, len(list(self.hidden)) + 1)
        self.targets_, self.classes_ = arrays["targets"], unpacked(arrays["classes"])
        if self.targets_.shape != (len(self.classes_), len(self.network_.biases[-1])):
            raise FileFormatError(
                f"a model of {len(self.classes_)} classes cannot have targets of shape {self.targets_.shape}; refit it"
            )
        self._prepare()


def _spread(rows: npt.NDArray[Any], mean: Floats) -> float:
    """Return the root of the mean variance of the components, or 1 if rows do not vary."""
    total = 0.0
    for part in blocks(len(rows), 16 * rows.shape[1]):
        total += float(np.square(rows[part].astype(np.float32) - mean).sum(dtype=np.float64))
    return math.sqrt(total / rows.size) or 1.0
