"""The models and backends that the suite runs over."""

import hdc

FAMILIES = {
    "MAP-I": ("MAP-I", {}),
    "MAP-B": ("MAP-B", {}),
    "Bloom-shift": ("Bloom", {}),
    "Bloom-segment": ("Bloom", {"binding": "segment"}),
    "CountingBloom-shift": ("CountingBloom", {}),
    "CountingBloom-segment": ("CountingBloom", {"binding": "segment"}),
    "MBAT-permutation": ("MBAT", {"matrix": "permutation"}),
    "MBAT-hadamard": ("MBAT", {"matrix": "hadamard"}),
    "MBAT-haar": ("MBAT", {"matrix": "haar"}),
    "MBAT-hadamard-float64": ("MBAT", {"matrix": "hadamard", "precision": "float64"}),
}
BACKENDS = hdc.backends()


def make(family: str, dim: int, backend: str = "numpy", **parameters: object) -> hdc.VSA:
    """Create the model of a family name."""
    model, fixed = FAMILIES[family]
    return hdc.create(model, dim, backend=backend, **{**fixed, **parameters})
