"""Backends: records of kernels, reached by name through :mod:`hdc.dispatch`."""
