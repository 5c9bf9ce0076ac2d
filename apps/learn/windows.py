"""Time series as bags of windows, each a random Fourier code: whether a shape occurs counts, not where.

Every window of so many numbers, at several dilations (so many numbers, so far apart), is a point whose code is similar
to those of near points (:class:`hdc.RandomFourier`); a series is the bundle of its windows, those of each dilation
bound to a role. Similarity of series is thus the mean kernel of their windows (a kernel mean embedding, Smola et al.
2007). On MAP-I a component is how many windows have a positive cosine less how many a negative one: the proportion of
positive values of a random convolution (ROCKET, Dempster et al. 2020), with a cosine behind it.
"""

import math
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

import hdc
from hdc.checks import choice, integer, listed, number, shown, wrong
from hdc.errors import BackendUnavailableError, ParameterError
from hdc.kernels import Array

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise BackendUnavailableError(
        f"hdc.apps.learn needs scikit-learn ({error}); pip install 'hdc-toolkit[learn]'"
    ) from error

if TYPE_CHECKING:
    from sklearn.utils import Tags

Real = npt.NDArray[np.float64]

BLOCK = 1 << 24
"""Bytes of window codes per block."""

NARROWNESS = 3.0
"""Divisor of the bandwidth of ``"auto"``: the length of a window of standardized numbers, divided by this."""

LEVELS = ("mean", "kept")
"""What is subtracted from a window: its mean, or nothing."""


