"""Save and load learners: parameters, encoder and learned state in one file of :mod:`hdc.files`, without pickle."""

import os
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

import hdc
from hdc import files
from hdc.errors import FileFormatError, HDCError, ParameterError, UnsupportedError
from hdc.registry import from_spec

if TYPE_CHECKING:
    from hdc.apps.learn.base import Learner

Arrays = dict[str, npt.NDArray[Any]]
State = tuple[dict[str, Any], Arrays]
"""What was learned: JSON values, and arrays."""

Kind = TypeVar("Kind", bound="Learner")

VERSION = 1


def write(learner: "Learner", path: str | os.PathLike[str], facts: dict[str, Any], arrays: Arrays) -> None:
    """Write a fitted learner, replacing a file as a whole or not at all.

    Parameters
    ----------
    facts : JSON-able dict
        Learned state besides arrays.

    Raises
    ------
    UnsupportedError
        If a file cannot store a parameter or the encoder.
    OSError
        If the file cannot be written.
    """
    parameters = {
        name: _plain(name, value)
        for name, value in learner.get_params(deep=False).items()
        if name not in ("encoder", "backend")
    }
    columns = {"count": getattr(learner, "n_features_in_", None), "names": None}
    if hasattr(learner, "feature_names_in_"):
        columns["names"] = [str(name) for name in learner.feature_names_in_]
    meta = {"parameters": parameters, "encoder": _encoder(learner), "columns": columns, "facts": facts}
    files.save(path, _kind(type(learner)), meta, arrays, version=VERSION)


def read(
    cls: type[Kind], path: str | os.PathLike[str], encoder: Any, backend: str
) -> tuple[Kind, dict[str, Any], Arrays]:
    """Return a learner with its encoder, and its facts and arrays, as :func:`write` was given them.

    Raises
    ------
    FileFormatError
        If the file is damaged, or no file of such a learner.
    ParameterError
        If the encoder cannot be made of the file alone, and none was given.
    OSError
        If it cannot be read.
    """
    meta, arrays = files.load(path, _kind(cls), version=VERSION)
    try:
        parameters = {name: _revived(value) for name, value in meta["parameters"].items()}
        outside, inside = _made(meta["encoder"], encoder, backend)
        learner = cls(**{**parameters, "encoder": outside, "backend": backend})
        learner.encoder_ = inside
        columns = meta["columns"]
        if columns["count"] is not None:
            learner.n_features_in_ = int(columns["count"])
        if columns["names"] is not None:
            learner.feature_names_in_ = np.array(columns["names"], dtype=object)
        return learner, dict(meta["facts"]), arrays
    except ParameterError as error:
        if encoder is None and "give encoder=" in str(error):
            raise
        raise FileFormatError(f"{path} does not contain a usable {cls.__name__}: {error}") from error
    except (HDCError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"{path} does not contain a usable {cls.__name__}: {error}") from error


def labels_to_json(labels: npt.NDArray[Any]) -> dict[str, Any]:
    """Return labels as JSON, with their dtype.

    Raises
    ------
    UnsupportedError
        If they are neither texts, nor numbers.
    """
    if labels.dtype.kind == "O" and not all(isinstance(label, str) for label in labels):
        raise UnsupportedError("labels in a file are texts, integers, floats or bools; these are other objects")
    dtype = "object" if labels.dtype.kind == "O" else labels.dtype.str
    return {"dtype": dtype, "values": labels.tolist()}


def labels_of_json(state: dict[str, Any]) -> npt.NDArray[Any]:
    """Return the labels of :func:`labels_to_json`."""
    if state["dtype"] != "object" and np.dtype(state["dtype"]).kind not in "USbiuf":
        raise FileFormatError(f"labels of dtype {state['dtype']!r}")
    return np.array(state["values"], dtype=state["dtype"])


def _kind(cls: "type[Learner]") -> str:
    return f"learn:{cls.__name__}"


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {"pairs": [[_plain(name, part) for part in pair] for pair in value.items()]}
    raise UnsupportedError(f"parameters in a file are numbers, texts or mappings of them; {name} is {value!r}")


def _revived(value: Any) -> Any:
    return dict(map(tuple, value["pairs"])) if isinstance(value, dict) else value


def _encoder(learner: "Learner") -> dict[str, Any]:
    """Return the description of the encoder for a file."""
    if isinstance(learner.encoder, hdc.VSA):
        return {"model": learner.encoder.algebra()}
    if learner.encoder_ is None:
        return {}
    inner = learner.encoder_
    state = inner.to_json() if hasattr(inner, "to_json") else None
    return {"class": type(inner).__name__, "state": state, "default": isinstance(learner.encoder, str)}


def _made(known: dict[str, Any], given: Any, backend: str) -> tuple[Any, Any]:
    """Return the parameter ``encoder``, and the fitted encoder."""
    if "model" in known:
        return from_spec(known["model"], backend=backend), None
    if not known:
        return None, None
    if given is None:
        maker = _maker(known["class"])
        if maker is None or known["state"] is None:
            raise ParameterError(f"the file does not hold the encoder, a {known['class']}; give encoder=, fitted")
        given = maker.from_json(known["state"], backend=backend)
    return ("features" if known["default"] else given), given


def _maker(name: str) -> Any:
    if name == "Features":
        from hdc.apps.learn.features.features import Features

        return Features
    if name == "Documents":
        from hdc.apps.learn.documents.documents import Documents

        return Documents
    if name == "JSONEncoder":
        from hdc.apps.json import JSONEncoder

        return JSONEncoder
    return None
