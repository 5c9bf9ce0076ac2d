"""Rounds of choosing codes and fitting tables, and when they stop.

The recall of queries judges a round. Tables with nearly as many entries as there are vectors fit these so well that a
new encoding does not find the training codes again. So with few vectors per entry, vectors are encoded again for the
judgment, as ``transform`` encodes them. With few vectors, few are held out, and training vectors are queries too.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats
from hdc.apps.retrieval.binarizers.bebr.checkpoint import Checkpoint
from hdc.apps.retrieval.binarizers.bebr.decoder import Groups, TableDecoder, fit_tables
from hdc.apps.retrieval.binarizers.bebr.nested import Effort
from hdc.apps.retrieval.binarizers.bebr.starts import Start, encoded_anew
from hdc.apps.retrieval.binarizers.bebr.validation import Progress, Validation, not_worse

FEW_PER_ENTRY = 4
"""Vectors per table entry below which vectors are encoded again for the judgment."""

SETTLED = 1e-3
"""Training stops if a round gained nothing and changed a smaller part than this of the groups of codes."""


def alternated(
    x: Floats, start: Start, levels: int, effort: Effort, validation: Validation, state: Checkpoint
) -> tuple[TableDecoder, Groups]:
    """Choose codes and fit tables in turns until the validation recall stops growing; return the best of both.

    Parameters
    ----------
    x : (n, d) float32
    start : Start
    levels : int
        Bit planes per code.
    effort : Effort
    validation : Validation
    state : Checkpoint
    """
    progress, codes, decoder = Progress("round", effort.rounds, effort.patience), start.codes, start.decoder
    steps, best = effort.of(decoder.groups), (decoder.tables, codes)
    kept: dict[str, npt.NDArray[Any]]
    if saved := state.load("round", progress):
        decoder, codes = replace(decoder, tables=saved["tables"]), saved["codes"]
        best = saved["best_tables"], saved["best_codes"]
    few = len(x) < FEW_PER_ENTRY * len(decoder.tables)
    while progress.goes_on():
        before, codes = codes, decoder.refine(x, codes, steps)
        decoder = fit_tables(x, codes, decoder, start.counts)
        judged = encoded_anew(start.kind, x, decoder, (x, codes), levels, steps) if few else codes
        found, most = validation.recall(decoder.decode(judged)), progress.best
        if progress.step(not_worse(found, most, validation)):
            best = decoder.tables, codes
        if np.mean(codes != before) < SETTLED and found <= most:
            progress.end()
        kept = {"best_tables": best[0], "best_codes": best[1]}
        state.save("round", progress, {"tables": decoder.tables, "codes": codes, **kept})
    return replace(decoder, tables=best[0]), best[1]