class Windows(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encode time series of equal length as hypervectors.

    Parameters
    ----------
    dim : int
        Dimension of the hypervectors, if ``model`` is a name.
    model : str or VSA
        One that :class:`hdc.RandomFourier` and roles support, such as MAP-I and MAP-B.
    window : int
        Numbers per window; shorter series have one window with all their numbers.
    dilations : "auto" or sequence of int
        Distances between the numbers of a window. ``"auto"``: 1, 2, 4 and so on while a window fits.
    bandwidth : "auto" or float
        Distance between windows, of numbers standardized by channel, at which similarity falls to exp(-1/2) (further,
        for signs). ``"auto"``: a third of the root of the number of numbers in the windows of all channels.
    level : {"mean", "kept"}
        Whether the mean of each window (and channel) is subtracted.
    seed : int
        Of the model, if that is given by name.
    backend : str
        Of the model, if that is given by name.

    Attributes
    ----------
    mean_, scale_ : (channels,) float64 arrays
        Of the numbers of each channel.
    length_ : int
    dilations_ : list of int
    n_features_in_ : int
        Numbers, or channels where X has three axes.

    Examples
    --------
    >>> import numpy as np
    >>> from hdc.apps.learn import HDClassifier, Windows
    >>> rng = np.random.default_rng(0)
    >>> shapes = np.array([[0, 1, 2, 1, 0], [0, 2, 0, 2, 0]])
    >>> X, y = rng.normal(0, 0.1, (40, 30)), np.arange(40) % 2
    >>> for series, which in zip(X, y, strict=True):
    ...     place = rng.integers(0, 25)
    ...     series[place : place + 5] += shapes[which]
    >>> model = HDClassifier(Windows(1024, window=5, dilations=[1]), rule="ridge").fit(X[:20], y[:20])
    >>> model.score(X[20:], y[20:]) > 0.9
    True
    """

    def __init__(
        self,
        dim: int = 4096,
        *,
        model: Any = "MAP-I",
        window: int = 7,
        dilations: Any = "auto",
        bandwidth: Any = "auto",
        level: str = "mean",
        seed: int = 0,
        backend: str = "auto",
    ) -> None:
        self.dim = dim
        self.model = model
        self.window = window
        self.dilations = dilations
        self.bandwidth = bandwidth
        self.level = level
        self.seed = seed
        self.backend = backend

    @property
    def vsa(self) -> hdc.VSA:
        """The model of the hypervectors, before ``fit`` too."""
        if isinstance(self.model, hdc.VSA):
            return self.model
        if not isinstance(self.model, str):
            raise wrong(self.model, "model", "the name of a model, or a hdc.VSA")
        return hdc.create(self.model, self.dim, backend=self.backend, seed=self.seed)

    @property
    def _n_features_out(self) -> int:
        return self.vsa.storage

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the mean and the spread of each channel.

        Parameters
        ----------
        X : (n, length) or (n, channels, length) array of finite numbers
        y : ignored

        Raises
        ------
        ParameterError
            If a parameter is out of range, or a window of a dilation is longer than the series.
        """
        integer(self.window, "window", 1)
        choice(self.level, "level", LEVELS)
        if self.bandwidth != "auto":
            number(self.bandwidth, "bandwidth (a number above 0, or 'auto')", 1e-300)
        series = self._series(X, reset=True)
        self.length_ = series.shape[2]
        self.mean_ = series.mean(axis=(0, 2))
        spread = series.std(axis=(0, 2))
        self.scale_ = np.where(spread > 0, spread, 1.0)
        self.dilations_ = self._dilations(self.length_)
        return self

    @property
    def _span(self) -> int:
        """Return the numbers per window of a series like those that ``fit`` saw."""
        return int(min(self.window, self.length_))

    def _dilations(self, length: int) -> list[int]:
        steps = max(1, self._span - 1)
        if isinstance(self.dilations, str):
            choice(self.dilations, "dilations (or a list of integers)", ("auto",))
            return list(takewhile(lambda d: d == 1 or steps * d < length, (2**power for power in range(64))))
        found = [integer(value, "each of dilations", 1) for value in listed(self.dilations, "dilations")]
        if not found or (self._span - 1) * max(found) >= length:
            raise ParameterError(
                f"dilations are {shown(self.dilations)}; give at least one, with which {self.window} numbers fit into "
                f"series of {length}"
            )
        return found

    def transform(self, X: Any) -> Array:
        """Return the hypervectors of series.

        Parameters
        ----------
        X : (n, length) or (n, channels, length) array, as ``fit`` saw

        Returns
        -------
        (n, storage) array of the model's backend

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If X is of another shape than ``fit`` saw, or has numbers that are not finite.
        """
        check_is_fitted(self, "dilations_")
        series = self._series(X, reset=False)
        series = (series - self.mean_[:, None]) / self.scale_[:, None]
        vsa, channels = self.vsa, series.shape[1]
        size = channels * self._span
        wide = math.sqrt(size) / NARROWNESS if self.bandwidth == "auto" else float(self.bandwidth)
        code = hdc.RandomFourier(vsa, "windows", size, bandwidth=wide)
        step = max(1, BLOCK // (8 * vsa.dim * self.length_))
        parts = [
            self._bundled(vsa, code, series[start : start + step]) for start in range(0, max(1, len(series)), step)
        ]
        return parts[0] if len(parts) == 1 else vsa.xp.concat(parts, axis=0)

    def _bundled(self, vsa: hdc.VSA, code: hdc.RandomFourier, series: Real) -> Array:
        scales = [
            vsa.bind(vsa.role(("dilation", dilation)), vsa.bundle(code.encode(self._windows(series, dilation))))
            for dilation in self.dilations_
        ]
        return scales[0] if len(scales) == 1 else vsa.bundle(vsa.xp.stack(scales, axis=1))

    def _windows(self, series: Real, dilation: int) -> Real:
        """Return the windows of ``(n, channels, length)`` series: ``(n, windows, channels * window)``."""
        span = self._span
        places = np.arange(series.shape[2] - (span - 1) * dilation)[:, None] + dilation * np.arange(span)
        windows = series[:, :, places]
        if self.level == "mean" and span > 1:
            windows = windows - windows.mean(axis=3, keepdims=True)
        return windows.transpose(0, 2, 1, 3).reshape(len(series), len(places), -1)

    def _series(self, X: Any, reset: bool) -> Real:
        given = validate_data(self, X, reset=reset, dtype=np.float64, allow_nd=True)
        if given.ndim not in (2, 3):
            raise ParameterError(f"series have shape (n, length) or (n, channels, length), not {given.shape}")
        found: Real = given[:, None] if given.ndim == 2 else given
        if not reset and found.shape[1:] != (len(self.mean_), self.length_):
            raise ParameterError(
                f"series have {found.shape[1]} channels of {found.shape[2]} numbers; those that fit saw had "
                f"{len(self.mean_)} of {self.length_}"
            )
        return found

    def __sklearn_tags__(self) -> "Tags":
        """Say that series may have channels."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
