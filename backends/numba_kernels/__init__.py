"""Numba kernels: one file a family, each with the compiled loops and the functions a backend record holds.

The functions normalize their inputs (:mod:`hdc.backends.numba_kernels.arrays`) and share rows out to threads
(:mod:`hdc.backends.numba_kernels.parallel`); the compiled loops see C-contiguous arrays only.
"""
