"""An old encoder's space inside a new one: an orthogonal change of basis, after which the first components are old."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import blocks
from hdc.apps.retrieval.binarizers.files import read_model, write_model
from hdc.apps.retrieval.binarizers.transformer import VectorTransformer
from hdc.apps.retrieval.vectors.rows import finite, unit
from hdc.apps.retrieval.vectors.tables import as_table
from hdc.errors import FileFormatError, MismatchError, ParameterError

Floats = npt.NDArray[np.float32]

FIT_NUMBERS = 1 << 22
"""Numbers of both sides that a fit reads at a time."""


class OrthogonalBasis(VectorTransformer):
    """Turn a new encoder's vectors so that their first components are comparable with an old encoder's.

    ``z = B x`` with B of orthonormal columns: cosines between new vectors stay as they are, so nothing is lost among
    them. The first ``d_old`` components of z agree with the old vectors y as well as a rotation can make them: B is the
    maximum of ``sum_i z_i[:d_old] . y_i`` over unit vectors, which is a Procrustes problem (Schoenemann 1966) and needs
    no gradients. The other components are free, and hold what the old space has no room for. This arrangement is that
    of BT^2 (Zhou et al. 2023, "BT^2: Backward-compatible Training with Basis Transformation", section 3), which trains
    B and the encoder together; here both encoders are finished, and only B is learned.

    An index of old vectors or codes is searched with :meth:`old`, and needs no new vectors.

    Attributes
    ----------
    matrix_ : (d, width) float32 array
        B transposed; ``width`` is the greater of both sides' components.
    old_dim_ : int
        Components of an old vector.
    agreement_ : float
        Mean cosine of :meth:`old` with the old vectors of the fit.

    Examples
    --------
    >>> import numpy as np
    >>> from hdc.apps.retrieval import OrthogonalBasis
    >>> new = np.random.default_rng(0).standard_normal((500, 16))
    >>> turned = np.linalg.qr(np.random.default_rng(1).standard_normal((16, 16)))[0]
    >>> old = (new @ turned)[:, :10]  # an encoder that saw less
    >>> basis = OrthogonalBasis().fit(new, old)
    >>> float(round(basis.agreement_, 2)), basis.transform(new[:3]).shape, basis.old(new[:3]).shape
    (0.99, (3, 16), (3, 10))
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from vectors of the same objects, row by row.

        Parameters
        ----------
        X : (n, d) array or data frame
            Of the new encoder.
        y : (n, d_old) array or data frame
            Of the old encoder.

        Raises
        ------
        DTypeError, DimensionError
            If one of both does not hold numbers in rows.
        MismatchError
            If they have different numbers of rows.
        ParameterError
            If y is missing, there is no row, or one holds NaN or infinity.
        """
        new = self._table(X)
        if y is None:
            raise ParameterError("requires y to be passed, but the target y is None: the old vectors of the same rows")
        given = np.asarray(y)
        old = as_table(given[:, None] if given.ndim == 1 else given, type(self).__name__)
        if len(new) != len(old):
            raise MismatchError(f"X has {len(new)} rows and y {len(old)}; give both vectors of each object")
        if not len(new):
            raise ParameterError("fit needs at least one pair of vectors, and X has none")
        width, self.old_dim_ = max(new.shape[1], old.shape[1]), old.shape[1]
        self.n_features_in_ = new.shape[1]
        products = np.zeros((old.shape[1], width))
        for part in _pairs(new, old):
            left, right = _units(new, part), _units(old, part)
            products[:, : new.shape[1]] += right.astype(np.float64).T @ left
        self.matrix_ = _procrustes(products)[:, : new.shape[1]].T.astype(np.float32)
        cosines = [np.einsum("nd,nd->n", self._old(_units(new, p)), _units(old, p)) for p in _pairs(new, old)]
        self.agreement_ = float(np.concatenate(cosines).mean(dtype=np.float64))
        return self

    def transform(self, X: Any) -> Any:
        """Return ``(n, width)`` float32 vectors in the basis, at length 1, or the data frame of :meth:`set_output`.

        Raises
        ------
        DTypeError, DimensionError
            If X does not hold numbers, or rows of another length than was fitted.
        ParameterError
            If nothing was fitted, a row holds NaN or infinity, or the columns have other names than in ``fit``.
        """
        table = self._given(X)
        return self._contained(self._mapped(table, self.matrix_.shape[1]), X)

    def old(self, X: Any) -> Floats:
        """Return ``(n, d_old)`` float32 vectors at length 1 for an index of old ones; raises as :meth:`transform`."""
        table = self._given(X)
        return self._mapped(table, self.old_dim_)

    def _mapped(self, table: npt.NDArray[Any], width: int) -> Floats:
        found = np.empty((len(table), width), dtype=np.float32)
        for part in blocks(len(table), 4 * (3 * self.n_features_in_ + 2 * width)):
            found[part] = unit(_units(table, part) @ self.matrix_[:, :width])
        return found

    def _old(self, units: Floats) -> Floats:
        return unit(units @ self.matrix_[:, : self.old_dim_])

    @property
    def _columns(self) -> int:
        return int(self.matrix_.shape[1])

    def save(self, folder: Any) -> None:
        """Write ``model.safetensors`` and, last, ``model.json`` with its checksum into a folder, made if need be.

        Raises
        ------
        ParameterError
            If nothing was fitted.
        OSError
            If the folder cannot be written.
        """
        self._check_fitted()
        scalars = np.array([self.old_dim_, self.agreement_])
        write_model(folder, type(self).__name__, {}, {"matrix": self.matrix_, "scalars": scalars, **self._kept_names()})

    @classmethod
    def load(cls, folder: Any) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FileFormatError
            If a file is damaged, of another version, or of another class.
        OSError
            If it cannot be read.
        """
        _, arrays = read_model(folder, cls.__name__)
        model = cls()
        try:
            model._take_names(arrays)
            model.matrix_ = arrays["matrix"]
            model.old_dim_, model.agreement_ = int(arrays["scalars"][0]), float(arrays["scalars"][1])
        except KeyError as error:
            raise FileFormatError(f"{folder} holds a model without {error}; it is of another version") from None
        model.n_features_in_ = len(model.matrix_)
        return model

    def __sklearn_tags__(self) -> Any:
        """Describe the transformer to scikit-learn, which alone calls this: fitted to pairs, float32."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=True),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(),
        )


def _pairs(new: npt.NDArray[Any], old: npt.NDArray[Any]) -> list[slice]:
    step = max(1, FIT_NUMBERS // (new.shape[1] + old.shape[1]))
    return [slice(start, start + step) for start in range(0, len(new), step)]


def _units(table: npt.NDArray[Any], part: slice) -> Floats:
    return unit(finite(table[part], part.start))


def _procrustes(products: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the orthogonal ``(w, w)`` matrix B that maximizes ``trace(B[:m] products')`` of ``(m, w)`` products."""
    left, _, right = np.linalg.svd(products, full_matrices=True)
    m = len(products)
    return np.concatenate([left @ right[:m], right[m:]])
