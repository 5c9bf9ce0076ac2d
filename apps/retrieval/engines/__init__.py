"""Write codes to other engines and libraries and search them there; the answers are the same."""
