"""Numba kernels: one file per family, with the compiled loops and the functions in a backend's records.

The functions normalize their inputs (:mod:`hdc.backends.numba_kernels.arrays`) and distribute rows over threads
(:mod:`hdc.backends.numba_kernels.parallel`). The compiled loops only see C-contiguous arrays.
"""
