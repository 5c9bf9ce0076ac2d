"""The transformer of tables to hypervectors."""

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.frames.rows import in_memory
from hdc.apps.learn.features import scaling, state
from hdc.apps.learn.features.category_angles import mismatches
from hdc.apps.learn.features.documents import documents, json_encoder
from hdc.apps.learn.features.encoding import Encoding, Settings, series_of
from hdc.apps.learn.features.kinds import TRANSFORMER, check_kinds, kinds_of
from hdc.apps.learn.features.members import bundled
from hdc.apps.learn.features.scaling import Scaling
from hdc.apps.learn.features.series import SeriesCode
from hdc.apps.learn.features.tables import Table, is_frame
from hdc.checks import choice, integer, number, shown, wrong
from hdc.errors import BackendUnavailableError, FileFormatError, ParameterError, UnsupportedError
from hdc.kernels import Array
from hdc.values import KERNELS

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import validate_data
except ImportError as error:
    raise BackendUnavailableError(
        f"hdc.apps.learn needs scikit-learn ({error}); pip install 'hdc-toolkit[learn]'"
    ) from error

if TYPE_CHECKING:
    from sklearn.utils import Tags

NUMERIC = ("fourier", "density", "level", "projection", "series")
"""Codes of numbers."""

_ENCODINGS: "weakref.WeakKeyDictionary[Features, tuple[Any, Encoding]]" = weakref.WeakKeyDictionary()
"""The last encoding of each transformer: its matrices are drawn once, and never copied or stored."""


WIDTH = 0.7
"""Bandwidth of ``"auto"``, in units of the median distance of two rows."""


