"""Keep pytest from importing the top-level folders twice: they are tested as ``hdc.backends`` and ``hdc.apps``."""

collect_ignore = ["backends", "apps"]
