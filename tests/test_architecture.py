"""The house: who may import whom, what a bare import loads, and that the packaging ships everything."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = {"hdc": "hdc", "backends": "hdc.backends", "apps": "hdc.apps"}
LAYERS = [
    {"errors"},
    {"words", "kernels", "checks", "bounds", "plugins", "markup", "distinct"},
    {"dispatch"},
    {"dtypes", "atoms", "registry", "topk", "similarity", "files", "tally"},
    {"vsa"},
    {"models"},
    {"hopfield", "accumulator", "decoding", "distributed"},
    {"memory"},
    {"cleanup", "resonance", "factorizer"},
    {"structures", "values"},
    {"store"},
    {"search"},
    {"testing"},
]
"""Inside ``hdc``: a module imports from its own layer and the ones above it."""
SHARED = (
    "arguments",
    "cluster",
    "estimators",
    "figures",
    "frames",
    "garbage",
    "lazy",
    "parameters",
    "progress",
    "storage",
    "unpacking",
    "verbs",
    "workers",
)
"""Modules that applications have in common."""
MAY_IMPORT_APPLICATIONS = ("hdc.apps.cli", "hdc.apps.start", "hdc.apps.demo", "hdc.apps.serve")
LEARNS_FROM = {"hdc.apps.learn": {"hdc.apps.json"}, "hdc.apps.stores": {"hdc.apps.json", "hdc.apps.retrieval"}}
"""Applications that build on the public names of another one."""
BACKENDS_MAY_IMPORT = {"errors", "kernels", "words", "backends"}


def modules():
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            relative = path.relative_to(ROOT / folder)
            if folder == "hdc" and relative.parts[0] in ("backends", "apps"):
                continue  # the links to the other two folders
            name = ".".join([package, *relative.with_suffix("").parts]).removesuffix(".__init__")
            yield name, path


def imports_of(path):
    """Yield the full names of everything a file imports, inside functions too, but not for type checkers only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_blocks = [n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    typing_only = {id(n) for block in typing_blocks for n in ast.walk(block)}
    for node in (n for n in ast.walk(tree) if id(n) not in typing_only):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(name):
    return next((i for i, layer in enumerate(LAYERS) if name in layer), None)


def wrong_imports(name, imported):
    """Say what a module should not import; nothing is ""."""
    inside = {i.split(".")[1] for i in imported if i.startswith("hdc.")}
    area = name.split(".")[1] if "." in name else "hdc"
    if area == "apps":
        import hdc

        if private := inside - {"apps", *hdc.__all__}:
            return f"{name} imports private names of hdc: {private}"
        applications = {".".join(i.split(".")[:3]) for i in imported if i.startswith("hdc.apps.")}
        own, shared = ".".join(name.split(".")[:3]), {f"hdc.apps.{module}" for module in SHARED}
        if own not in MAY_IMPORT_APPLICATIONS and not applications <= {own, *shared, *LEARNS_FROM.get(own, ())}:
            return f"{name} imports other applications: {applications - {own}}"
    elif area == "backends":
        if not inside <= BACKENDS_MAY_IMPORT:
            return f"{name} imports {inside - BACKENDS_MAY_IMPORT}"
    elif area != "hdc":
        if layer_of(area) is None:
            return f"{name} has no layer"
        if upward := {i for i in inside if (layer_of(i) if layer_of(i) is not None else 99) > layer_of(area)}:
            return f"{name} imports upward: {upward}"
    return ""


def test_direction_of_imports():
    wrong = [wrong_imports(name, list(imports_of(path))) for name, path in modules()]
    assert len(wrong) > 100
    assert not any(wrong), "\n".join(filter(None, wrong))


def test_only_numpy_is_needed_by_the_core():
    heavy = {"numba", "torch", "scipy", "bitarray", "llvmlite"}
    for name, path in modules():
        if not name.startswith(("hdc.backends", "hdc.apps")):
            top = ast.parse(path.read_text(encoding="utf-8")).body
            names = {a.name.split(".")[0] for node in top if isinstance(node, ast.Import) for a in node.names}
            names |= {node.module.split(".")[0] for node in top if isinstance(node, ast.ImportFrom)}
            assert not names & heavy, f"{name} imports {names & heavy} when it is loaded"


def test_bare_import_loads_nothing_heavy():
    code = (
        "import sys, hdc; loaded = {m.split('.')[0] for m in sys.modules};"
        "print(sorted(loaded & {'numba', 'torch', 'scipy', 'sklearn', 'pandas', 'numpy'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_numpy_models_load_nothing_heavy():
    code = (
        "import sys, hdc; v = hdc.create('MAP-B', 100, backend='numpy'); v.bundle(v.symbols(['a', 'b']));"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'numba', 'torch', 'scipy', 'sklearn', 'pandas'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_packages_and_links():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {
        ".".join([package, *path.parent.relative_to(ROOT / folder).parts])
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("__init__.py")
        if not (folder == "hdc" and path.relative_to(ROOT / folder).parts[0] in ("backends", "apps"))
    }
    assert set(settings["packages"]) == found
    assert settings["package-dir"] == {"hdc.backends": "backends", "hdc.apps": "apps"}
    for link in ("backends", "apps"):
        assert (ROOT / "hdc" / link).is_symlink()
        assert (ROOT / "hdc" / link).resolve() == ROOT / link


def test_version_is_stated_once():
    import hdc

    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == hdc.__version__
    assert f"## {hdc.__version__}" in (ROOT / "CHANGELOG.md").read_text()
