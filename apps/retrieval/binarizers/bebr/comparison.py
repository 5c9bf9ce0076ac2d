"""Whether training was worth it: the recall of trained codes beside that of codes that need no training."""

from typing import Any

from hdc.apps.retrieval.binarizers.base import Floats
from hdc.apps.retrieval.binarizers.bebr.validation import LEAST_QUERIES, NEIGHBORS, Hits, Validation, warn_if_worse
from hdc.apps.retrieval.binarizers.scalar import ScalarBinarizer
from hdc.apps.retrieval.binarizers.sign import SignBinarizer


def warn_if_untrained_find_more(x: Floats, unseen: Validation, hits: Hits, bits: int, **parameters: Any) -> None:
    """Warn if plain signs, or scalar codes of at most as many bytes, find more than trained codes do.

    Parameters
    ----------
    x : (n, d) float32
        What is searched.
    unseen : Validation
        Queries that nothing was chosen by.
    hits : (v,) float64
        Recall of each of them by trained codes.
    bits : int
        Of a trained code.
    **parameters
        Of the other models: seed, backend and metric.
    """
    if len(hits) < LEAST_QUERIES:
        return
    size = min(bits // 8, 8 * (x.shape[1] // 8 + 1))  # which any number of components can fill
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
