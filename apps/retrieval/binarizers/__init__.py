"""Binarizers: transformers of float embeddings to packed binary codes."""

from typing import Any

from hdc.apps.retrieval.binarizers.base import Binarizer
from hdc.apps.retrieval.binarizers.bebr.recurrent import RecurrentBinarizer
from hdc.apps.retrieval.binarizers.bebr.validation import TrainingWarning
from hdc.apps.retrieval.binarizers.files import model_class
from hdc.apps.retrieval.binarizers.orthohash.binarizer import OrthoHashBinarizer
from hdc.apps.retrieval.binarizers.orthohash.targets import class_targets, welch_bound
from hdc.apps.retrieval.binarizers.rabitq import RaBitQBinarizer
from hdc.apps.retrieval.binarizers.rabitq_given import GivenRaBitQBinarizer
from hdc.apps.retrieval.binarizers.scalar import ScalarBinarizer
from hdc.apps.retrieval.binarizers.sign import SignBinarizer
from hdc.errors import FileFormatError

__all__ = [
    "Binarizer",
    "GivenRaBitQBinarizer",
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
    "GivenRaBitQBinarizer": GivenRaBitQBinarizer,
    "OrthoHashBinarizer": OrthoHashBinarizer,
    "RaBitQBinarizer": RaBitQBinarizer,
    "RecurrentBinarizer": RecurrentBinarizer,
    "ScalarBinarizer": ScalarBinarizer,
    "SignBinarizer": SignBinarizer,
}


def load(folder: Any, backend: str = "auto") -> Binarizer:
    """Load a saved binarizer of any class, to compute on a backend.

    Raises
    ------
    FileFormatError
        If a file is damaged, from another version, or of a class that this release does not know.
    OSError
        If a file cannot be read.
    """
    name = model_class(folder)
    if name not in _CLASSES:
        raise FileFormatError(f"{folder} contains a {name!r}; this release loads {', '.join(_CLASSES)}")
    model: Binarizer = _CLASSES[name].load(folder, backend)
    return model
