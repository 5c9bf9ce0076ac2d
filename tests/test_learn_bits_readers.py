"""The C and the JavaScript reader of model files: they predict as Python does, and refuse what is damaged."""

import shutil
import subprocess
import tomllib
import zlib

import numpy as np
import pytest

from hdc.apps.learn.bits import BitClassifier
from tests.test_docs import ROOT
from tests.test_learn_bits import ENCODERS, density, fourier, model, rows_of

CC, NODE = shutil.which("cc"), shutil.which("node")
LANGUAGES = [
    pytest.param("c", marks=pytest.mark.skipif(CC is None, reason="there is no C compiler, cc")),
    pytest.param("js", marks=pytest.mark.skipif(NODE is None, reason="node is not installed")),
]
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("readers")
    assert BitClassifier.write_readers(made) == [made / "reader.c", made / "reader.js"]
    if CC is not None:
        subprocess.run([CC, *STRICT, "-o", "classify", "reader.c"], cwd=made, check=True)
    return made


def run(language, folder, path, rows):
    command = [folder / "classify"] if language == "c" else [NODE, folder / "reader.js"]
    return subprocess.run([*command, path], input=rows, capture_output=True, text=True, encoding="utf-8", check=False)


def as_text(X, apart=","):
    return "".join(apart.join(repr(float(value)) for value in row) + "\n" for row in X)


def compare(language, folder, found, X):
    found.export(folder / "m.bits")
    done = run(language, folder, folder / "m.bits", as_text(X))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == [str(one) for one in found.predict(X).tolist()]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_readers_predict_as_python_does(language, encoder, folder):
    seed = sorted(ENCODERS).index(encoder)
    for dim, bits in ((1, 2), (63, 1), (130, 4)):
        found = model(ENCODERS[encoder](dim), bits, prototypes=9, classes=6, seed=seed)
        compare(language, folder, found, rows_of(100, found.encoder.features, seed))


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("encoder", [lambda: density(16, 1024), lambda: fourier(16, 1024)])
def test_readers_predict_ten_thousand_rows_as_python_does(language, encoder, folder):
    compare(language, folder, model(encoder(), 2, prototypes=20, classes=10), rows_of(10_000, 16, 9))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("names", [[1, -5, 2**53 + 1], [0.5, 1e300, -0.1], ["a b", "", "漢字"]])
def test_names_of_classes_are_printed(language, names, folder):
    compare(language, folder, model(density(), classes=3, names=names), rows_of(40, 5, 1))


@pytest.mark.parametrize("language", LANGUAGES)
def test_great_scores_are_exact(language, folder):
    """Biases that differ by one, beyond what 32 bits hold, decide."""
    found = model(density(), prototypes=2, classes=2)
    for more in (0, 1, 2):
        biases = np.array([(1 << 51) + 1, (1 << 51) + more]) * np.array([-1, -1])
        parts = found.encoder, np.repeat(found.planes[:1], 2, axis=0), np.array([3, 3]), biases, 1.0
        compare(language, folder, BitClassifier(*parts, np.array([0, 1]), np.array(["a", "b"])), rows_of(5, 5, 0))


@pytest.mark.parametrize("language", LANGUAGES)
def test_forms_of_rows(language, folder):
    found = model(density(3))
    found.export(folder / "m.bits")
    text = "1,2.5,-3\n\n 1;2.5;-3\r\n1\t2.5  -3e0\n?,NA,nan\ninf -Infinity +INF\n.5,+1,1e-3"
    X = [[1, 2.5, -3]] * 3 + [[np.nan] * 3, [np.inf, -np.inf, np.inf], [0.5, 1, 1e-3]]
    assert run(language, folder, folder / "m.bits", text).stdout.split("\n")[:-1] == found.predict(X).tolist()


@pytest.mark.parametrize("language", LANGUAGES)
def test_wrong_rows_and_files_are_refused(language, folder):
    found = model(density(3))
    found.export(folder / "m.bits")
    whole = (folder / "m.bits").read_bytes()
    done = run(language, folder, folder / "m.bits", "1,2\n")
    assert done.returncode != 0
    assert "features" in done.stderr
    resized = whole[:24] + b"\x07" + whole[25:-4]
    resized += zlib.crc32(resized).to_bytes(4, "little")
    wrong = {
        b"": "no model file",
        b"\x89PNG" + whole[4:]: "no model file",
        whole[:8] + b"\x02" + whole[9:]: "no model file of version 1",
        whole[:-1]: "damaged",
        whole + b"\0": "damaged",
        whole[:200] + bytes([whole[200] ^ 4]) + whole[201:]: "damaged",
        resized: "damaged",
    }
    for content, text in wrong.items():
        (folder / "wrong.bits").write_bytes(content)
        done = run(language, folder, folder / "wrong.bits", as_text(np.zeros((1, 3))))
        assert done.returncode != 0
        assert text in done.stderr
        assert done.stdout == ""


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_javascript_takes_a_buffer_and_a_row(folder):
    found = model(density(3))
    found.export(folder / "m.bits")
    script = """
        const { predict, read } = require("./reader.js");
        const file = require("fs").readFileSync("m.bits");
        const buffer = file.buffer.slice(file.byteOffset, file.byteOffset + file.length);
        const classify = read(buffer), row = [1, -0.5, NaN];
        console.log([predict(buffer, row), classify(new Float64Array(row)), classify([9, 9, 9])].join("|"));
    """
    done = subprocess.run([NODE, "-e", script], cwd=folder, capture_output=True, encoding="utf-8", check=True)
    one, other = found.predict([[1, -0.5, np.nan], [9, 9, 9]])
    assert done.stdout.strip() == f"{one}|{one}|{other}"


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_javascript_runs_without_modules_as_in_a_browser(folder):
    found = model(density(3))
    found.export(folder / "m.bits")
    script = """
        const vm = require("vm"), fs = require("fs"), file = fs.readFileSync("m.bits");
        const page = vm.createContext({ DataView, Uint8Array, TextDecoder, Int32Array, Uint32Array });
        vm.runInContext(fs.readFileSync("reader.js", "utf8") + ";this.found = hdcBits", page);
        console.log(page.found.predict(file.buffer.slice(file.byteOffset, file.byteOffset + file.length), [1, 0, 2]));
    """
    done = subprocess.run([NODE, "-e", script], cwd=folder, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == found.predict([[1, 0, 2]])[0]


def test_readers_are_short_and_packed():
    for name in ("reader.c", "reader.js"):
        text = (ROOT / "apps" / "learn" / "bits" / name).read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 60
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert data["hdc.apps.learn.bits"] == ["reader.c", "reader.js"]
