"""The transformer of tables to hypervectors."""

import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.learn.features import numeric as codes
from hdc.apps.learn.features import records
from hdc.apps.learn.features.categories import category_members
from hdc.apps.learn.features.members import bundled, joined
from hdc.apps.learn.features.scaling import (
    Scaling,
    check_ranges,
    given_ranges,
    learned,
    median_distance,
    merged,
    of_ranges,
)
from hdc.apps.learn.features.tables import Table, is_frame
from hdc.checks import choice, integer, mapping, number, shown, wrong
from hdc.errors import BackendUnavailableError, ParameterError, UnsupportedError
from hdc.kernels import Array
from hdc.values import KERNELS

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import validate_data
except ImportError as error:
    raise BackendUnavailableError(
        f"hdc.apps.learn needs scikit-learn ({error}); pip install 'hdc-toolkit[learn]'"
    ) from error

if TYPE_CHECKING:
    from sklearn.utils import Tags

NUMERIC = ("fourier", "density", "level", "projection")
"""Codes of numbers."""

KINDS = ("numeric", "category", "drop")
"""What a column can be."""

BLOCK = 1 << 23
"""Bytes of members that are made at a time."""

_CODES: "weakref.WeakKeyDictionary[Features, tuple[Any, codes.NumericCode]]" = weakref.WeakKeyDictionary()
"""The code of numbers that each transformer used last: its matrix is drawn once, and never copied or stored."""


