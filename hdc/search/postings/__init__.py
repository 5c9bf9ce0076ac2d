"""Search by posting lists: which documents contain what, in segments that are written once and then merged."""
