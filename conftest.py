"""Keep pytest from importing what it should not, and its workers out of each other's way.

The top-level folders are tested as ``hdc.backends`` and ``hdc.apps``; the plugin is on the path only where a test
puts it there.
"""

import importlib.util
import os

if "PYTEST_XDIST_WORKER" in os.environ:  # one worker for each processor: threads of linear algebra would be too many
    os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

collect_ignore, collect_ignore_glob = ["backends", "apps", "tests/plugin"], []
if importlib.util.find_spec("torch") is None or importlib.util.find_spec("array_api_compat") is None:
    # Their docstrings have examples, and without the extra torch they cannot be imported.
    collect_ignore += ["hdc/backends/torch_backend.py", "hdc/backends/torch_kernels"]
    collect_ignore += ["hdc/apps/retrieval/binarizers/orthohash/binarizer.py"]  # can be imported, and not fitted
for name, module in {"duckdb": "duckdb_engine", "lancedb": "lancedb_engine", "faiss": "faiss_*"}.items():
    if importlib.util.find_spec(name) is None:
        collect_ignore_glob.append(f"hdc/apps/retrieval/engines/{module}.py")

for package, stores in {"langchain_core": "for_langchain", "llama_index": "for_llama_index"}.items():
    if importlib.util.find_spec(package) is None:
        collect_ignore += [f"hdc/apps/stores/{stores}"]

if any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "httptools", "prometheus_client")):
    collect_ignore += ["hdc/apps/serve"]


def pytest_configure(config):
    """Let the quick run try fewer examples of what random tests try, where a test does not say how many."""
    from hypothesis import settings

    settings.register_profile("quick", max_examples=40)
    if config.getoption("markexpr", "") == "not slow":
        settings.load_profile("quick")
