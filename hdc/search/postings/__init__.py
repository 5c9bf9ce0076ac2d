"""Search by postings: which documents have what, as lists in segments that are written once and merged."""
