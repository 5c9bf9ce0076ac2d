"""Rounds of choosing codes and fitting tables, and what ends them.

A round is judged by the recall of queries. Tables of nearly as many entries as there are vectors fit these so well that
no new encoding finds the codes that training found. So where there are few vectors per entry, codes are made anew to be
judged, as ``transform`` makes them. Few vectors are held out of few; vectors that are learned from are queries too.
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
"""Vectors for each entry of the tables, below which codes are made anew to be judged."""

SETTLED = 1e-3
"""Part of the groups of codes that changed in the last round, if no more changed and it gained nothing."""


def alternated(
    x: Floats, start: Start, levels: int, effort: Effort, validation: Validation, state: Checkpoint
) -> tuple[TableDecoder, Groups]:
    """Choose codes and fit tables in turns until the validation recall stops growing; return the best of both.

    Parameters
    ----------
    x : (n, d) float32
    start : Start
    levels : int
        Bit planes of a code.
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
