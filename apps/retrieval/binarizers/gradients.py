"""torch, for the binarizers that learn by gradients; imported only when one of them is fitted."""

from typing import Any

from hdc.errors import BackendUnavailableError


def import_torch(what: str) -> Any:
    """Return the torch module.

    Parameters
    ----------
    what : str
        What needs torch, and the alternative without it, for the error.

    Raises
    ------
    BackendUnavailableError
        If torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise BackendUnavailableError(f"{what}; install hdc-toolkit[torch]") from error
    return torch


def device_of(torch: Any, name: str) -> Any:
    """Return the device of this name; ``"auto"`` chooses a GPU if there is one."""
    available = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(available if name == "auto" else name)
