"""HDCluster: k-means on hypervectors."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

import hdc
from hdc.apps.learn import files
from hdc.apps.learn.base import FEATURES, Learner
from hdc.apps.learn.kmeans import Bundles, Clustering, Directions, Space, directions, kmeans, seeded
from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules.settings import Counts, Floats
from hdc.checks import choice, integer, number
from hdc.errors import ParameterError, UnsupportedError
from hdc.registry import from_spec

if TYPE_CHECKING:
    from sklearn.utils import Tags

CENTERS = ("sum", "bundle")
"""Choices for ``centers``."""


class HDCluster(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, Learner):  # type: ignore[misc]
    """K-means on hypervectors, with cosine or the model's own similarity.

    Parameters
    ----------
    n_clusters : int
    encoder : "features", transformer, VSA or None
        As of :class:`HDClassifier`.
    centers : str
        ``"sum"``: a center is the direction of the sum of its rows, in floats, compared by cosine. ``"bundle"``: it is
        the bundle of its rows, a hypervector of the model, compared by the model's similarity; on MAP-B both are
        packed bits, a majority and Hamming distances. Weights must then be whole numbers.
    n_init : int
        Starts of k-means++; the best result counts.
    max_iter : int
        Most rounds per start.
    random_state : int, RandomState or None
    backend : str

    Attributes
    ----------
    cluster_centers_ : (n_clusters, dim) float32 array, or (n_clusters, storage) array
        Of length 1; or hypervectors of the model.
    labels_ : (n,) int64 array
        The cluster of each row of ``fit``, or of the last ``partial_fit``.
    inertia_ : float
        Weighted sum of ``1 - similarity`` of rows and their centers, likewise.
    n_iter_ : int
    encoder_, n_features_in_, feature_names_in_
        As the encoder has them.

    Notes
    -----
    ``fit`` keeps all hypervectors in memory, as the model stores them. ``partial_fit`` keeps those of one call, and
    moves each center to the mean of all rows that it ever had (Sculley 2010).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.metrics import adjusted_rand_score
    >>> from hdc.apps.learn import HDCluster
    >>> X, species = load_iris(return_X_y=True)
    >>> bool(adjusted_rand_score(species, HDCluster(3).fit_predict(X)) > 0.5)
    True
    """

    cluster_centers_: npt.NDArray[Any]
    labels_: Counts
    inertia_: float
    n_iter_: int

    def __init__(
        self,
        n_clusters: int = 8,
        encoder: Any = FEATURES,
        *,
        centers: str = "sum",
        n_init: int = 3,
        max_iter: int = 100,
        random_state: Any = 0,
        backend: str = "auto",
    ) -> None:
        self.n_clusters = n_clusters
        self.encoder = encoder
        self.centers = centers
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.backend = backend

    def __sklearn_tags__(self) -> "Tags":
        """Return tags: distances are float32 for any X."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    # ------------------------------------------------------------------ learning

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Cluster rows.

        Parameters
        ----------
        X : (n, features) array or frame, or what the encoder takes
        y : None
        sample_weight : (n,) array of numbers of at least 0, optional

        Raises
        ------
        ParameterError
            If a parameter is invalid, or there are fewer rows than clusters.
        UnsupportedError
            If centers are to be bundles, and no model is known.
        """
        k, starts, steps = self._checked()
        rows = self._fit_encoder(X, None)
        weights = self._whole(self._weights(sample_weight, rows))
        self._enough(rows, k)
        found = kmeans(self._space(rows), k, weights, self._rng(), starts=starts, steps=steps)
        self._take(found)
        self._members = self._empty(k, rows)
        self._remember(rows, found.labels, weights)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Move centers by more rows; the first call chooses centers among its rows by k-means++.

        Parameters
        ----------
        X, y, sample_weight
            As :meth:`fit`. An encoder that needs to be fitted is fitted on the first ones.
        """
        k, _, _ = self._checked()
        first = not hasattr(self, "cluster_centers_")
        rows = self._fit_encoder(X, None) if first else self._encoded(X)
        weights = self._whole(self._weights(sample_weight, rows))
        space = self._space(rows)
        if first:
            self._enough(rows, k)
            centers = seeded(space, k, weights, self._rng())
            self._members = self._empty(k, rows)
        else:
            centers = self.cluster_centers_
            if self._members is None:
                raise ParameterError("bundles that come from a file cannot go on; fit anew, or take centers='sum'")
        step = space.step(centers, weights)
        self._remember(rows, step.labels, weights)
        moved = self._moved(centers)
        inertia = float(step.distances @ weights.astype(np.float64))
        self._take(Clustering(moved, step.labels, inertia, 1 if first else self.n_iter_ + 1))
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Counts:
        """Cluster rows, and return the cluster of each, ``(n,)``."""
        return self.fit(X, sample_weight=sample_weight).labels_

    def _checked(self) -> tuple[int, int, int]:
        choice(self.centers, "centers", CENTERS)
        return (
            integer(self.n_clusters, "n_clusters", 1),
            integer(self.n_init, "n_init", 1),
            integer(self.max_iter, "max_iter", 1),
        )

    def _enough(self, rows: Rows, k: int) -> None:
        if len(rows) < k:
            raise ParameterError(f"n_samples={len(rows)} should be >= n_clusters={k}: fewer rows than centers")

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(self._seed())

    def _take(self, found: Clustering) -> None:
        self.cluster_centers_, self.labels_, self.inertia_, self.n_iter_ = found

    def _whole(self, weights: Floats) -> Floats:
        if self.centers == "bundle" and (weights != np.rint(weights)).any():
            raise ParameterError("bundles take whole numbers as sample_weight; give such, or centers='sum'")
        return weights

    # ------------------------------------------------------------------ centers

    def _space(self, rows: Rows) -> Space:
        return Directions(rows) if self.centers == "sum" else Bundles(self._vsa(), rows.data)

    def _vsa(self) -> "hdc.VSA":
        """Return the model, computing with NumPy's arrays, whose bundles must have the form of rows.

        Raises
        ------
        UnsupportedError
            If the model is unknown, or a bundle has another form than a row.
        """
        found = self.encoder if isinstance(self.encoder, hdc.VSA) else getattr(self.encoder_, "vsa", None)
        if isinstance(found, hdc.MAPB):
            return from_spec(found.algebra(), backend=self.backend)
        name = "hypervectors of no model" if found is None else found.model
        raise UnsupportedError(f"centers='bundle' needs packed bits of MAP-B, not {name}; take centers='sum'")

    def _empty(self, k: int, rows: Rows) -> Any:
        """Return the memory of no rows: sums, or a running bundle per center."""
        if self.centers == "sum":
            return np.zeros((k, rows.dim))
        return [hdc.Accumulator(self._vsa()) for _ in range(k)]

    def _remember(self, rows: Rows, labels: Counts, weights: Floats) -> None:
        if self.centers == "sum":
            for which, block in rows.blocks():
                member = labels[which, None] == np.arange(len(self._members))
                self._members += np.where(member, weights[which, None], np.float32(0)).T @ block
            return
        for place, bundle in enumerate(self._members):
            members = np.flatnonzero((labels == place) & (weights > 0))
            if len(members):
                bundle.add(rows.data[members], weights[members].astype(np.int64))

    def _moved(self, centers: Any) -> Any:
        """Return the centers of all rows seen; a center without rows stays."""
        if self.centers == "sum":
            kept = np.abs(self._members).sum(axis=1, keepdims=True) == 0
            return np.where(kept, centers, directions(self._members)).astype(np.float32)
        return np.stack([b.vector() if len(b) else one for b, one in zip(self._members, centers, strict=True)])

    # ------------------------------------------------------------------ prediction

    def predict(self, X: Any) -> Counts:
        """Return the cluster of the nearest center of each row, ``(n,)`` int64, the first of equal ones."""
        return np.asarray(self._distances(X).argmin(axis=1))

    def transform(self, X: Any) -> Floats:
        """Return ``1 - similarity`` of rows and centers, ``(n, n_clusters)`` float32."""
        return self._distances(X)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the inertia of rows, negative: greater is better."""
        found = self._distances(X).min(axis=1)
        weights = np.ones(len(found)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        return -float(found @ weights)

    def _distances(self, X: Any) -> Floats:
        check_is_fitted(self)
        return self._space(self._encoded(X)).distances(self.cluster_centers_)

    # ------------------------------------------------------------------ files

    def _state(self) -> files.State:
        arrays: files.Arrays = {"centers": self.cluster_centers_}
        if self.centers == "sum":
            arrays["sums"] = self._members
        return {"inertia": self.inertia_, "n_iter": self.n_iter_}, arrays

    def _restore(self, facts: dict[str, Any], arrays: files.Arrays) -> None:
        k, _, _ = self._checked()
        self.cluster_centers_, self._members = arrays["centers"], arrays.get("sums")
        form = (self._vsa().storage, "<u8") if self.centers == "bundle" else (arrays["sums"].shape[1], "<f4")
        if (*self.cluster_centers_.shape, self.cluster_centers_.dtype.str) != (k, *form):
            raise ValueError(f"centers of {self.cluster_centers_.dtype}, shape {self.cluster_centers_.shape}")
        self.inertia_ = number(facts["inertia"], "inertia", 0)
        self.n_iter_ = integer(facts["n_iter"], "n_iter", 1)

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    @property
    def bundles_(self) -> npt.NDArray[Any]:
        """Centers as hypervectors of MAP-B, ``(n_clusters, words)`` uint64, to search and to store."""
        check_is_fitted(self)
        vsa = self._vsa()
        return self.cluster_centers_ if self.centers == "bundle" else vsa.kernels.bits.pack(self.cluster_centers_ < 0)
