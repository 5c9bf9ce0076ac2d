"""The folder of an index: its codes, and the model that made them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hdc import checks
from hdc.apps.retrieval.binarizers import Binarizer, load
from hdc.apps.retrieval.binarizers.files import digest
from hdc.errors import FileFormatError

MODEL_FOLDER, CODES_FOLDER = "model", "codes"
"""Folders of the binarizer and of the codes."""

MODEL = "model"
"""Entry of the meta of the codes: the digest of the model that made them."""


def index_folder(path: str | os.PathLike[str], maker: str) -> Path:
    """Return the folder of an index; raises FileFormatError, which names the call that makes one, if it is none."""
    folder = checks.path(path)
    if not (folder / CODES_FOLDER).is_dir() or not (folder / MODEL_FOLDER).is_dir():
        raise FileFormatError(f"{folder} is not an index; build one with {maker}")
    return folder


def made_by(folder: Path, meta: Mapping[str, Any], backend: str) -> Binarizer:
    """Return the model in the folder of an index, whose codes say in their meta which one made them.

    Raises
    ------
    FileFormatError
        If it is damaged, or another one.
    OSError
        If it cannot be read.
    """
    model = load(folder / MODEL_FOLDER, backend)
    if meta.get(MODEL, own := digest(folder / MODEL_FOLDER)) != own:
        raise FileFormatError(
            f"{folder}: the codes were made with another model; if the index was just built anew, open it again"
        )
    return model