class Features(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encode rows of a table as hypervectors.

    Parameters
    ----------
    dim : int
        Dimension of the hypervectors, if ``model`` is a name.
    model : str or VSA
        Name of the model, or the model itself.
    numeric : {"fourier", "density", "level", "projection", "series"}
        Code of the columns of numbers.

        - ``"fourier"``: similarity is a kernel of the distance of the standardized rows (:class:`hdc.RandomFourier`).
        - ``"density"``: the sum of roles times thermometers of the numbers, scaled to their ranges (intRVFL, Kleyko
          et al. 2020); for MAP-I, MAP-B and other models whose components have a sign.
        - ``"level"``: the same with :class:`hdc.Level`, for any model.
        - ``"projection"``: similarity is the cosine of the standardized rows, or their angle
          (:class:`hdc.RandomProjection`).
        - ``"series"``: X is time series, ``(n, length)`` or ``(n, channels, length)``: bags of windows of levels.
    kernel : str
        For ``"fourier"``: one of ``hdc.values.KERNELS``.
    bandwidth : "auto" or float
        For ``"fourier"``, in standard deviations. ``"auto"`` is 0.7 times the median distance of two rows of ``fit``;
        with ``ranges`` for all columns, the root of the number of columns.
    kappa : int, optional
        For MAP-I: sums are clipped to this magnitude.
    levels, window : int, int or tuple of int
        For series: levels per number, and numbers per window.
    ranges : (low, high), or mapping of column to such a pair, optional
        Ranges of the numbers; ``fit`` learns those you leave out. With one pair for all columns nothing needs fitting.
        Records and series clip numbers to the range.
    columns : mapping of column to kind, optional
        Columns by name, or of an array by number: ``"numeric"``, ``"category"``, ``"text"`` (words, and runs of three
        characters), ``"series"`` (a list of numbers in each row), ``"json"`` (documents, or their texts), ``"drop"``,
        or a transformer of values to hypervectors of the same model. Other columns are numeric if they contain numbers,
        else categories.
    seed : int
        Of the model, if that is a name.
    backend : str
        Of the model, if that is a name.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns, or of channels for series with three axes.
    feature_names_in_ : array of str
        One per column, if ``fit`` saw a frame with column names.
    kinds_ : list of str
        Kind of each column.
    scaling_ : Scaling
        Ranges, centers and units of the columns of numbers.
    bandwidth_ : float
        Of ``"fourier"``.
    series_ : dict
        Ranges of the columns of series.
    transformers_ : dict
        The fitted transformers of columns of documents, and of columns with their own.

    Notes
    -----
    Missing values (NaN, None) are left out: of sums as members of weight 0; of ``"fourier"`` and ``"projection"`` as
    numbers at the center, which change no angle.

    On MAP-B and MAP-I a row has the same bits in every batch, on every backend and machine, but for ``"projection"``,
    where the sign of a projection that is 0 to rounding may differ. A code of ``"fourier"`` beside other columns
    weighs as many members as it has numbers.

    Examples
    --------
    >>> from hdc.apps.learn import Features
    >>> features = Features(1024, numeric="density", ranges=(0, 10))
    >>> rows = features.transform([[1.0, 9.0], [1.5, 9.0], [9.0, 1.0]])
    >>> rows.shape, rows.dtype
    ((3, 16), dtype('uint64'))
    >>> features.vsa.similarity(rows[0], rows).astype(float).round(1).tolist()
    [1.0, 1.0, 0.2]
    """

    def __init__(
        self,
        dim: int = 4096,
        *,
        model: Any = "MAP-B",
        numeric: str = "fourier",
        kernel: str = "gaussian",
        bandwidth: Any = "auto",
        kappa: int | None = None,
        levels: int = 16,
        window: Any = 3,
        ranges: Any = None,
        columns: Mapping[Any, Any] | None = None,
        seed: int = 0,
        backend: str = "auto",
    ) -> None:
        self.dim = dim
        self.model = model
        self.numeric = numeric
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.kappa = kappa
        self.levels = levels
        self.window = window
        self.ranges = ranges
        self.columns = columns
        self.seed = seed
        self.backend = backend

    # ------------------------------------------------------------------ parameters

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

    @property
    def _stateless(self) -> bool:
        """Whether the transformer needs no fitting."""
        kinds = (self.columns or {}).values()
        ranged = self.ranges is not None and not isinstance(self.ranges, Mapping)
        return ranged and all(isinstance(kind, str) and kind != "json" for kind in kinds)

    def _check_parameters(self) -> None:
        check_kinds(self.columns)
        choice(self.numeric, "numeric", NUMERIC)
        choice(self.kernel, "kernel", KERNELS)
        named = isinstance(self.bandwidth, str)
        if (named and self.bandwidth != "auto") or (not named and number(self.bandwidth, "bandwidth") <= 0):
            raise wrong(self.bandwidth, "bandwidth", "'auto' or a number above 0")
        if self.kappa is not None:
            integer(self.kappa, "kappa", 1)
            if not isinstance(self.vsa, hdc.MAPI):
                raise UnsupportedError(f"kappa clips sums of MAP-I, and the model is {self.vsa.model}; leave it out")
        integer(self.levels, "levels", 2)
        if self._has_series:
            hdc.NGrams(self.vsa, self.window)
        scaling.check_ranges(self.ranges)
        if self.numeric == "series" and self.columns is not None:
            raise ParameterError(
                "numeric='series' takes X as series without columns; leave columns out, or name the "
                "columns that have series with columns={...: 'series'} and another numeric"
            )

    @property
    def _has_series(self) -> bool:
        return self.numeric == "series" or "series" in [k for k in (self.columns or {}).values() if isinstance(k, str)]

    # ------------------------------------------------------------------ fitting

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what each column is, and the ranges of numbers.

        Parameters
        ----------
        X : (n, columns) array, list of rows, or data frame
        y : ignored, but passed to transformers of columns

        Raises
        ------
        ParameterError, UnsupportedError
            If a parameter is invalid, or the model does not support the code.
        ValueError, TypeError
            If X is not a table, is sparse, or has infinite numbers.
        """
        self._check_parameters()
        if self.numeric == "series":
            return self._fit_series(self._series(X, reset=True))
        table = self._table(X, reset=True)
        self.kinds_ = kinds_of(table, self.columns)
        names = self._of_kind(table.names, "numeric")
        numbers = table.numbers(names)
        ends = scaling.given_ranges(self.ranges, names)
        self.scaling_ = scaling.merged(scaling.learned(numbers), *ends)
        self.bandwidth_ = self._bandwidth(self.scaling_, table, self.kinds_)
        self.series_ = {name: self._series_range(table, name) for name in self._of_kind(table.names, "series")}
        self.transformers_ = {
            name: self._fitted_transformer(table, name, kind, y)
            for name, kind in zip(table.names, self.kinds_, strict=True)
            if kind in ("json", TRANSFORMER)
        }
        _ = self._encoding(table.names).numbers
        return self

    def _fit_series(self, X: npt.NDArray[np.float64]) -> Self:
        channels = list(range(X.shape[1]))
        seen = scaling.learned(np.moveaxis(X, 1, 2).reshape(-1, len(channels)))
        self.kinds_ = ["series"] * len(channels)
        self.scaling_ = scaling.merged(seen, *scaling.given_ranges(self.ranges, channels))
        self.bandwidth_, self.series_, self.transformers_ = 1.0, {}, {}
        return self

    def _of_kind(self, names: list[Any], kind: str) -> list[Any]:
        return [name for name, one in zip(names, self.kinds_, strict=True) if one == kind]

    def _series_range(self, table: Table, name: Any) -> tuple[float, float]:
        parts = [series_of(value, name) for value in table.objects(name)]
        seen = scaling.learned(np.concatenate(parts)[:, None])
        found = scaling.merged(seen, *scaling.given_ranges(self.ranges, [name]))
        return float(found.low[0]), float(found.high[0])

    def _fitted_transformer(self, table: Table, name: Any, kind: str, y: Any) -> Any:
        values = table.objects(name)
        if kind == "json":
            return json_encoder(self.vsa).fit(documents(values, name))
        return clone((self.columns or {})[name]).fit(values.tolist(), y)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from the first batch as :meth:`fit` does; later ones change nothing, so that codes stay."""
        if not hasattr(self, "kinds_"):
            return self.fit(X, y)
        checked = self._series if self.numeric == "series" else self._table
        checked(X, reset=False)
        return self

    def _bandwidth(self, of: Scaling, table: Table | None, kinds: list[str]) -> float:
        if not isinstance(self.bandwidth, str):
            return float(self.bandwidth)
        if table is None or self._stateless:
            return float(np.sqrt(max(1, sum(kind in ("numeric", "category") for kind in kinds))))
        names = {
            kind: [name for name, one in zip(table.names, kinds, strict=True) if one == kind] for kind in set(kinds)
        }
        rows = scaling.sampled(len(table))
        numbers = of.standardized(table.numbers(names.get("numeric", []))[rows])
        categories = {name: table.objects(name) for name in names.get("category", [])}
        return WIDTH * scaling.median_distance(numbers, mismatches(categories, rows)) or 1.0

    # ------------------------------------------------------------------ encoding

    def transform(self, X: Any) -> Array:
        """Return the hypervectors of rows.

        Parameters
        ----------
        X : (n, columns) array, list of rows, or data frame

        Returns
        -------
        (n, storage) array of the model's backend
            Sums of MAP-I that are at most 127 are int8: widen them (``astype(int)``) before you bind them.

        Raises
        ------
        NotFittedError
            If there is something to learn, and ``fit`` was not called.
        ValueError, TypeError
            If X is not a table, is sparse, has infinite numbers, or has other columns than ``fit`` saw.
        """
        if not hasattr(self, "kinds_"):
            if not self._stateless:
                raise NotFittedError("Features learns from the rows given to fit: call fit first, or give ranges")
            self._check_parameters()
        if self.numeric == "series":
            return self._series_rows(self._series(X, reset=False))
        table = self._table(X, reset=False)
        encoding = self._encoding(table.names) if hasattr(self, "kinds_") else self._unfitted(table)
        return encoding.rows(table)

    def _series_rows(self, X: npt.NDArray[np.float64]) -> Array:
        channels = list(range(X.shape[1]))
        known = self.scaling_ if hasattr(self, "scaling_") else self._given_scaling(channels)
        code = SeriesCode(self.vsa, channels, known.low, known.high, self.levels, self.window)
        return bundled(self.vsa, code.members(X), self.kappa)

    def _given_scaling(self, names: list[Any]) -> Scaling:
        return scaling.of_ranges(*scaling.given_ranges(self.ranges, names))

    def _encoding(self, names: list[Any]) -> Encoding:
        """Return the encoding of the learned state, cached until the state changes."""
        own = list(getattr(self, "feature_names_in_", names))
        known = own, self.kinds_, self.scaling_, self.bandwidth_, self.series_, self.transformers_
        return self._cached(known, tuple(map(id, known[1:])))

    def _unfitted(self, table: Table) -> Encoding:
        kinds = kinds_of(table, self.columns)
        numeric = [name for name, kind in zip(table.names, kinds, strict=True) if kind == "numeric"]
        given = self._given_scaling(numeric)
        ends = scaling.ends_of(self.ranges)
        series = {name: ends for name, kind in zip(table.names, kinds, strict=True) if kind == "series"}
        return self._cached((table.names, kinds, given, self._bandwidth(given, None, kinds), series, {}), ends)

    def _cached(self, known: tuple[Any, ...], marks: tuple[Any, ...]) -> Encoding:
        """Return the encoding of these settings, or the cached one if it is equal."""
        settings = Settings(self.numeric, self.kernel, self.kappa, self.levels, self.window)
        key = self.vsa, vars(settings), list(known[0]), list(known[1]), known[3], marks
        last = _ENCODINGS.get(self)
        if last is None or last[0] != key:
            last = key, Encoding(self.vsa, settings, *known)
            _ENCODINGS[self] = last
        return last[1]

    # ------------------------------------------------------------------ tables

    def _table(self, X: Any, reset: bool) -> Table:
        """Check X as scikit-learn does, and split it into columns."""
        X = in_memory(X)
        if is_frame(X):
            names = list(X.columns)
            if len(set(names)) < len(names):
                twice = next(name for place, name in enumerate(names) if name in names[:place])
                raise ParameterError(f"two columns have the name {shown(twice)}; give each column a name of its own")
            validate_data(self, X, reset=reset, skip_check_array=True)
            if 0 in X.shape:
                what = "sample" if X.shape[1] else "feature"
                raise ParameterError(f"Found array with 0 {what}(s), shape {X.shape}, while at least 1 is required")
            return Table(X)
        return Table(validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan"))

    def _series(self, X: Any, reset: bool) -> npt.NDArray[np.float64]:
        """Return X as ``(n, channels, length)`` float64."""
        given = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan", allow_nd=True)
        found = given[:, None] if given.ndim == 2 else given
        if found.ndim != 3:
            raise ParameterError(f"series have shape (n, length) or (n, channels, length), not {given.shape}")
        if not reset and hasattr(self, "kinds_") and found.shape[1] != len(self.kinds_):
            raise ParameterError(f"X has {found.shape[1]} channels, and fit saw {len(self.kinds_)}")
        return np.asarray(found)

    def __sklearn_tags__(self) -> "Tags":
        """Tell scikit-learn the accepted inputs (numbers and texts, also missing), and whether ``fit`` is needed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = self.numeric != "series"
        tags.input_tags.categorical = self.numeric != "series"
        tags.input_tags.three_d_array = self.numeric == "series"
        tags.requires_fit = not self._stateless
        tags.transformer_tags.preserves_dtype = []
        return tags

    # ------------------------------------------------------------------ files

    def to_json(self) -> dict[str, Any]:
        """Return parameters and learned state as a dict for JSON; :meth:`from_json` reads it.

        Raises
        ------
        UnsupportedError
            If a column has a transformer of the caller's.
        """
        parameters = state.parameters_to_json(self.get_params(deep=False))
        fitted = state.fitted_to_json(vars(self)) if hasattr(self, "kinds_") else None
        return {"format": state.FORMAT, "version": state.VERSION, "parameters": parameters, "fitted": fitted}

    @classmethod
    def from_json(cls, known: Mapping[str, Any], *, backend: str = "auto") -> Self:
        """Return the transformer that :meth:`to_json` wrote; its hypervectors are the same.

        Parameters
        ----------
        known : dict
        backend : str
            Of the new transformer.

        Raises
        ------
        FileFormatError
            If it is not such a dict, or is of another version.
        """
        checked = state.check_format(known)
        try:
            found = cls(**state.parameters_of_json(checked["parameters"], backend))
            if checked["fitted"] is not None:
                for name, value in state.fitted_of_json(checked["fitted"], backend).items():
                    setattr(found, name, value)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileFormatError(f"a damaged state of Features ({error!r}); fit it again") from error
        return found
