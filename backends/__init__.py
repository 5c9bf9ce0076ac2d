"""Backends: records of kernels, found by name through :mod:`hdc.dispatch`."""
