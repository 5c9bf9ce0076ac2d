"""Applications built on the public names of :mod:`hdc`: each a library first, and a command on top."""
