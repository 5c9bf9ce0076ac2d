"""Kernels in plain torch: one code for every device, which is what a GPU runs.

torch has neither a popcount nor logical shifts of 64-bit words, so packed words are int64 tensors of the same bits.
Pairs are compared by int8 matrix products of the unpacked signs, on tensor cores where there are some; bundles are
counted by carry-save adders on the words, never unpacked. Everything works in blocks within ``BUDGET``.
"""
