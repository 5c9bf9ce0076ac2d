"""Kernels in plain torch: one implementation for every device, which GPUs run.

torch has neither a popcount nor logical shifts of 64-bit words, so packed words are int64 tensors with the same bits.
Pairs are compared by int8 matrix products of the unpacked signs, on tensor cores if available. Bundles are counted by
carry-save adders on the words, without unpacking. Everything works in blocks within ``BUDGET``.
"""
