"""Mutation run: change one operator, comparison, constant or default at a time and see whether a test fails.

``python tests/mutate.py --sample 300`` mutates a scratch copy, runs the tests of each mutated module and prints the
table: tried, killed, equivalent, left. Outcomes are appended to a JSON Lines file, so that an interrupted run goes on
where it was; ``--again`` tries its survivors anew, after tests were added. ``tests/mutants.toml`` lists the mutants
that change nothing a test could see, with the reason. Needs ``os.fork``: each run starts from imported libraries.
"""

import argparse
import ast
import collections
import copy
import fnmatch
import json
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
JSON = "tests/test_defaults.py tests/test_json_golden.py tests/test_json_layout.py"
MODELS = "tests/test_core_golden.py tests/test_defaults.py tests/test_golden.py tests/test_models.py tests/test_laws.py"
FLOATS = "tests/test_float_models.py tests/test_core_golden.py"
CODES = "tests/test_retrieval_golden.py tests/test_defaults.py tests/test_binarizers.py tests/test_chosen_backend.py"
STORE = "tests/test_store.py tests/test_store_parts.py tests/test_store_crash.py"
SHARED = f"{STORE} tests/test_store_machine.py tests/test_store_sharing.py tests/test_old_indexes.py"
SEARCH = "tests/test_search_options.py tests/test_index_kinds.py"
LISTS = f"{SEARCH} tests/test_embedding_lists.py"
POSTINGS = "tests/test_postings.py tests/test_posting_segments.py tests/test_json_postings.py"
TESTS = {
    "hdc/checks.py": "tests/test_checks.py",
    "hdc/store/blocks.py": f"tests/test_store_parts.py {STORE}",
    "hdc/store/entries.py": f"tests/test_store_parts.py {STORE}",
    "hdc/store/log.py": f"tests/test_store_parts.py {SHARED}",
    "hdc/store/lookup.py": "tests/test_store_parts.py",
    "hdc/store/*.py": SHARED,
    "hdc/search/postings/*.py": f"{POSTINGS} tests/test_json_index.py",
    "hdc/search/build.py": "tests/test_build.py",
    "hdc/search/once.py": "tests/test_search_threads.py",
    "hdc/search/options.py": "tests/test_search_options.py",
    "hdc/search/signs.py": "tests/test_sign_search.py",
    "hdc/search/flat.py": f"tests/test_searchers.py tests/test_binary_index.py {SEARCH}",
    "hdc/search/index.py": f"{SEARCH} tests/test_verbs.py tests/test_check_index.py",
    "hdc/search/kmeans.py": LISTS,
    "hdc/search/partition.py": f"tests/test_searchers.py {LISTS}",
    "hdc/search/reranking.py": f"tests/test_searchers.py {LISTS}",
    "hdc/search/estimates.py": f"tests/test_searchers.py {LISTS}",
    "hdc/search/tables.py": f"tests/test_searchers.py {LISTS}",
    "hdc/search/*.py": f"tests/test_searchers.py {SEARCH}",
    "hdc/atoms.py": "tests/test_golden.py tests/test_core_golden.py tests/test_atoms.py",
    "hdc/words.py": "tests/test_words.py tests/test_golden.py",
    "hdc/memory.py": "tests/test_memory.py tests/test_defaults.py",
    "hdc/structures/*.py": "tests/test_structures_golden.py tests/test_structures.py tests/test_structures_batches.py "
    "tests/test_structures_graphs.py tests/test_structures_capacity.py tests/test_defaults.py",
    "hdc/models/vtb.py": FLOATS,
    "hdc/models/products.py": FLOATS,
    "hdc/models/ghrr.py": FLOATS,
    "hdc/models/*.py": MODELS,
    "hdc/bounds/clipped.py": FLOATS,
    "hdc/bounds/*.py": "tests/test_capacity_formulas.py tests/test_defaults.py tests/test_capacity_bounds.py",
    "backends/numpy_postings.py": "tests/test_posting_kernels.py",
    "apps/json/index/taking.py": POSTINGS,
    "apps/json/index/term_query.py": POSTINGS,
    "apps/json/values/parts.py": POSTINGS,
    "apps/json/values/numbers.py": f"{JSON} tests/test_json_numbers.py",
    "apps/json/values/strings.py": f"{JSON} tests/test_json_strings.py tests/test_json_tokens.py",
    "apps/json/values/embedding.py": f"{JSON} tests/test_json_embedding.py",
    "apps/json/values/conversion.py": f"{JSON} tests/test_json_conversion.py",
    "apps/json/values/*.py": f"{JSON} tests/test_json_learning.py tests/test_json_tokens.py",
    "apps/json/encoder/decod*.py": f"{JSON} tests/test_json_decoding.py tests/test_json_planning.py",
    "apps/json/encoder/*.py": f"{JSON} tests/test_json_packing.py tests/test_json_encoder.py",
    "apps/retrieval/binarizers/*.py": CODES,
    "apps/retrieval/binarizers/bebr/training.py": "tests/test_retrieval_training.py tests/test_binarizers.py -k torch",
    "apps/retrieval/binarizers/bebr/*.py": CODES,
}
"""Tests of each module, by pattern, the quickest to fail first. The first pattern that fits counts."""
QUICK = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
QUICK += ["-m", "not slow", "-k", "not torch and not numba"]
SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
}  # fmt: skip
SKIPPED = (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom, ast.Assert)
"""Texts of errors and checks of types, which are for readers, as is ``strict=True`` of zip."""


