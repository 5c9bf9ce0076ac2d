"""Anchors: vectors described by their cosines to chosen rows, so that two encoders become comparable."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import blocks
from hdc.apps.retrieval.binarizers.files import read_model, write_model
from hdc.apps.retrieval.binarizers.transformer import VectorTransformer
from hdc.apps.retrieval.vectors.rows import finite, unit
from hdc.checks import flag, integer
from hdc.errors import DimensionError, FileFormatError, ParameterError

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


class Anchors(VectorTransformer):
    """Describe vectors by their cosines to anchors, in place of the components of one encoder.

    Two encoders give one object different vectors, but the angles between objects are alike. Fit an ``Anchors`` to
    each encoder's vectors of the same objects, row by row: what the two return can then be compared, searched and
    binarized together. Neither needs the other's vectors (Moschella et al. 2023, "Relative representations enable
    zero-shot latent space communication", section 3).

    Parameters
    ----------
    anchors : int or (k,) array of integers
        How many rows of ``fit`` are anchors, drawn by the seed from the number of rows alone; or the numbers of these
        rows. All encoders must have the same objects as anchors.
    whiten : bool
        Multiply the cosines c of a vector by ``(A A')**-1/2``, A being the unit anchors. With ``A = U S V'`` that is
        ``U V' x``: no direction that many anchors share counts more than once. The product of two vectors is that of
        their parts in the span of the anchors; of one encoder and its rotation, with as many anchors as components,
        cosines are exact. False returns the cosines, as in the paper.
    center : bool
        Subtract the mean of the unit anchors first, from anchors and vectors. Encoders whose vectors share a large mean
        direction need it; an exact rotation does not.
    seed : int
        Of the drawing of anchors.

    Attributes
    ----------
    rows_ : (k,) int64 array
        Numbers of the rows of ``fit`` that are anchors.
    mean_ : (d,) float32 array
    matrix_ : (d, k) float32 array
        What unit vectors less the mean, at unit length again, are multiplied by.

    Examples
    --------
    >>> import numpy as np
    >>> from hdc.apps.retrieval import Anchors
    >>> x = np.random.default_rng(0).standard_normal((500, 16))
    >>> rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((16, 16)))[0]
    >>> one, other = Anchors(64).fit(x), Anchors(64).fit(x @ rotation)
    >>> np.allclose(one.transform(x[:5]), other.transform(x[:5] @ rotation), atol=1e-5)
    True
    """

    def __init__(self, anchors: Any = 512, whiten: bool = True, center: bool = True, seed: int = 0) -> None:
        self.anchors = anchors
        self.whiten = whiten
        self.center = center
        self.seed = seed

    def fit(self, X: Any, y: Any = None) -> Self:
        """Take the anchors from ``(n, d)`` vectors; only these rows are read.

        Raises
        ------
        DTypeError, DimensionError
            If X does not hold numbers in rows, or anchors are not ``(k,)`` integers.
        ParameterError
            If X has fewer rows than anchors, there is no such row, a row is given twice, an anchor holds NaN or
            infinity, or all anchors have one direction.
        """
        table = self._table(X)
        flag(self.whiten, "whiten"), flag(self.center, "center")
        rows = self._chosen(len(table))
        found = unit(finite(table[rows], 0, "the anchors"))
        mean = found.mean(axis=0, dtype=np.float64) * self.center
        centered = unit((found - mean).astype(np.float32))
        self.matrix_ = (_orthogonal(centered) if self.whiten else centered).T.copy()
        self.mean_, self.rows_, self.n_features_in_ = mean.astype(np.float32), rows, table.shape[1]
        return self

    def _chosen(self, n: int) -> Ids:
        """Return the numbers of the anchors among n rows."""
        if np.ndim(self.anchors):
            return _numbers(self.anchors, n)
        k, seed = integer(self.anchors, "anchors", 1), integer(self.seed, "seed", 0)
        if n < k:
            raise ParameterError(f"fit needs a vector for each of anchors={k}, and X has n_samples = {n}")
        return np.sort(np.random.default_rng(seed).choice(n, k, replace=False))

    def transform(self, X: Any) -> Any:
        """Describe vectors by the anchors, block by block.

        Parameters
        ----------
        X : (n, d) array or data frame
            May be mapped from a file larger than memory.

        Returns
        -------
        (n, k) float32 array
            Rows of length 1; a vector that has nothing in common with any anchor is a row of zeros. Or the data frame
            of it that :meth:`set_output` chose.

        Raises
        ------
        DTypeError, DimensionError
            If X does not hold numbers, or rows of another length than was fitted.
        ParameterError
            If nothing was fitted, a row holds NaN or infinity, or the columns have other names than in ``fit``.
        """
        table = self._given(X)
        described = np.empty((len(table), len(self.rows_)), dtype=np.float32)
        for part in blocks(len(table), 4 * (3 * self.n_features_in_ + 2 * len(self.rows_))):
            moved = unit(unit(finite(table[part], part.start)) - self.mean_)
            described[part] = unit(moved @ self.matrix_)
        return self._contained(described, X)

    @property
    def _columns(self) -> int:
        return len(self.rows_)

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
        parameters = self.get_params()
        if np.ndim(self.anchors):
            parameters["anchors"] = np.asarray(self.anchors).tolist()
        arrays = {"mean": self.mean_, "matrix": self.matrix_, "rows": self.rows_}
        write_model(folder, type(self).__name__, parameters, arrays | self._kept_names())

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
        parameters, arrays = read_model(folder, cls.__name__)
        model = cls(**parameters)
        try:
            model._take_names(arrays)
            model.mean_, model.matrix_, model.rows_ = arrays["mean"], arrays["matrix"], arrays["rows"]
        except KeyError as error:
            raise FileFormatError(f"{folder} holds a model without {error}; it is of another version") from None
        model.n_features_in_ = len(model.mean_)
        return model

    def __sklearn_tags__(self) -> Any:
        """Describe the transformer to scikit-learn, which alone calls this: float32, whatever the numbers."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(),
        )


def _numbers(anchors: Any, n: int) -> Ids:
    """Return given numbers of rows, checked against n."""
    given = np.asarray(anchors)
    if given.ndim != 1 or not len(given) or given.dtype.kind not in "iu":
        raise DimensionError(
            f"anchors must be an integer or a (k,) array of row numbers, not {given.dtype} of shape {given.shape}"
        )
    rows: Ids = given.astype(np.int64)
    outside = (rows < 0) | (rows >= n)
    if outside.any():
        raise ParameterError(f"anchors has row {rows[outside][0]}, and X has rows 0 to {n - 1}")
    if len(np.unique(rows)) < len(rows):
        raise ParameterError("anchors has a row number twice; give every anchor once")
    return rows


def _orthogonal(anchors: Floats) -> Floats:
    """Return ``U V'`` of anchors ``U S V'``: what is nearest to them among matrices without unequal directions.

    That is ``(A A')**-1/2 A``, Loewdin's symmetric orthogonalization, by a decomposition that is exact where the
    product ``A A'`` is singular: where there are more anchors than components.
    """
    left, sizes, right = np.linalg.svd(anchors.astype(np.float64), full_matrices=False)
    kept = sizes > sizes[0] * max(anchors.shape) * np.finfo(np.float32).eps
    if not kept.any():
        raise ParameterError(
            f"all {len(anchors)} anchors have one direction, or none: nothing is left to compare vectors with; choose "
            "other anchors, or center=False"
        )
    nearest: Floats = (left[:, kept] @ right[kept]).astype(np.float32)
    return nearest
