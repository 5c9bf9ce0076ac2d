import contextlib
import errno
import functools
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

import hdc
from hdc.apps import cli, progress, start
from hdc.apps.cli import main
from hdc.apps.json import JSONEncoder
from hdc.apps.json.cli.display import compact, reason_lines, shorten
from hdc.apps.json.index.matcher import Reason

PEOPLE = [
    {"name": "Ada Lovelace", "born": 1815, "tags": ["maths", "poetry"]},
    {"name": "Alan Turing", "born": 1912, "tags": ["maths", "computing"]},
    {"name": "Grace Hopper", "born": 1906, "tags": ["computing", "navy"]},
]
ROOT = Path(hdc.__file__).parent.parent


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Index three people once; the tests work on copies."""
    folder = tmp_path_factory.mktemp("people")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.chdir(folder)
        Path("people.jsonl").write_text("".join(json.dumps(person) + "\n" for person in PEOPLE))
        assert main(["json", "index", "people.jsonl", "-o", "people.hdc", "--dim", "512"]) == 0
    assert out.getvalue().startswith("3 documents in people.hdc (")
    return folder


@pytest.fixture
def catalog(people, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(people, tmp_path, dirs_exist_ok=True)
    return "people.hdc"


def run(capsys, *words):
    status = main(["json", "search", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_version_and_usage(capsys):
    with pytest.raises(SystemExit) as exited:
        main(["--version"])
    assert exited.value.code == 0
    assert capsys.readouterr().out == f"hdc-toolkit {hdc.__version__}\n"
    for words in ([], ["json"], ["nothing"], ["json", "index"], ["json", "search", "x", "{}", "-k", "many"]):
        with pytest.raises(SystemExit) as exited:
            main(words)
        assert exited.value.code == 2


def test_search_prints_a_table(catalog, capsys):
    status, out, _ = run(capsys, catalog, '{"tags": ["maths"], "name": "Turing"}', "-k", "2")
    header, first, *others = out.splitlines()
    assert status == 0
    assert header.split() == ["score", "id", "document"]
    assert first.split()[1:4] == ["1", '{"name":', '"Alan']
    assert len(others) == 1


def test_documents_that_hold_nothing_asked_are_no_answer(catalog, capsys):
    _, out, _ = run(capsys, catalog, '{"name": "Turing"}', "--json")
    assert [hit["id"] for hit in json.loads(out)] == [1]
    status, out, err = run(capsys, catalog, '{"address": "Turing"}')
    assert status == 0
    assert out.startswith("nothing found: ")
    assert err == "note: no document has a value at address\n"


def test_a_query_is_read_as_what_it_must_mean(catalog, capsys):
    status, out, err = run(capsys, catalog, '{"Name": "Turing", "tags": "computing"}', "--json", "--explain")
    assert (status, [hit["id"] for hit in json.loads(out)][:1]) == (0, [1])
    assert [reason["path"] for reason in json.loads(out)[0]["reasons"]] == ["name", "tags[]"]
    assert err.splitlines() == [
        "note: no document has a value at Name; read as name",
        "note: no document has a value at tags; read as tags[]",
    ]


def test_words_are_looked_for_in_any_field(catalog, capsys):
    for words in ("turing computing", '{"*": "turing computing"}', "Turing 1912"):
        status, out, err = run(capsys, catalog, words, "--json")
        assert (status, err, [hit["id"] for hit in json.loads(out)][:1]) == (0, "", [1])
    _, out, err = run(capsys, catalog, "1912", "--json")
    assert [hit["id"] for hit in json.loads(out)] == [1]
    assert err == "note: no document is a text or number itself; looked for it in any field\n"


def test_a_query_that_is_no_json_gets_an_example(catalog, capsys):
    status, _, err = run(capsys, catalog, "{name: Turing}")
    assert status == 1
    assert err.startswith("hdc json search: error: query:1:2: ")
    assert err.endswith('; a query is a JSON document such as {"name": "Ada"}\n')


def contents(folder):
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.mark.parametrize("output", ["people.jsonl", "./people.jsonl", "notes.txt", os.devnull, "", "folder"])
def test_only_an_index_is_replaced(catalog, capsys, output):
    Path("notes.txt").write_text("mine")
    Path("folder").mkdir()
    Path("folder/notes.txt").write_text("mine")
    before = contents(".")
    assert main(["json", "index", "people.jsonl", "-o", output]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert contents(".") == before
    assert main(["json", "index", "people.jsonl", "-o", catalog]) == 0


def test_a_full_disk_is_told_leaves_the_index_and_can_be_gone_on_from(catalog, capsys, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = contents(catalog)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert main(["json", "index", "people.jsonl", "-o", catalog, "--dim", "64"]) == 1
    assert capsys.readouterr().err == f"hdc json index: error: {catalog}: {os.strerror(errno.ENOSPC)}\n"
    assert contents(catalog) == before
    assert main(["json", "index", "people.jsonl", "-o", catalog, "--dim", "64"]) == 0
    assert sorted(path.name for path in Path().iterdir()) == ["people.hdc", "people.jsonl"]


def test_true_is_not_shown_as_equal_to_one():
    (line,) = reason_lines([Reason("private", True, 1, 0.0)])
    assert line.split() == ["0.0%", "private", "true", "≠", "1"]


def test_explain_shows_the_fields(catalog, capsys):
    _, out, _ = run(capsys, catalog, '{"name": "turing", "tags": ["maths"], "x": 1}', "-k", "1", "--explain")
    rows = [line.split() for line in out.splitlines()[3:] if line]
    assert {tuple(row[1:]) for row in rows} == {
        ("name", '"turing"', "~", '"Alan', 'Turing"'),
        ("tags[]", '"maths"', "=", '"maths"'),
        ("x", "1", "(not", "there)"),
    }


def test_json_output(catalog, capsys):
    status, out, _ = run(capsys, catalog, '{"born": 1912, "x": 1}', "--json", "--explain", "-k", "1")
    (hit,) = json.loads(out)
    assert status == 0
    assert (hit["id"], hit["source"], hit["measure"], hit["document"]) == (1, "people.jsonl:2", "coverage", PEOPLE[1])
    assert sum(reason["share"] for reason in hit["reasons"]) == pytest.approx(hit["score"], abs=1e-5)
    assert ["match" in reason for reason in hit["reasons"]] == [True, False]


def test_like_a_stored_document(catalog, capsys):
    status, out, _ = run(capsys, catalog, "--like", "1", "-k", "5", "--json", "--explain")
    hits = json.loads(out)
    assert status == 0
    assert sorted(hit["id"] for hit in hits) == [0, 2]
    for hit in hits:
        assert hit["measure"] == "cosine"
        assert sum(reason["share"] for reason in hit["reasons"]) == pytest.approx(hit["score"], abs=1e-5)


def test_query_from_standard_input(catalog, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'\xef\xbb\xbf{"name": "Ada"}')))
    status, out, _ = run(capsys, catalog, "-", "-k", "1")
    assert status == 0
    assert "Ada Lovelace" in out


def test_files_of_all_kinds_and_options(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(json.dumps(PEOPLE[:2]))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(json.dumps(PEOPLE[2]).encode()))))
    options = [
        "--dim",
        "300",
        "--matrix",
        "hadamard",
        "--arrays",
        "both",
        "--seed",
        "7",
        "--balance",
        "0.5",
        "--no-fit",
    ]
    assert main(["json", "index", "a.json", "-", "-o", "b.hdc", *options]) == 0
    capsys.readouterr()
    status, out, _ = run(capsys, "b.hdc", '{"tags": ["navy"]}', "--json", "-k", "1")
    assert status == 0
    assert json.loads(out)[0]["source"] == "<stdin>:1"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["people.hdc", '{"a": 1,}'], "query:1:9: Expecting property name"),
        (["people.hdc", '{"a": NaN}'], "query:1:7: NaN is not JSON"),
        (["people.hdc", "\udcff"], "query:1:1: not UTF-8"),
        (["people.hdc", ""], "query:1:1: Expecting value"),
        (["people.hdc", "{}"], "the query is empty"),
        (["people.hdc"], "give a query or --like ID, one of the two"),
        (["people.hdc", "{}", "--like", "1"], "give a query or --like ID, one of the two"),
        (["people.hdc", "--like", "3"], "there is no document 3; the index has ids 0 to 2"),
        (["people.hdc", '{"a": 1}', "-k", "0"], "k must be an integer of at least 1, not 0"),
        (["people.hdc", '{"a": 1}', "--where", "a >> 1"], "condition 'a >> 1': >> is no operator"),
        (["missing.hdc", '{"a": 1}'], "there is no store at missing.hdc"),
        (["people.jsonl", '{"a": 1}'], "there is no store at people.jsonl"),
        ([".", '{"a": 1}'], ". is not a store"),
    ],
)
def test_a_bad_search_says_why(catalog, capsys, words, message):
    status, out, err = run(capsys, *words)
    assert status == 1
    assert out == ""
    assert err.startswith(f"hdc json search: error: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b'{"a": 1}\n{"a": 1, "a": 2}', [], 'bad.json:2:10: the key "a" occurs twice'),
        (b"", [], "bad.json:1: empty"),
        (b"[" * 100_000, [], "bad.json:1:257: nested deeper than 256 levels"),
        (b'{"a": "\xff"}', [], "bad.json:1:8: not UTF-8"),
        (b"1", ["--dim", "0"], "dim must be"),
        (b"1", ["--balance", "2"], "balance must be"),
        (b"1", ["-o", "."], ". exists and is not an index"),
        (b"1", ["-o", "no/folder.hdc"], "no/folder.hdc cannot be an index"),
        (b"1", ["--weight", "a"], "--weight a: expected NAME=number"),
        (b"1", ["--weight", "a=b"], "--weight a=b: expected NAME=number"),
        (b"1", ["--arrays", "a=some"], "arrays['a'] must be one of"),
        (b"1", ["--convert", "ages"], "each of convert must be one of"),
        (b"1", ["--key", "id"], "people.jsonl:1: a key must be one text or integer, and id has nothing"),
        (b"1", ["--jobs", "0"], "--jobs must be an integer of at least 1"),
        (b"1", ["--rejects", "r"], 'a rejects file needs on_error="skip"'),
        (b"1", ["--rejects", "bad.json", "--on-error", "skip"], "bad.json is an input"),
    ],
)
def test_a_bad_file_says_where_and_leaves_the_index(catalog, capsys, content, options, message):
    before = contents(catalog)
    Path("bad.json").write_bytes(content)
    assert main(["json", "index", "people.jsonl", "bad.json", "-o", catalog, "--jobs", "1", *options]) == 1
    assert capsys.readouterr().err.startswith(f"hdc json index: error: {message}")
    assert contents(catalog) == before
    assert sorted(os.listdir()) == ["bad.json", "people.hdc", "people.jsonl"]


def test_verify_tells_damage(catalog, capsys):
    assert main(["json", "verify", catalog]) == 0
    assert capsys.readouterr().out == "OK: all checksums match (3 documents)\n"
    codes = max(Path(catalog).rglob("codes"))
    whole = codes.read_bytes()
    codes.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert main(["json", "verify", catalog]) == 1
    assert capsys.readouterr().err.startswith("hdc json verify: error: the store is damaged: ")


def test_add_and_remove(catalog, capsys, monkeypatch):
    Path("more.jsonl").write_text('{"name": "Emmy Noether", "born": 1882}\n{"name": 1, "name": 2}\n')
    assert main(["json", "add", catalog, "more.jsonl"]) == 1
    assert capsys.readouterr().err.startswith("hdc json add: error: more.jsonl:2:13: the key")
    assert main(["json", "add", catalog, "more.jsonl", "--on-error", "skip", "--rejects", "rejects"]) == 0
    assert capsys.readouterr() == ("1 document added, id 3; 4 documents in people.hdc\n", "skipped 1 bad record\n")
    assert json.loads(Path("rejects").read_text())["source"] == "more.jsonl:2"
    assert main(["json", "remove", catalog, "0", "2"]) == 0
    assert capsys.readouterr().out == "2 documents removed; 2 documents in people.hdc\n"
    _, out, _ = run(capsys, catalog, '{"name": "Noether Turing"}', "--json")
    assert sorted(hit["id"] for hit in json.loads(out)) == [1, 3]
    assert main(["json", "remove", catalog, "0"]) == 1
    assert main(["json", "remove", catalog]) == 1
    assert "there is no document 0" in (err := capsys.readouterr().err)
    assert "give an ID, or --key KEY" in err


def test_keys_update(catalog, capsys, monkeypatch):
    assert main(["json", "index", "people.jsonl", "-o", "keyed", "--key", "name"]) == 0
    text = b'{"name": "Alan Turing", "born": 1}\n{"name": "Emmy Noether", "born": 2}\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(text))))
    assert main(["json", "put", "keyed", "-"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 document added, id 3, 1 replaced; 4 documents in keyed"
    _, out, _ = run(capsys, "keyed", '{"name": "Turing"}', "--json", "-k", "1")
    (hit,) = json.loads(out)
    assert (hit["id"], hit["key"], hit["source"], hit["document"]["born"]) == (1, "Alan Turing", "<stdin>:1", 1)
    assert main(["json", "remove", "keyed", "--key", "Alan Turing", "--key", "Nobody"]) == 1
    assert main(["json", "remove", "keyed", "--key", "Alan Turing"]) == 0
    assert capsys.readouterr().err == "hdc json remove: error: there is no row with key 'Nobody'\n"


def test_where_and_missing(catalog, capsys):
    conditions = ["--where", "born > 1900", "--where", "name ~ T"]
    _, out, _ = run(capsys, catalog, '{"tags": ["maths"]}', *conditions, "--json")
    assert [hit["id"] for hit in json.loads(out)] == [1]
    _, out, _ = run(capsys, catalog, '{"name": "Ada Lovelace"}', "--missing", "count", "--json", "-k", "1", "--explain")
    (hit,) = json.loads(out)
    assert hit["measure"] == "overlap"
    assert hit["score"] < 0.5
    assert sum(reason["share"] for reason in hit["reasons"]) == pytest.approx(hit["score"])


def test_encode(catalog, capsys):
    options = ["--dim", "128", "--weight", "name=2", "--arrays", "tags=sequence", "--strings", "ngrams=.5"]
    assert main(["json", "encode", "people.jsonl", "-o", "v.npy", *options]) == 0
    assert capsys.readouterr().out == "3 documents in v.npy (0.0 MB)\n"
    encoder = JSONEncoder(128, weights={"name": 2}, arrays={"tags": "sequence"}, strings={"ngrams": 0.5}).fit(PEOPLE)
    assert np.array_equal(np.load("v.npy"), encoder.transform(PEOPLE))
    assert main(["json", "encode", "people.jsonl", "-o", "b.parquet", "--packed", "--no-fit", "--dim", "128"]) == 0
    table = pyarrow.parquet.read_table("b.parquet").to_pydict()
    assert table["vector"] == JSONEncoder(128, output="packed").transform(PEOPLE).tolist()
    assert table["source"] == ["people.jsonl:1", "people.jsonl:2", "people.jsonl:3"]
    assert main(["json", "encode", "people.jsonl", "-o", "v.txt"]) == 1
    assert "v.txt: expected a name that ends in .npy or .parquet" in capsys.readouterr().err
    assert sorted(os.listdir()) == ["b.parquet", "people.hdc", "people.jsonl", "v.npy"]


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), cli.INTERRUPTED, ""),
        (MemoryError(), 1, "hdc json search: error: out of memory\n"),
        (OSError(28, "No space left on device"), 1, "hdc json search: error: [Errno 28] No space left on device\n"),
    ],
)
def test_what_ends_a_command(catalog, capsys, monkeypatch, error, status, message):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr("hdc.store.Store.open", fail)
    assert run(capsys, catalog, '{"name": "Ada"}') == (status, "", message)


def command(*words, **options):
    return subprocess.Popen([sys.executable, "-m", "hdc.apps.cli", *words], cwd=ROOT, text=True, **options)


def test_decode_and_capacity(catalog, capsys):
    assert main(["json", "decode", catalog, "1", "name"]) == 0
    header, first, *_ = capsys.readouterr().out.splitlines()
    assert header == "confidence  value"
    assert first.endswith('%  "Alan Turing"')
    assert main(["json", "decode", catalog, "1", "tags[]", "-k", "2", "--json"]) == 0
    assert {value["value"] for value in json.loads(capsys.readouterr().out)} == {"maths", "computing"}
    assert main(["json", "capacity", catalog, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dim"] == 512
    assert main(["json", "capacity", catalog]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("dim 512 decodes ")
    assert main(["json", "decode", catalog, "7", "name"]) == 1
    assert "there is no document 7; the index has ids 0 to 2" in capsys.readouterr().err


def test_a_reader_that_goes_away(catalog):
    index = str(Path(catalog).resolve())
    with command("json", "search", index, '{"name": "Ada"}', stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == cli.BROKEN_PIPE


def test_ctrl_c(tmp_path):
    target = str(tmp_path / "x.hdc")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A shell's background jobs ignore Ctrl-C, and so would everything that the tests start from there.
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with command("json", "index", "-", "-o", target, preexec_fn=heeding, **pipes) as process:
        for _ in range(2000):
            process.stdin.write('{"a": 1}\n' * 100)
        process.stdin.flush()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (process.returncode, err) == (cli.INTERRUPTED, "")
    assert not os.listdir(tmp_path)


WHILE_IMPORTING = """
import sys, time
from hdc.apps import start

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            print("now", flush=True)
            time.sleep(60)