@dataclass(frozen=True)
class Mutant:
    """One change: where, of which text, what, and the number among equal ones of lines of that text."""

    module: str
    text: str
    change: str
    number: int
    line: int
    source: bytes

    @property
    def key(self) -> tuple[Any, ...]:
        """What stays when lines move."""
        return (self.module, self.text, self.change, self.number)


def nodes(tree: ast.AST, default: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Yield the nodes that mean something when the code runs, and whether each is a default value."""
    for name, value in ast.iter_fields(tree):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, SKIPPED):
                continue
            if name in ("annotation", "returns", "decorator_list") or _is_text(child) or _is_strict(child):
                continue
            field = isinstance(tree, ast.AnnAssign) and name == "value"
            yield child, name in ("defaults", "kw_defaults") or field
            yield from nodes(child)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_strict(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg == "strict"


def changes(node: ast.AST, default: bool) -> Iterator[tuple[str, ast.AST]]:
    """Yield what a node may become, with the change in words."""
    for field in ("op", "ops"):
        for at, operator in enumerate(_as_list(getattr(node, field, None))):
            if type(operator) in SWAPS:
                other = copy.deepcopy(node)
                new = SWAPS[type(operator)]()
                setattr(other, field, new if field == "op" else [*other.ops[:at], new, *other.ops[at + 1 :]])
                yield f"{type(operator).__name__} -> {type(new).__name__}", other
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield f"without {type(node.op).__name__}", node.operand
    if isinstance(node, ast.Constant):
        value, new_value = node.value, None
        if isinstance(value, bool):
            new_value = not value
        elif isinstance(value, int):
            new_value = value + 1
        elif isinstance(value, float):
            new_value = value * 1.25 or 1.0
        elif isinstance(value, str) and default:
            new_value = value + "?"
        if new_value is not None:
            yield f"{value!r} -> {new_value!r}", ast.Constant(new_value)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def mutants(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    source = (ROOT / module).read_bytes() if (ROOT / module).exists() else b""
    starts = [0]
    for row in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(row))
    seen: collections.Counter[tuple[str, str]] = collections.Counter()
    for node, default in nodes(ast.parse(source)):
        for change, other in changes(node, default):
            line = node.lineno  # type: ignore[attr-defined]
            begin = starts[line - 1] + node.col_offset  # type: ignore[attr-defined]
            end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
            new = ast.unparse(other) if isinstance(node, ast.AugAssign) else f"({ast.unparse(other)})"
            text = source[starts[line - 1] : starts[line]].decode().strip()
            seen[text, change] += 1
            changed = source[:begin] + new.encode() + source[end:]
            yield Mutant(module, text, change, seen[text, change], line, changed)


def tests_of(module: str) -> list[str]:
    """Return the test files of a module, and arguments of pytest."""
    for pattern, files in TESTS.items():
        if fnmatch.fnmatch(module, pattern):
            return shlex.split(files)
    raise SystemExit(f"{module}: add its tests to the table in {__file__}")


def passes(scratch: Path, tests: list[str], limit: float) -> str:
    """Run the tests in a forked child: killed, survived or timeout."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(scratch)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.path[:] = [str(scratch), *(p for p in sys.path if Path(p or ".").resolve() not in (ROOT, ROOT / "tests"))]
        os.environ["PYTHONPATH"] = str(scratch)
        import pytest
        from hypothesis import Phase, settings

        settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), database=None)
        settings.load_profile("mutants")  # nobody reads the example that fails: it need not be made small
        os._exit(int(pytest.main([*QUICK, *tests])))
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if status == 0 else "killed"
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def try_all(chosen: list[Mutant], log: Path, limit: float) -> None:
    """Try the mutants one after another in a scratch copy and append each outcome to the file."""
    import hypothesis
    import numba
    import pytest
    import scipy.stats

    assert all((hypothesis, numba, pytest, scipy.stats))  # imported once, before the forks
    with tempfile.TemporaryDirectory() as folder, open(log, "a", encoding="utf-8") as file:
        scratch = Path(folder) / "copy"
        ignored = shutil.ignore_patterns(".git", ".venv*", ".hypothesis", "*.egg-info")
        shutil.copytree(ROOT, scratch, symlinks=True, ignore=ignored)
        limits: dict[str, float] = {}
        for done, mutant in enumerate(chosen):
            tests = tests_of(mutant.module)
            path, start = scratch / mutant.module, time.monotonic()
            if mutant.module not in limits:
                if passes(scratch, tests, 10 * limit) != "survived":
                    raise SystemExit(f"the tests of {mutant.module} fail without a mutation: {' '.join(tests)}")
                limits[mutant.module] = max(limit, 5 * (time.monotonic() - start))  # a busy machine is no time-out
                start = time.monotonic()
            before = path.read_bytes()
            try:
                path.write_bytes(mutant.source)
                os.utime(path, (done, done))  # a time of its own, so that no compiled file of another mutant is taken
                outcome = passes(scratch, tests, limits[mutant.module])
            finally:
                path.write_bytes(before)
                os.utime(path, (2**31 + done, 2**31 + done))
            entry = {"module": mutant.module, "text": mutant.text, "change": mutant.change, "number": mutant.number}
            entry |= {"line": mutant.line, "outcome": outcome, "seconds": round(time.monotonic() - start, 1)}
            file.write(json.dumps(entry) + "\n")
            file.flush()
            print(f"{done + 1}/{len(chosen)} {outcome:8} {mutant.module}:{mutant.line} {mutant.change}", flush=True)


