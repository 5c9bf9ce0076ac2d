"""Compare the recall of trained codes with that of codes that need no training, and warn if training did not help."""

from typing import Any

from hdc.apps.retrieval.binarizers.base import Floats
from hdc.apps.retrieval.binarizers.bebr.validation import LEAST_QUERIES, NEIGHBORS, Hits, Validation, warn_if_worse
from hdc.apps.retrieval.binarizers.scalar import ScalarBinarizer
from hdc.apps.retrieval.binarizers.sign import SignBinarizer


def warn_if_untrained_find_more(x: Floats, unseen: Validation, hits: Hits, bits: int, **parameters: Any) -> None:
    """Warn if plain signs, or scalar codes of at most the same size, have better recall than trained codes.

    Parameters
    ----------
    x : (n, d) float32
        Searched vectors.
    unseen : Validation
        Queries that influenced no choice.
    hits : (v,) float64
        Recall of each query by trained codes.
    bits : int
        Size of a trained code.
    **parameters
        Seed, backend and metric of the other models.
    """
    if len(hits) < LEAST_QUERIES:
        return
    size = min(bits // 8, 8 * (x.shape[1] // 8 + 1))  # at most what scalar codes of d components fill
    models = {
        f"SignBinarizer(dim={bits})": SignBinarizer(bits, **parameters),
        f"ScalarBinarizer(code_size={size})": ScalarBinarizer(size, **parameters),
    }
    found = {
        name: unseen.hits(model.fit(x).search(unseen.queries, model.encode(x), NEIGHBORS)[1])
        for name, model in models.items()
    }
    name = max(found, key=lambda one: float(found[one].mean()))
    warn_if_worse(hits, found[name], bits, name)