sys.meta_path.insert(0, Slow())
sys.argv = ["hdc", "warmup"]
sys.exit(start.main())
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent to processes as POSIX does")
@pytest.mark.parametrize(
    "module", ["hdc.apps.cli", "argparse", "hdc.apps.warmup", "numpy", "numba", "numba.core.types"]
)
def test_ctrl_c_while_importing(module):
    code = WHILE_IMPORTING.replace("MODULE", repr(module))
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, preexec_fn=heeding, **pipes) as process:
        assert process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (cli.INTERRUPTED, "", "")


CALLBACK = """
import signal, sys
from hdc.apps import cli, start

class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def run():
    Finalized()
    return 0

cli.main = run
sys.exit(start.main())
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent to processes as POSIX does")
def test_ctrl_c_where_no_exception_can_leave():
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    done = subprocess.run(
        [sys.executable, "-c", CALLBACK], cwd=ROOT, capture_output=True, text=True, preexec_fn=heeding
    )
    assert (done.returncode, done.stdout, done.stderr) == (cli.INTERRUPTED, "", "")


def test_the_start_keeps_the_status_and_the_handler_of_the_background(monkeypatch):
    monkeypatch.setattr(cli, "main", lambda: 7)
    before, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    try:
        for handler in (signal.SIG_IGN, signal.default_int_handler):
            signal.signal(signal.SIGINT, handler)
            assert start.main() == 7
            assert (signal.getsignal(signal.SIGINT) is signal.SIG_IGN) == (handler is signal.SIG_IGN)
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = hook


def test_an_ascii_terminal(catalog):
    query = ["json", "search", str(Path(catalog).resolve()), '{"name": "Ada é"}', "--explain", "-k", "1"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    with command(*query, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert '"Ada \\xe9" ~ "Ada Lovelace"' in out


@pytest.mark.parametrize(
    "words", ["json search NUL {}", "embed train NUL -o x", "codes verify NUL", "demo NUL", "capacity plot NUL"]
)
def test_an_argument_with_a_nul(words, capsys):
    assert main(words.replace("NUL", "a\0b").split(" ")) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("hdc: error: an argument contains NUL")


def test_progress_only_where_somebody_watches(monkeypatch, capsys):
    assert list(progress.counted(range(3), "things")) == [0, 1, 2]
    assert list(progress.tracked(range(3), 5, 2, unit="things")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(progress.tracked(range(3), 5, 2, unit="things", show=False)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "INTERVAL", 0)
    assert list(progress.counted(iter(range(3)), "things")) == [0, 1, 2]
    assert "things: 3" in capsys.readouterr().err
    assert list(progress.tracked(range(3), 5, 2, unit="things")) == [0, 1, 2]
    assert "5/5" in capsys.readouterr().err


def test_progress_in_a_notebook(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    monkeypatch.setattr(progress, "INTERVAL", 0)
    assert list(progress.tracked(range(3), 3, unit="things")) == [0, 1, 2]
    assert "3/3" in capsys.readouterr().err


def test_values_fit_their_column():
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"
    assert shorten("a\x1b[2Jb\n", 40) == "a\\x1b[2Jb\\n"
    assert compact({"é": [1, None]}) == '{"é": [1, null]}'


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["jsn"], "hdc: error: argument command: invalid choice: 'jsn'; did you mean json? (choose from demo, json"),
        (["json", "serch"], "hdc json: error: argument command: invalid choice: 'serch'; did you mean search? (choose"),
        (
            ["json", "search", "i", "{}", "--exlain"],
            "hdc json search: error: unrecognized arguments: --exlain; did you mean --explain?",
        ),
        (
            ["json", "search", "i", "{}", "--mising=count"],
            "unrecognized arguments: --mising=count; did you mean --missing?",
        ),
        (["json", "search", "i", "{}", "--zzz"], "hdc json search: error: unrecognized arguments: --zzz\n"),
        (
            ["json", "search", "i", "{}", "--missing", "cout"],
            "invalid choice: 'cout'; did you mean count? (choose from ignore, count)",
        ),
    ],
)
def test_misspelled_words_get_a_suggestion(words, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert message in capsys.readouterr().err


def test_lists_are_separated_by_spaces_or_commas():
    options = ["capacity", "run", "--experiment", "bundle", "-o", "r", "--models", "MAP-I,MAP-B", "Bloom", "--dims"]
    arguments = cli.parser().parse_args([*options, "100", "200,1e3"])
    assert (arguments.models, arguments.dims) == (["MAP-I", "MAP-B", "Bloom"], [100, 200, 1000])


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_shells_complete_commands_options_and_files(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "explain" in script
    assert "completion" in script
    if shell == "bash":
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        asked = f"{script}\nCOMP_WORDS=(hdc json se); COMP_CWORD=2; _shtab_hdc; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(["bash", "-c", asked], text=True, capture_output=True, check=False)
        assert done.stdout == "search\n"


def test_cards_show_bars_and_the_document(catalog, capsys):
    status, out, err = run(capsys, catalog, '{"name": "Turing", "born": 1913}', "--explain", "--cards", "-k", "1")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert re.fullmatch(r"0\.\d{3}  1  people\.jsonl:2", lines[0])
    assert re.fullmatch(r'  █+[▏▎▍▌▋▊▉]? +\d+\.\d%  name  "Turing" ~ "Alan Turing"', lines[1])
    assert "\x1b" not in out
    assert '    "name": "Alan Turing",' in lines
    assert all(line == line.rstrip() for line in lines)


def test_cards_escape_what_a_terminal_would_obey(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("bad.jsonl").write_text(json.dumps({"a": "x \x9b2J \u202e [red]"}, ensure_ascii=False) + "\n")
    assert main(["json", "index", "bad.jsonl", "-o", "bad.hdc", "--jobs", "1"]) == 0
    assert main(["json", "search", "bad.hdc", "x", "--explain", "--cards"]) == 0
    out = capsys.readouterr().out
    assert "\x9b" not in out
    assert "\u202e" not in out
    assert "[red]" in out


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize("quiet", [False, True])
def test_colors_only_on_a_terminal_that_wants_them(catalog, quiet):
    import pty

    leader, follower = pty.openpty()
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "PYTHONPATH": str(ROOT),
        **({"NO_COLOR": "1"} if quiet else {}),
    }
    words = ["json", "search", os.path.abspath(catalog), "turing", "--explain", "-k", "1"]
    done = command(*words, stdout=follower, stdin=subprocess.DEVNULL, env=environment)
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(leader)
    assert done.wait() == 0
    assert "█" in shown.decode()
    assert "Alan Turing" in shown.decode()
    assert (b"\x1b[" in shown and b"34m" in shown) is not quiet
