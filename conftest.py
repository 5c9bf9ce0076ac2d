"""Keep pytest from importing what it should not.

The top-level folders are tested as ``hdc.backends`` and ``hdc.apps``; the plugin is on the path only where a test
puts it there.
"""

collect_ignore = ["backends", "apps", "tests/plugin"]
