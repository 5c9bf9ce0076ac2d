"""Files of vectors and of results, and other libraries' indexes."""
