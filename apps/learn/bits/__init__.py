"""Inference on bits: quantized class vectors, Hamming distances, and a model file that C and JavaScript read.

Build a model from a learner's result by

>>> import hdc, numpy as np
>>> from hdc.apps.learn.bits import BitClassifier, Density
>>> vsa = hdc.create("MAP-B", 2048)
>>> roles = vsa.symbols([("feature", i) for i in range(3)])
>>> tables = Density(np.zeros(3), np.full(3, 2048.0), roles, vsa.tie, 2048)  # features from 0 to 1
>>> X, y = np.random.default_rng(0).random((200, 3)), np.arange(200) % 2
>>> X[:, 0] = (X[:, 0] + y) / 2
>>> signs = 1.0 - 2 * hdc.words.unpack(tables.encode(X), 2048)
>>> weights = np.stack([signs[y == c].mean(axis=0) for c in (0, 1)]) - signs.mean(axis=0)
>>> model = BitClassifier.of(tables, weights, [0, 1], ["low", "high"], bits=1)
>>> bool(np.mean(model.predict(X) == np.where(y, "high", "low")) > 0.9)
True

``BitClassifier.of(encoder_tables, weights, prototype_classes, classes, bits)`` takes

- ``encoder_tables``: :class:`Density` or :class:`Fourier` (``Fourier.of`` makes one of frequencies and offsets in
  doubles), which encode as the learner's encoder does, in integers; None, if rows come encoded;
- ``weights``, ``(prototypes, dim)``, whose components are those of the rows (a set bit is -1), and the class number of
  each in ``prototype_classes``;
- ``classes``: the classes of those numbers; ``bits`` per component: 1, 2 or 4;
- ``mean`` of the rows learned from, as components: one bit loses much less if it is known (:func:`mean_of`);
- ``intercept``, one per class, and ``cosine=False`` for scores that are dot products, as in a ridge regression.

``BitClassifier.of_classifier(learned, bits, X)`` does all of it for a fitted ``HDClassifier`` and the rows X that it
learned from; ``tables_of`` makes the tables.

``export`` writes what ``reader.c`` and ``reader.js`` read; ``write_readers`` copies these two.
"""

from hdc.apps.learn.bits.classifier import BitClassifier, Early
from hdc.apps.learn.bits.density import Density
from hdc.apps.learn.bits.encoders import Encoder, Signs
from hdc.apps.learn.bits.fourier import Fourier
from hdc.apps.learn.bits.parts import mean_of
from hdc.apps.learn.bits.planes import Planes, quantize
from hdc.apps.learn.bits.robustness import Flips, accuracy_under_flips
from hdc.apps.learn.bits.tables import tables_of

__all__ = [
    "BitClassifier",
    "Density",
    "Early",
    "Encoder",
    "Flips",
    "Fourier",
    "Planes",
    "Signs",
    "accuracy_under_flips",
    "mean_of",
    "quantize",
    "tables_of",
]
