"""Map names to models; nothing is imported until it is used.

Third parties register in the entry-point group ``hdc.models`` (a :class:`hdc.VSA` subclass).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hdc.errors import ParameterError
from hdc.plugins import find, names

if TYPE_CHECKING:
    from hdc.vsa import VSA

_MODELS = {
    "MAP-I": "hdc.models.map:MAPI",
    "MAP-B": "hdc.models.map:MAPB",
    "Bloom": "hdc.models.sparse:Bloom",
    "CountingBloom": "hdc.models.sparse:CountingBloom",
    "MBAT": "hdc.models.mbat:MBAT",
    "HRR": "hdc.models.hrr:HRR",
    "FHRR": "hdc.models.fhrr:FHRR",
    "MCR": "hdc.models.cyclic:MCR",
    "CGR": "hdc.models.cyclic:CGR",
    "SBC": "hdc.models.blocks:SBC",
    "VTB": "hdc.models.vtb:VTB",
    "TVTB": "hdc.models.vtb:TVTB",
    "MAP-C": "hdc.models.products:MAPC",
    "HLB": "hdc.models.products:HLB",
    "GHRR": "hdc.models.ghrr:GHRR",
    "GSBC": "hdc.models.blocks:GSBC",
    "MAP-T": "hdc.models.ternary:MAPT",
}

ALIASES = {"BSC": "MAP-B"}
"""Other names in the literature of the same algebra: binary spatter codes (Kanerva 1996) are MAP-B with bits for
signs."""


def list_models() -> tuple[str, ...]:
    """Return the names that :func:`create` takes."""
    return names(_MODELS, "hdc.models")


def model_class(name: str) -> "type[VSA]":
    """Return the class of a model.

    Raises
    ------
    UnknownNameError
        If no model of that name is registered.
    """
    known = ALIASES.get(name, name) if isinstance(name, str) else name
    found: type[VSA] = find(_MODELS, "hdc.models", known)
    return found


def create(model: str, dim: int, **parameters: Any) -> "VSA":
    """Create a model by name.

    Parameters
    ----------
    model : str
        One of :func:`list_models`, or ``"BSC"``, which is MAP-B.
    dim : int
        Number of components, at least 1.
    **parameters
        ``seed`` (int, 0), ``backend`` (str, ``"auto"``), ``device`` (str, ``"cpu"``) and those of the model's class.

    Raises
    ------
    UnknownNameError
        If the model or backend is not registered.
    ParameterError
        If a parameter is unknown to the model or out of range.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 1000, seed=1)
    >>> float(vsa.similarity(vsa.symbol("cat"), vsa.symbol("cat")))
    1.0
    """
    return model_class(model).from_parameters(dim=dim, **parameters)


def from_spec(spec: Mapping[str, Any], **changes: Any) -> "VSA":
    """Create the model that ``spec()`` described; ``changes`` replace single entries (``backend="numpy"``).

    Raises
    ------
    UnknownNameError, ParameterError
        As :func:`create`; also if the spec names no model.
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get("model"), str) or "dim" not in spec:
        raise ParameterError(f"a spec is a mapping with at least 'model' and 'dim', not {spec!r}")
    entries = {**spec, **changes}
    return create(entries.pop("model"), entries.pop("dim"), **entries)
