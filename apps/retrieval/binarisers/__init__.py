"""Binarisers: transformers of float embeddings to packed binary codes."""

from typing import Any

from hdc.apps.retrieval.binarisers.base import Binarizer
from hdc.apps.retrieval.binarisers.bebr.recurrent import RecurrentBinarizer
from hdc.apps.retrieval.binarisers.bebr.validation import TrainingWarning
from hdc.apps.retrieval.binarisers.files import model_class
from hdc.apps.retrieval.binarisers.orthohash.binarizer import OrthoHashBinarizer
from hdc.apps.retrieval.binarisers.orthohash.targets import class_targets, welch_bound
from hdc.apps.retrieval.binarisers.rabitq import RaBitQBinarizer
from hdc.apps.retrieval.binarisers.scalar import ScalarBinarizer
from hdc.apps.retrieval.binarisers.sign import SignBinarizer
from hdc.errors import FileFormatError

__all__ = [
    "Binarizer",
    "OrthoHashBinarizer",
    "RaBitQBinarizer",
    "RecurrentBinarizer",
    "ScalarBinarizer",
    "SignBinarizer",
    "TrainingWarning",
    "class_targets",
    "load",
    "welch_bound",
]

_CLASSES: dict[str, Any] = {
    "OrthoHashBinarizer": OrthoHashBinarizer,
    "RaBitQBinarizer": RaBitQBinarizer,
    "RecurrentBinarizer": RecurrentBinarizer,
    "ScalarBinarizer": ScalarBinarizer,
    "SignBinarizer": SignBinarizer,
}


def load(folder: Any, backend: str = "auto") -> Binarizer:
    """Read a binariser of whatever class from the folder it was saved in, to compute on a backend.

    Raises
    ------
    FileFormatError
        If a file is damaged, of another version, or of a class that this release does not have.
    OSError
        If it cannot be read.
    """
    name = model_class(folder)
    if name not in _CLASSES:
        raise FileFormatError(f"{folder} holds a {name!r}; this release knows {', '.join(_CLASSES)}")
    model: Binarizer = _CLASSES[name].load(folder, backend)
    return model
