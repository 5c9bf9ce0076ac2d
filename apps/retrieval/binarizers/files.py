"""Saved models: arrays in ``model.safetensors``; class, parameters and checksums in ``model.json``.

The JSON is written last, to a temporary file that is renamed. After a crash, a folder contains the old model, the new
model, or one whose checksum does not match, which raises an error.
"""

import hashlib
import json
from collections.abc import Mapping
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.checks import path
from hdc.errors import FileFormatError, FileKindError
from hdc.files import replacing

FORMAT = 1
RENAMED = {"centre": "center"}  # old parameter names in saved models
ARRAYS, DESCRIPTION = "model.safetensors", "model.json"


def write_model(folder: Any, name: str, parameters: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a model into a folder.

    Parameters
    ----------
    folder : path
        Created if missing; a model in it is replaced.
    name : str
        Class name of the model.
    parameters : JSON-able mapping
    arrays : mapping of names to arrays
    """
    from safetensors.numpy import save

    where = path(folder, "folder")
    where.mkdir(parents=True, exist_ok=True)
    content = save({key: np.ascontiguousarray(array) for key, array in arrays.items()})
    plain = json.loads(json.dumps(dict(parameters), default=index))  # NumPy integers become Python integers
    description = {"format": FORMAT, "class": name, "parameters": plain, "blake2b": _digest(content)}
    description["self"] = _digest(_canonical(description))
    for name, content_of in (
        (ARRAYS, content),
        (DESCRIPTION, json.dumps(description, indent=1).encode()),
    ):
        with replacing(where / name) as file:
            file.write(content_of)


def digest(folder: Any) -> str:
    """Return a digest that identifies a saved model, whatever its backend; raises as :func:`read_model`."""
    description = _description(path(folder, "folder") / DESCRIPTION)
    parameters = {name: value for name, value in description["parameters"].items() if name != "backend"}
    return _digest(_canonical({**description, "parameters": parameters, "self": None}))


def read_model(folder: Any, name: str) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return the parameters and arrays of a model of class ``name``.

    Raises
    ------
    FileFormatError
        If a file is damaged, of another format, or contains another class.
    OSError
        If a file cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    where = path(folder, "folder")
    description = _description(where / DESCRIPTION)
    if description["class"] != name:
        raise FileKindError(f"{where} contains a {description['class']}, not a {name}")
    content = (where / ARRAYS).read_bytes()
    if _digest(content) != description["blake2b"]:
        raise _damaged(where / ARRAYS, f"it does not match the checksum in {DESCRIPTION}")
    try:
        arrays = load(content)
    except SafetensorError as error:
        raise _damaged(where / ARRAYS, str(error)) from error
    parameters = {RENAMED.get(key, key): value for key, value in description["parameters"].items()}
    return parameters, arrays


def pack_json(value: Any) -> npt.NDArray[np.uint8]:
    """Return a JSON value, such as a list of names, as a byte array that can be stored with a model's arrays."""
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)


def unpack_json(packed: npt.NDArray[np.uint8]) -> Any:
    """Return the value that :func:`pack_json` packed.

    Raises
    ------
    FileFormatError
        If the bytes are not JSON.
    """
    try:
        return json.loads(packed.tobytes())
    except ValueError:
        raise FileFormatError("an array of the model is not JSON; train the model again") from None


def model_class(folder: Any) -> str:
    """Return the class name of a saved model; raises as :func:`read_model`."""
    return str(_description(path(folder, "folder") / DESCRIPTION)["class"])


def _description(file: Path) -> dict[str, Any]:
    try:
        description = json.loads(file.read_bytes())
        written = description.pop("self")
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise _damaged(file, "it is not the JSON that was written") from error
    if written != _digest(_canonical(description)):
        raise _damaged(file, "it does not match its checksum")
    if description["format"] != FORMAT:
        raise FileFormatError(
            f"{file} has format {description['format']}, but this release reads format {FORMAT}; upgrade hdc-toolkit"
        )
    return dict(description)


def _canonical(description: Mapping[str, Any]) -> bytes:
    return json.dumps(description, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _damaged(file: Path, why: str) -> FileFormatError:
    return FileFormatError(f"{file} is damaged: {why}; restore it from a copy or train it again")
