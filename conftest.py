"""Keep pytest from importing what it should not, and its workers out of each other's way.

The top-level folders are tested as ``hdc.backends`` and ``hdc.apps``; the plugin is on the path only where a test
puts it there.
"""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # one worker for each processor: threads of linear algebra would be too many
    os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

collect_ignore = ["backends", "apps", "tests/plugin"]
