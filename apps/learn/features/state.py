"""The state of a transformer as JSON: parameters, and what was learned."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hdc import VSA
from hdc.apps.json import JSONEncoder
from hdc.apps.learn.features.scaling import Scaling
from hdc.errors import FileFormatError, UnsupportedError

FORMAT = "hdc.features"
VERSION = 1


def parameters_to_json(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with which :func:`parameters_of_json` makes the same ones; of the backend nothing.

    Raises
    ------
    UnsupportedError
        If a column has the caller's own transformer, whose state is unknown.
    """
    return {name: _plain(name, value) for name, value in parameters.items() if name != "backend"}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, VSA):
        return {"spec": value.algebra()}
    if isinstance(value, Mapping):
        return {"pairs": [[_plain(name, key), _plain(name, part)] for key, part in value.items()]}
    if isinstance(value, tuple | list | np.ndarray):
        return {"tuple": [_plain(name, part) for part in value]}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UnsupportedError(
        f"{name} has a {type(value).__name__}, of which JSON can say nothing; for documents take the kind 'json', "
        "or keep the transformer by other means"
    )


def parameters_of_json(state: Mapping[str, Any], backend: str) -> dict[str, Any]:
    """Return the parameters of :func:`parameters_to_json`, with another backend."""
    return {**{name: _revived(value, backend) for name, value in state.items()}, "backend": backend}


def _revived(value: Any, backend: str) -> Any:
    from hdc import from_spec

    if isinstance(value, dict):
        if "spec" in value:
            return from_spec(value["spec"], backend=backend)
        if "pairs" in value:
            return {_revived(key, backend): _revived(part, backend) for key, part in value["pairs"]}
        return tuple(_revived(part, backend) for part in value["tuple"])
    return value


def fitted_to_json(fitted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the learned state, attribute by attribute."""
    scaling: Scaling = fitted["scaling_"]
    return {
        "features": fitted["n_features_in_"],
        "names": None if fitted.get("feature_names_in_") is None else list(fitted["feature_names_in_"]),
        "kinds": list(fitted["kinds_"]),
        "scaling": [part.tolist() for part in (scaling.low, scaling.high, scaling.center, scaling.unit)],
        "bandwidth": fitted["bandwidth_"],
        "series": [[_plain("series_", name), list(ends)] for name, ends in fitted["series_"].items()],
        "json": [[_plain("transformers_", name), one.to_json()] for name, one in fitted["transformers_"].items()],
    }


def fitted_of_json(state: Mapping[str, Any], backend: str) -> dict[str, Any]:
    """Return the attributes of :func:`fitted_to_json`."""
    low, high, center, unit = (np.array(part, dtype=np.float64) for part in state["scaling"])
    found = {
        "n_features_in_": int(state["features"]),
        "kinds_": list(state["kinds"]),
        "scaling_": Scaling(low, high, center, unit),
        "bandwidth_": float(state["bandwidth"]),
        "series_": {name: (float(least), float(most)) for name, (least, most) in state["series"]},
        "transformers_": {name: JSONEncoder.from_json(one, backend=backend) for name, one in state["json"]},
    }
    if state["names"] is not None:
        found["feature_names_in_"] = np.array(state["names"], dtype=object)
    return found


def check_format(state: Any) -> Mapping[str, Any]:
    """Return a state, if it is one.

    Raises
    ------
    FileFormatError
        If it is not a state, or is of another version.
    """
    if not isinstance(state, Mapping) or state.get("format") != FORMAT:
        raise FileFormatError("no state of Features: its 'format' is missing or another one")
    if state.get("version") != VERSION:
        raise FileFormatError(f"the state of Features is of version {state.get('version')!r}, not {VERSION}")
    return state
