"""Rounds of choosing codes and fitting tables, and when they stop.

The recall of queries judges a round. With few vectors per table entry, vectors are encoded again for the judgment, as
``transform`` encodes them. With few vectors, few are held out, and training vectors are queries too.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats
from hdc.apps.retrieval.binarizers.bebr.checkpoint import Checkpoint
from hdc.apps.retrieval.binarizers.bebr.decoder import Groups, TableDecoder, fit_tables
from hdc.apps.retrieval.binarizers.bebr.nested import Effort
from hdc.apps.retrieval.binarizers.bebr.starts import SIGNS, Start, begun_anew, few_vectors
from hdc.apps.retrieval.binarizers.bebr.validation import Progress, Validation, not_worse

ENOUGH = 0.995
"""Training stops at this recall."""

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
    few = few_vectors(len(x), decoder.groups)
    while progress.goes_on():
        before, codes = codes, decoder.refine(x, codes, steps)
        decoder = fit_tables(x, codes, decoder, start.counts)
        judged = codes
        if few:  # tables of the start choose its codes again
            begun = begun_anew(SIGNS, x, decoder, (x, codes), levels) if start.kind == SIGNS else start.codes
            judged = decoder.refine(x, begun, steps)
        found, most = validation.recall(decoder.decode(judged)), progress.best
        if progress.step(not_worse(found, most, validation)):
            best = decoder.tables, codes
        if found >= ENOUGH or (np.mean(codes != before) < SETTLED and found <= most):
            progress.end()
        kept = {"best_tables": best[0], "best_codes": best[1]}
        state.save("round", progress, {"tables": decoder.tables, "codes": codes, **kept})
    return replace(decoder, tables=best[0]), best[1]
