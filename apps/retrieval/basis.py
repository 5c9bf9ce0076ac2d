"""OrthogonalBasis: rotate a new encoder's space so that its first components agree with an old encoder's."""

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
"""Numbers of both tables that a fit reads at a time."""


class OrthogonalBasis(VectorTransformer):
    """Rotate a new encoder's vectors so that their first components can be compared with an old encoder's.

    ``z = B x``, where B has orthonormal columns, so cosines between new vectors do not change. The first ``d_old``
    components of z agree with the old vectors y as well as a rotation allows. B maximizes
    ``sum_i z_i[:d_old] . y_i`` over unit vectors: a Procrustes problem (Schoenemann 1966), solved without gradients.
    The other components are free; they keep what the old space cannot represent. BT^2 uses the same arrangement (Zhou
    et al. 2023, "BT^2: Backward-compatible Training with Basis Transformation", section 3), but trains B together with
    the encoder. Here both encoders are finished, and only B is learned.

    Search an index of old vectors or codes with the output of :meth:`old`; the index needs no new vectors.

    Attributes
    ----------
    matrix_ : (d, width) float32 array
        B transposed; ``width`` is the larger number of components of the two encoders.
    old_dim_ : int
        Components of an old vector.
    agreement_ : float
        Mean cosine between :meth:`old` and the old vectors, over the rows of ``fit``.

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
        """Learn the basis from vectors of the same objects, row by row.

        Parameters
        ----------
        X : (n, d) array or data frame
            Vectors of the new encoder.
        y : (n, d_old) array or data frame
            Vectors of the old encoder.

        Raises
        ------
        DTypeError, DimensionError
            If X or y is not a table of numbers.
        MismatchError
            If X and y have different numbers of rows.
        ParameterError
            If y is missing, X has no rows, or a row contains NaN or infinity.
        """
        new = self._table(X)
        if y is None:
            raise ParameterError("requires y to be passed, but the target y is None: the old vectors of the same rows")
        given = np.asarray(y)
        old = as_table(given[:, None] if given.ndim == 1 else given, type(self).__name__)
        if len(new) != len(old):
            raise MismatchError(f"X has {len(new)} rows but y has {len(old)}; pass both vectors of each object")
        if not len(new):
            raise ParameterError("fit needs at least one pair of vectors, but X has no rows")
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
        """Return ``(n, width)`` float32 vectors of length 1 in the basis, or the data frame of :meth:`set_output`.

        Raises
        ------
        DTypeError, DimensionError
            If X is not numeric, or its rows have another length than in ``fit``.
        ParameterError
            If the model is not fitted, a row contains NaN or infinity, or column names differ from those of ``fit``.
        """
        table = self._given(X)
        return self._contained(self._mapped(table, self.matrix_.shape[1]), X)

    def old(self, X: Any) -> Floats:
        """Return ``(n, d_old)`` float32 unit vectors to search an index of old vectors; raises as :meth:`transform`."""
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
        """Write ``model.safetensors``, then ``model.json`` with its checksum, into a folder; create it if needed.

        Raises
        ------
        ParameterError
            If the model is not fitted.
        OSError
            If the folder cannot be written.
        """
        self._check_fitted()
        scalars = np.array([self.old_dim_, self.agreement_])
        write_model(folder, type(self).__name__, {}, {"matrix": self.matrix_, "scalars": scalars, **self._kept_names()})

    @classmethod
    def load(cls, folder: Any) -> Self:
        """Read a model that :meth:`save` wrote.

        Raises
        ------
        FileFormatError
            If a file is damaged, from another version, or of another class.
        OSError
            If a file cannot be read.
        """
        _, arrays = read_model(folder, cls.__name__)
        model = cls()
        try:
            model._take_names(arrays)
            model.matrix_ = arrays["matrix"]
            model.old_dim_, model.agreement_ = int(arrays["scalars"][0]), float(arrays["scalars"][1])
        except KeyError as error:
            raise FileFormatError(f"the model in {folder} lacks {error}; it is from another version") from None
        model.n_features_in_ = len(model.matrix_)
        return model

    def __sklearn_tags__(self) -> Any:
        """Return the tags that scikit-learn asks for: fit needs y, and the output is float32."""
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
