"""The commands of ``hdc learn``."""
