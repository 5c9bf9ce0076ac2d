"""The command ``hdc json``."""
