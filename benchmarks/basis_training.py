"""BT^2 for codes: a basis learned by gradients, with the bits beyond the old ones, for ``bench_retrieval_compatible``.

Zhou et al. 2023, "BT^2: Backward-compatible Training with Basis Transformation", train an orthonormal change of basis
whose first components match the old encoder, with a few dimensions more. Here both encoders are finished, and codes are
compared: the old binarizer, frozen, reads the first components of ``z = B (x, E x)``, B orthogonal (Cayley) and E of
``extra`` columns; further bits are signs of a learned map of x. B, E and that map are trained together, by the
library's own contrastive loss of whole codes, plus ``weight`` times that of the first bits against the old codes. B
begins as the closed form, and the map as an independent model of as many bits. With a weight of 0, B stays as it is.
"""

from typing import Any

import numpy as np
import torch
from retrieval_data import Floats

from hdc.apps.retrieval import OrthogonalBasis, RecurrentBinarizer
from hdc.apps.retrieval.binarizers.bebr.training import Settings, _Trainer
from hdc.words import Words, pack


class LearnedBasis(_Trainer):
    """Trains on ``(n, d)`` new vectors and ``(n, d_old)`` old ones of the same objects.

    Parameters
    ----------
    new, old : float32 arrays
    model : RecurrentBinarizer
        Of the old vectors, with ``rounds=0``.
    start : RecurrentBinarizer
        Of the new vectors, with ``rounds=0``: its bits are those beyond the old ones.
    weight : float
    extra : int
    """

    def __init__(
        self,
        new: Floats,
        old: Floats,
        model: RecurrentBinarizer,
        start: RecurrentBinarizer,
        weight: float = 1.0,
        extra: int = 0,
    ) -> None:
        settings = Settings(0, 0, 0, 0.05, 1e-3, 5, 4096, "cpu", 0)
        signs = model.maps_.signs(old)
        super().__init__(torch, start.maps_, new, signs, settings)
        d, self._weight, self._old_dim = new.shape[1], weight, old.shape[1]
        basis = np.eye(d + extra, dtype=np.float32)
        basis[:d, :d] = OrthogonalBasis().fit(new, old).matrix_.T
        drawn = 0.02 * np.random.default_rng(0).standard_normal((d, extra))
        self._basis, self._more = torch.from_numpy(basis), torch.from_numpy(drawn.astype(np.float32))
        self._skew = torch.zeros(d + extra, d + extra)
        if weight:
            self._optimizer.add_param_group({"params": [self._skew.requires_grad_(), self._more.requires_grad_()]})
        project = model.maps_.to_arrays()
        spread = float(np.std(model.maps_.project(old)))
        self._read = [torch.from_numpy(project[f"project.{name}"] / spread) for name in ("weight", "bias")]

    def transform(self, new: Floats) -> Words:
        """Return codes: the bits that the old model reads first."""
        with torch.no_grad():
            return np.hstack([pack(part.numpy() > 0) for part in self._parts(torch.from_numpy(new))])

    def _parts(self, f: Any) -> tuple[Any, Any]:
        """Return the first bits and the others, as signs."""
        skew, one = self._skew - self._skew.T, torch.eye(len(self._skew))
        turned = torch.linalg.solve(one + skew, one - skew) @ self._basis
        z = torch.cat([f, f @ self._more], dim=1) @ turned.T
        weight, bias = self._read
        first = torch.nn.functional.normalize(z[:, : self._old_dim], dim=1) @ weight + bias
        others = f @ self._maps["project.weight"] + self._maps["project.bias"]
        return self._sign(first), self._sign(others)

    def _codes(self, rows: Any) -> Any:
        return torch.nn.functional.normalize(torch.cat(self._parts(self._f[rows]), dim=1), dim=1)

    def _loss(self, anchors: Any, positives: Any, queue: Any, earlier: Any) -> tuple[Any, Any]:
        """Return the loss of whole codes and of the first bits, and the anchors' codes."""
        a, p = self._codes(anchors), self._codes(positives)
        a_rows, p_rows = np.concatenate([anchors, queue]), np.concatenate([positives, queue])
        loss = self._contrast(anchors, a, positives, p, p_rows, torch.cat([p, earlier]))
        loss = loss + self._contrast(positives, p, anchors, a, a_rows, torch.cat([a, earlier]))
        if self._weight:
            old, first = self._old, self._cut(a, self._old.shape[1])
            own = self._contrast(anchors, first, anchors, old[anchors], a_rows, old[a_rows])
            other = self._contrast(anchors, first, positives, old[positives], p_rows, old[p_rows])
            loss = loss + self._weight * (own + other)
        return loss, a.detach()
