"""Turn files into indexes and into files of vectors."""