def outcomes(log: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Read the last outcome of each mutant."""
    rows = map(json.loads, log.read_text(encoding="utf-8").splitlines()) if log.exists() else ()
    return {(row["module"], row["text"], row["change"], row["number"]): row for row in rows}


def equivalents() -> set[tuple[Any, ...]]:
    """Read the mutants that change nothing a test could see."""
    listed = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text(encoding="utf-8"))["equivalent"]
    assert all(row["reason"] for row in listed)
    whole_lines = {(row["module"], row["text"]) for row in listed if row["change"] == "*"}
    every = {m.key for name in {name for name, _ in whole_lines} for m in mutants(name) if m.key[:2] in whole_lines}
    return every | {(row["module"], row["text"], row["change"], row.get("number", 1)) for row in listed}


def report(known: dict[tuple[Any, ...], dict[str, Any]]) -> int:
    """Print the table and the mutants that are left, of those that there still are; return the number that is left."""
    same, table, left = equivalents(), collections.defaultdict(collections.Counter), []
    there = {mutant.key for module in {row["module"] for row in known.values()} for mutant in mutants(module)}
    for key, row in known.items():
        if key not in there:  # the line has changed since
            continue
        kind = "equivalent" if key in same else "left" if row["outcome"] == "survived" else "killed"
        left += [row] if kind == "left" else []
        for name in (row["module"], "all"):
            table[name].update(["tried", kind])
    print(f"\n{'module':48}  tried  killed  equivalent  left")
    for name in [*sorted(set(table) - {"all"}), "all"]:
        row = table[name]
        print(f"{name:48} {row['tried']:6} {row['killed']:7} {row['equivalent']:11} {row['left']:5}")
    for row in left:
        print(f"left: {row['module']}:{row['line']} [{row['change']} #{row['number']}] {row['text']}")
    return len(left)


def main() -> None:
    """Choose mutants, try those that were not tried yet, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--module", action="append", default=[], help="only modules of this pattern; may be repeated")
    parser.add_argument("--sample", type=int, help="try this many, drawn at random over all modules")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--log", type=Path, default=ROOT / "mutants.jsonl", help="outcomes, appended to")
    parser.add_argument("--again", action="store_true", help="try the survivors of the log again")
    parser.add_argument(
        "--timeout",
        type=float,
        default=120,
        help="seconds a run, or five times one without mutation",
    )
    options = parser.parse_args()
    modules = sorted({str(p.relative_to(ROOT)) for pattern in TESTS for p in ROOT.glob(pattern)})
    patterns = options.module or ["*"]
    everything = [m for name in modules if any(fnmatch.fnmatch(name, p) for p in patterns) for m in mutants(name)]
    known, same = outcomes(options.log), equivalents()
    if options.again:
        chosen = [m for m in everything if known.get(m.key, {}).get("outcome") == "survived" and m.key not in same]
    else:
        chosen = random.Random(options.seed).sample(everything, min(options.sample or len(everything), len(everything)))
        chosen = [m for m in chosen if m.key not in known and m.key not in same]
    chosen.sort(key=lambda m: (m.module, m.line))
    print(f"{len(everything)} mutants of {len(modules)} modules; {len(chosen)} to try", flush=True)
    if chosen:
        try_all(chosen, options.log, options.timeout)
    sys.exit(report(outcomes(options.log)) > 0)


if __name__ == "__main__":
    main()
