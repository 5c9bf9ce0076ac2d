"""Anchors: describe vectors by their cosines to chosen rows, so that the vectors of two encoders can be compared."""

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
    """Describe vectors by their cosines to anchors, instead of the components of one encoder.

    Two encoders return different vectors for one object, but similar angles between objects. Fit one ``Anchors`` per
    encoder, on the vectors of the same objects in the same order. Their outputs can then be compared, searched and
    binarized together. Neither fit needs the other encoder's vectors (Moschella et al. 2023, "Relative representations
    enable zero-shot latent space communication", section 3).

    Parameters
    ----------
    anchors : int or (k,) array of integers
        Number of anchors, drawn from the rows of ``fit``, or the row numbers themselves. The draw depends only on the
        seed and the number of rows. Use the same objects as anchors for every encoder.
    whiten : bool
        Multiply the cosines c of a vector by ``(A A')**-1/2``, where A are the unit anchors. With ``A = U S V'`` the
        result is ``U V' x``: a direction that many anchors share counts only once. Products of results are products of
        the vectors' projections on the span of the anchors. For an encoder and a rotation of it, with as many anchors
        as components, cosines are exact. False returns the cosines, as in the paper.
    center : bool
        Subtract the mean of the unit anchors from anchors and vectors first. Use it for encoders whose vectors share a
        large mean direction; an exact rotation does not need it.
    seed : int
        Random seed of the drawn anchors.

    Attributes
    ----------
    rows_ : (k,) int64 array
        Numbers of the rows of ``fit`` that are anchors.
    mean_ : (d,) float32 array
    matrix_ : (d, k) float32 array
        Multiplies unit vectors after the mean is subtracted and they are normalized again.

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
        """Choose the anchors among ``(n, d)`` vectors; only these rows are read.

        Raises
        ------
        DTypeError, DimensionError
            If X is not a table of numbers, or ``anchors`` is not a ``(k,)`` array of integers.
        ParameterError
            If X has fewer rows than anchors, a row number is out of range or repeated, an anchor contains NaN or
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
            raise ParameterError(f"anchors={k} needs at least {k} vectors, but X has n_samples = {n}")
        return np.sort(np.random.default_rng(seed).choice(n, k, replace=False))

    def transform(self, X: Any) -> Any:
        """Describe vectors by their cosines to the anchors, block by block.

        Parameters
        ----------
        X : (n, d) array or data frame
            May be memory-mapped from a file larger than memory.

        Returns
        -------
        (n, k) float32 array
            Rows of length 1; a vector orthogonal to every anchor becomes a row of zeros. A data frame if
            :meth:`set_output` chose one.

        Raises
        ------
        DTypeError, DimensionError
            If X is not numeric, or its rows have another length than in ``fit``.
        ParameterError
            If the model is not fitted, a row contains NaN or infinity, or column names differ from those of ``fit``.
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
        """Write ``model.safetensors``, then ``model.json`` with its checksum, into a folder; create it if needed.

        Raises
        ------
        ParameterError
            If the model is not fitted.
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
        """Read a model that :meth:`save` wrote.

        Raises
        ------
        FileFormatError
            If a file is damaged, from another version, or of another class.
        OSError
            If a file cannot be read.
        """
        parameters, arrays = read_model(folder, cls.__name__)
        model = cls(**parameters)
        try:
            model._take_names(arrays)
            model.mean_, model.matrix_, model.rows_ = arrays["mean"], arrays["matrix"], arrays["rows"]
        except KeyError as error:
            raise FileFormatError(f"the model in {folder} lacks {error}; it is from another version") from None
        model.n_features_in_ = len(model.mean_)
        return model

    def __sklearn_tags__(self) -> Any:
        """Return the tags that scikit-learn asks for: the output is float32 for every input dtype."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(),
        )


def _numbers(anchors: Any, n: int) -> Ids:
    """Return the given row numbers, checked against n rows."""
    given = np.asarray(anchors)
    if given.ndim != 1 or not len(given) or given.dtype.kind not in "iu":
        raise DimensionError(
            f"anchors must be an integer or a (k,) array of row numbers, not {given.dtype} of shape {given.shape}"
        )
    rows: Ids = given.astype(np.int64)
    outside = (rows < 0) | (rows >= n)
    if outside.any():
        raise ParameterError(f"anchors contains row {rows[outside][0]}, but X has rows 0 to {n - 1}")
    if len(np.unique(rows)) < len(rows):
        raise ParameterError("anchors contains a row number twice; list each anchor once")
    return rows


def _orthogonal(anchors: Floats) -> Floats:
    """Return ``U V'`` of anchors ``U S V'``: the nearest matrix whose singular values are all 1.

    This is ``(A A')**-1/2 A``, Loewdin's symmetric orthogonalization. The SVD stays exact where ``A A'`` is singular,
    which happens with more anchors than components.
    """
    left, sizes, right = np.linalg.svd(anchors.astype(np.float64), full_matrices=False)
    kept = sizes > sizes[0] * max(anchors.shape) * np.finfo(np.float32).eps
    if not kept.any():
        raise ParameterError(
            f"all {len(anchors)} anchors have one direction, or none, so vectors cannot be compared with them; choose "
            "other anchors, or center=False"
        )
    nearest: Floats = (left[:, kept] @ right[kept]).astype(np.float32)
    return nearest
