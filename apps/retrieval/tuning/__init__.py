"""Indexes that are chosen for data: which codes, of how many bytes, and how they are searched, by measurement."""