class Features(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encode rows of a table as hypervectors.

    Parameters
    ----------
    dim : int
        Components of a hypervector; ``model`` as an instance has its own.
    model : str or VSA
        Name of the model, or the model itself.
    numeric : {"fourier", "density", "level", "projection"}
        Code of the columns of numbers. ``"fourier"``: similarity is a kernel of the distance of the standardised
        rows (:class:`hdc.RandomFourier`). ``"density"``: roles times thermometers of the numbers scaled to their
        range, added up (intRVFL of Kleyko et al. 2020). ``"level"``: the same with :class:`hdc.Level`, for any
        model. ``"projection"``: similarity is the cosine of the standardised rows (:class:`hdc.RandomProjection`).
    kernel : str
        Of ``"fourier"``: one of ``hdc.values.KERNELS``.
    bandwidth : "auto" or float
        Of ``"fourier"``, in standard deviations: ``"auto"`` is half the median distance of two rows; where ``ranges``
        are given for all columns, the root of half the number of columns, which data of independent columns have.
    kappa : int, optional
        Of ``"density"`` and ``"level"`` on MAP-I: components are clipped to this magnitude.
    ranges : (low, high), or mapping of column to such a pair, optional
        Ranges of the numbers; without it those of the rows that ``fit`` sees. With one pair for all columns
        nothing has to be fitted. Numbers beyond the range count as its end in ``"density"`` and ``"level"``.
    columns : mapping of column to kind, optional
        Columns by name, or by number in an array: ``"numeric"``, ``"category"``, ``"drop"``. Without it, numbers are
        numeric, and texts, truth values and pandas categories are categories.
    seed : int
        Of the model, if that is given by name.
    backend : str
        Of the model, if that is given by name.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : (n_features_in_,) array of str
        If ``fit`` saw a frame with names.
    kinds_ : list of str
        What each column is.
    scaling_ : Scaling
        Of the columns of numbers.
    bandwidth_ : float
        Of ``"fourier"``.

    Notes
    -----
    Missing numbers (NaN) and categories are left out of a row: of sums as members, of ``"fourier"`` and
    ``"projection"`` as numbers at the center, which turn no angle.

    Examples
    --------
    >>> from hdc.apps.learn import Features
    >>> features = Features(1024, numeric="density", ranges=(0, 10))
    >>> rows = features.transform([[1.0, 9.0], [1.5, 9.0], [9.0, 1.0]])
    >>> rows.shape, rows.dtype
    ((3, 16), dtype('uint64'))
    >>> features.vsa.similarity(rows[0], rows).round(1).tolist()
    [1.0, 0.9, -0.1]
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
        self.ranges = ranges
        self.columns = columns
        self.seed = seed
        self.backend = backend

    # ------------------------------------------------------------------ the model

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

    def _check_parameters(self) -> None:
        choice(self.numeric, "numeric", NUMERIC)
        choice(self.kernel, "kernel", KERNELS)
        if self.bandwidth != "auto":
            number(self.bandwidth, "bandwidth (a number above 0, or 'auto')", 1e-300)
        if self.kappa is not None:
            integer(self.kappa, "kappa", 1)
            if not isinstance(self.vsa, hdc.MAPI):
                raise UnsupportedError(f"kappa clips the sums of MAP-I, and {self.vsa.model} has others; leave it out")
        check_ranges(self.ranges)
        for kind in (mapping(self.columns, "columns") if self.columns is not None else {}).values():
            choice(kind, "each of columns", KINDS)

    # ------------------------------------------------------------------ fitting

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what each column is, and the ranges of numbers.

        Parameters
        ----------
        X : (n, columns) array, list of rows, or frame
        y : ignored
        """
        self._check_parameters()
        table = self._table(X, reset=True)
        self.kinds_ = self._kinds(table)
        names = [name for name, kind in zip(table.names, self.kinds_, strict=True) if kind == "numeric"]
        numbers = table.numbers(names)
        self.scaling_ = merged(learned(numbers), *given_ranges(self.ranges, names))
        self.bandwidth_ = self._bandwidth(self.scaling_, numbers)
        self._code_of(names)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from the first batch as :meth:`fit` does; later batches change nothing, so that codes stay."""
        if not hasattr(self, "kinds_"):
            return self.fit(X, y)
        self._table(X, reset=False)
        return self

    def _bandwidth(self, scaling: Scaling, numbers: npt.NDArray[np.float64] | None) -> float:
        if self.bandwidth != "auto":
            return float(self.bandwidth)
        if numbers is None or self._ranged:
            return float(np.sqrt(max(1, len(scaling.low)) / 2))
        return median_distance(scaling.standardised(numbers)) / 2 or 1.0

    @property
    def _ranged(self) -> bool:
        """Whether all ranges are given, so that nothing has to be fitted."""
        return self.ranges is not None and not isinstance(self.ranges, Mapping)

    # ------------------------------------------------------------------ encoding

    def transform(self, X: Any) -> Array:
        """Return the hypervectors of rows.

        Parameters
        ----------
        X : (n, columns) array, list of rows, or frame

        Returns
        -------
        (n, storage) array of the model's backend

        Raises
        ------
        NotFittedError
            If ranges have to be learned and were not.
        ValueError, TypeError
            If X is no table, has infinite numbers, or other columns than ``fit`` saw.
        """
        fitted = hasattr(self, "kinds_")
        if not fitted:
            if not self._ranged:
                raise NotFittedError("Features learns ranges with fit; call it first, or give ranges=(low, high)")
            self._check_parameters()
        table = self._table(X, reset=False)
        kinds = self.kinds_ if fitted else self._kinds(table)
        names = self._names(table)
        numeric = [place for place, kind in enumerate(kinds) if kind == "numeric"]
        others = [(place, kind) for place, kind in enumerate(kinds) if kind not in ("numeric", "drop")]
        numbers = table.numbers([table.names[place] for place in numeric])
        code = self._code_of([names[place] for place in numeric]) if numeric else None
        if code is not None and not others:
            return code.rows(numbers)
        parts = []
        for rows in self._blocks(len(table), len(kinds)):
            members = [code.members(numbers[rows])] if code is not None else []
            for place, _ in others:
                values = table.objects(table.names[place])[rows]
                members.append(category_members(self.vsa, names[place], values))
            parts.append(bundled(self.vsa, joined(self.vsa, members), self.kappa))
        return parts[0] if len(parts) == 1 else self.vsa.xp.concat(parts, axis=0)

    def _blocks(self, rows: int, members: int) -> Iterator[slice]:
        step = max(1, BLOCK // (8 * max(1, members) * self.vsa.storage))
        for start in range(0, rows, step):
            yield slice(start, min(start + step, rows))

    def _names(self, table: Table) -> list[Any]:
        """Return the names of the columns whose roles they are: those that ``fit`` saw."""
        return list(getattr(self, "feature_names_in_", table.names))

    def _code_of(self, names: list[Any]) -> codes.NumericCode:
        """Return the code of the columns of numbers, the last one if nothing has changed."""
        vsa = self.vsa
        if hasattr(self, "scaling_"):
            scaling, bandwidth = self.scaling_, self.bandwidth_
        else:
            scaling = of_ranges(*given_ranges(self.ranges, names))
            bandwidth = self._bandwidth(scaling, None)
        ends = tuple(part.tobytes() for part in (scaling.low, scaling.high, scaling.center, scaling.unit))
        key = vsa, self.numeric, self.kernel, bandwidth, self.kappa, tuple(names), ends
        known = _CODES.get(self)
        if known is None or known[0] != key:
            known = key, self._new_code(vsa, names, scaling, bandwidth)
            _CODES[self] = known
        return known[1]

    def _new_code(self, vsa: hdc.VSA, names: list[Any], scaling: Scaling, bandwidth: float) -> codes.NumericCode:
        if self.numeric == "fourier":
            return codes.fourier(vsa, names, scaling, self.kernel, bandwidth)
        if self.numeric == "projection":
            return codes.projection(vsa, names, scaling)
        return {"density": records.density, "level": records.level}[self.numeric](vsa, names, scaling, self.kappa)

    # ------------------------------------------------------------------ tables

    def _table(self, X: Any, reset: bool) -> Table:
        """Check X as scikit-learn does, and take it apart."""
        if is_frame(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return Table(X)
        return Table(validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan"))

    def _kinds(self, table: Table) -> list[str]:
        asked = dict(self.columns or {})
        if unknown := [name for name in asked if name not in table.names]:
            raise ParameterError(f"columns has {shown(unknown[0])}, and the table has {shown(table.names)}")
        return [asked.get(name) or ("numeric" if table.looks_numeric(name) else "category") for name in table.names]

    def __sklearn_tags__(self) -> "Tags":
        """Say what is taken: numbers and texts, with missing ones; and whether ``fit`` is needed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.requires_fit = not self._ranged
        tags.transformer_tags.preserves_dtype = []
        return tags
