"""Checkpoint: the state of an unfinished fit, saved in a folder."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.bebr.validation import Progress
from hdc.apps.retrieval.binarizers.files import read_model, write_model
from hdc.checks import path
from hdc.errors import FileFormatError


class Checkpoint:
    """Saves and loads the state of each stage of a fit.

    Parameters
    ----------
    folder : path or None
        None saves nothing.
    parameters : mapping
        Parameters of the model.
    x : (n, d) float32 array
        Training vectors; a checkpoint made with other vectors or parameters is refused.
    """

    def __init__(self, folder: Any, parameters: Mapping[str, Any], x: npt.NDArray[np.float32]) -> None:
        self._folder = None if folder is None else path(folder, "checkpoint")
        # Tuples become lists, as JSON returns them.
        self._parameters = {n: list(v) if isinstance(v, tuple) else v for n, v in parameters.items()}
        self._data = hashlib.blake2b(x.data, digest_size=16).hexdigest() if folder is not None else ""

    def save(self, stage: str, progress: Progress, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Replace the saved state of a stage."""
        if self._folder is not None:
            best = None if math.isnan(progress.best) else progress.best
            facts = {"done": progress.done, "best": best, "best_at": progress.best_at}
            write_model(self._folder / stage, stage, {**self._identity, **facts}, arrays)

    def load(self, stage: str, progress: Progress) -> dict[str, npt.NDArray[Any]] | None:
        """Return the arrays of a stage and restore its progress, or return None if nothing is saved.

        Raises
        ------
        FileFormatError
            If the state is damaged, or belongs to other parameters or data.
        """
        if self._folder is None or not (self._folder / stage / "model.json").exists():
            return None
        facts, arrays = read_model(self._folder / stage, stage)
        if {name: facts[name] for name in self._identity} != self._identity:
            raise FileFormatError(
                f"the checkpoint in {self._folder} belongs to other data or parameters; name another folder"
            )
        progress.done, progress.best_at = facts["done"], facts["best_at"]
        progress.best = math.nan if facts["best"] is None else facts["best"]
        return arrays

    @property
    def _identity(self) -> dict[str, Any]:
        return {"parameters": self._parameters, "data": self._data}
