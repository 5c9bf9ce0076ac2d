"""Compiled kernels of the Numba backend; one subject a module, so that an edit recompiles only its own."""
