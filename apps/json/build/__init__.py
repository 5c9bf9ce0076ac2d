"""Files to indexes and to files of vectors."""
