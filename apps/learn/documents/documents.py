"""The transformer of JSON documents to hypervectors, with weights of sections learned from labels."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.json import JSONEncoder
from hdc.apps.learn.documents.section_weights import searched
from hdc.apps.learn.documents.views import DOCUMENT, VIEWS, viewed
from hdc.checks import choice, integer, listed
from hdc.errors import BackendUnavailableError, FileFormatError, ParameterError

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise BackendUnavailableError(
        f"hdc.apps.learn needs scikit-learn ({error}); pip install 'hdc-toolkit[learn]'"
    ) from error

if TYPE_CHECKING:
    from sklearn.utils import Tags

Section: TypeAlias = tuple[str, ...]
"""A view, a key of the document below ``DOCUMENT``, or ``DOCUMENT`` alone for the rest."""

WEIGHINGS = ("labels", "leaves")
"""How sections are weighted."""

SECTIONS = 24
"""Keys of documents with their own weight: the most frequent."""

ROWS = 2000
"""Documents, evenly spaced, to learn weights from."""

NARROW = 512
"""Components of the vectors to learn weights from."""


class Documents(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encode JSON documents as hypervectors to learn from.

    A :class:`~hdc.apps.json.JSONEncoder` with two additions for classification, which search does not need: views
    of a document beside its leaves (:mod:`hdc.apps.learn.documents.views`), and weights of its sections, which are the
    keys of the document and the views, by the labels (:mod:`hdc.apps.learn.documents.section_weights`).

    Parameters
    ----------
    dim : int
        Dimension of the hypervectors.
    views : collection of {"words", "letters", "pairs"}
        Encoded beside the leaves: words without path, runs of 3 and 4 letters of words, and pairs of leaves of the same
        item of an array. Words and letters help if texts determine the class, and cost most of the time.
    weighing : {"labels", "leaves"}
        Whether ``fit`` learns the weights of sections from labels, or every leaf counts alike.
    encoder : mapping, optional
        More parameters of ``JSONEncoder``, as ``{"numbers": "smooth"}``; not ``dim``, ``output``, ``weights``, ``seed``
        and ``backend``.
    seed : int
        Of the model.
    backend : str
        Of the model.

    Attributes
    ----------
    encoder_ : JSONEncoder
        Of documents with their views.
    section_weights_ : dict of path to float
        As ``encoder_.weights``; empty if all weigh the same.

    Examples
    --------
    >>> from hdc.apps.learn import Documents, HDClassifier
    >>> animals = [{"name": "cat", "legs": 4}, {"name": "dog", "legs": 4}, {"name": "eel"}, {"name": "cod"}]
    >>> model = HDClassifier(Documents(1024), rule="ridge").fit(animals, ["land", "land", "sea", "sea"])
    >>> model.predict([{"name": "ox", "legs": 4}]).tolist()
    ['land']
    """

    def __init__(
        self,
        dim: int = 4096,
        *,
        views: Collection[str] = ("pairs",),
        weighing: str = "labels",
        encoder: Mapping[str, Any] | None = None,
        seed: int = 0,
        backend: str = "auto",
    ) -> None:
        self.dim = dim
        self.views = views
        self.weighing = weighing
        self.encoder = encoder
        self.seed = seed
        self.backend = backend

    @property
    def vsa(self) -> hdc.VSA:
        """The model of the hypervectors, before ``fit`` too."""
        return self._new_encoder(self.dim, {}).vsa

    @property
    def _n_features_out(self) -> int:
        return self.dim

    def _new_encoder(self, dim: int, weights: dict[str, float]) -> JSONEncoder:
        given = dict(self.encoder or {})
        own = {"dim": dim, "output": "float", "weights": weights or None, "seed": self.seed, "backend": self.backend}
        if taken := sorted(set(given) & set(own)):
            raise ParameterError(
                f"encoder has {taken[0]!r}, which Documents sets itself; give it there or leave it out"
            )
        return JSONEncoder(**{**given, **own})

    def _views(self) -> list[str]:
        for view in listed(self.views, "views"):
            choice(view, "each of views", VIEWS)
        return list(self.views)

    # ------------------------------------------------------------------ fitting

    def fit(self, X: Iterable[Any], y: Any = None) -> Self:
        """Learn how rare values are and, if there are labels, what sections weigh.

        Parameters
        ----------
        X : iterable of n documents
        y : (n,) array of labels, optional

        Raises
        ------
        ParameterError
            If a parameter is out of range, there are no documents, or there is not one label per document.
        """
        choice(self.weighing, "weighing", WEIGHINGS)
        integer(self.dim, "dim", 1)
        views = self._views()
        seen = [viewed(document, views) for document in X]
        fitted = self._new_encoder(self.dim, {}).fit(seen)
        self.section_weights_ = self._learned(seen, y, fitted) if y is not None and self.weighing == "labels" else {}
        self.encoder_ = self._new_encoder(self.dim, self.section_weights_)
        self.encoder_.profile_ = fitted.profile_
        return self

    def _learned(self, seen: list[dict[str, Any]], y: Any, fitted: JSONEncoder) -> dict[str, float]:
        labels = np.asarray(y)
        if labels.shape != (len(seen),):
            raise ParameterError(f"there are {len(seen)} documents, and y has the shape {labels.shape}; give (n,)")
        classes, numbers = np.unique(labels, return_inverse=True)
        chosen = np.unique(np.linspace(0, len(seen) - 1, min(len(seen), ROWS)).astype(int))
        some = [seen[i] for i in chosen]
        sections = _sections(some)
        if len(classes) < 2 or len(sections) < 2:
            return {}
        narrow = self._new_encoder(min(NARROW, self.dim), {})
        narrow.profile_ = fitted.profile_
        parts = np.stack([_section_vectors(narrow, some, section, sections) for section in sections])
        targets = np.where(numbers[chosen][:, None] == np.arange(len(classes)), 1, -1).astype(np.float32)
        weights = searched(parts, targets)
        return {_path(section): weight for section, weight in zip(sections, weights.tolist(), strict=True)}

    # ------------------------------------------------------------------ encoding

    def transform(self, X: Iterable[Any]) -> npt.NDArray[np.float32]:
        """Return the hypervectors of documents.

        Parameters
        ----------
        X : iterable of n documents

        Returns
        -------
        (n, dim) float32 array

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        check_is_fitted(self, "encoder_")
        views = self._views()
        return np.asarray(self.encoder_.transform(viewed(document, views) for document in X))

    def to_json(self) -> dict[str, Any]:
        """Return parameters and fitted state as a dict for JSON; :meth:`from_json` reads it.

        Of the backend it says nothing, for the vectors are the same on all.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        check_is_fitted(self, "encoder_")
        given = None if self.encoder is None else dict(self.encoder)
        own = {
            "dim": self.dim,
            "views": list(self.views),
            "weighing": self.weighing,
            "encoder": given,
            "seed": self.seed,
        }
        return {"parameters": own, "section_weights": self.section_weights_, "encoder": self.encoder_.to_json()}

    @classmethod
    def from_json(cls, state: dict[str, Any], *, backend: str = "auto") -> Self:
        """Return the transformer that :meth:`to_json` wrote; its vectors are the same.

        Raises
        ------
        FileFormatError
            If the state is not that of a fitted ``Documents``.
        """
        try:
            made = cls(**state["parameters"], backend=backend)
            made.section_weights_ = {str(path): float(weight) for path, weight in state["section_weights"].items()}
            made.encoder_ = JSONEncoder.from_json(state["encoder"], backend=backend)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileFormatError("no state of Documents, or one of another version; fit it again") from error
        return made

    def __sklearn_tags__(self) -> "Tags":
        """Tell scikit-learn that documents are not arrays, and that labels are used."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.dict = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _sections(seen: list[dict[str, Any]]) -> list[Section]:
    """Return the sections: views, and the most frequent keys of documents, with the others as one section."""
    keys = Counter(key for shown in seen if isinstance(shown[DOCUMENT], dict) for key in shown[DOCUMENT])
    named = [(DOCUMENT, key) for key, _ in keys.most_common(SECTIONS)]
    return [*named, (DOCUMENT,), *((view,) for view in VIEWS if view in seen[0])]


def _path(section: Section) -> str:
    """Return a section as paths are written for ``JSONEncoder``: of the rest, the document's, which is shorter."""
    return section[0] if len(section) == 1 else f"{section[0]}[{section[1]!r}]"


def _section_vectors(
    encoder: JSONEncoder, seen: list[dict[str, Any]], section: Section, sections: list[Section]
) -> npt.NDArray[np.float32]:
    """Return the unscaled vectors of one section of documents, zeros for documents without it."""
    cut = [_cut(shown, section, sections) for shown in seen]
    held = np.array([bool(part) for part in cut])
    vectors = np.zeros((len(seen), encoder.dim), dtype=np.float32)
    if held.any():
        parts = [rows * norms[:, None] for rows, norms in encoder.encode([part for part in cut if part])]
        vectors[held] = np.concatenate(parts)
    return vectors


def _cut(shown: dict[str, Any], section: Section, sections: list[Section]) -> dict[str, Any]:
    """Return the part of a document with its views that a section has: nothing, or an object with it."""
    held = shown.get(section[0])
    if section == (DOCUMENT,) and isinstance(held, dict):
        held = {key: value for key, value in held.items() if (DOCUMENT, key) not in sections}
    if len(section) == 2:
        held = {key: value for key, value in held.items() if key == section[1]} if isinstance(held, dict) else {}
    return {section[0]: held} if held else {}
