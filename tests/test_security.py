"""What SECURITY.md promises of the source: no eval, no pickle, no shell, every download pinned."""

import ast
import re

import pytest
from conftest import ROOT

from alexnet_lib import data, formats, labels, pretrained
from alexnet_lib.data import archives as archive_files

LIBRARY = sorted((ROOT / "alexnet_lib").rglob("*.py"))
ALL = [
    path
    for folder in ("alexnet_lib", "book", "benchmarks", "results", ".ci")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
SCRIPTS = [
    path
    for folder in ("alexnet_lib", "book")
    for path in sorted((ROOT / folder).rglob("*.js"))
    if "node_modules" not in path.parts
]

# They run what they read.
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "compile", "__import__"}
SHELLS = {("os", "system"), ("os", "popen"), ("subprocess", "getoutput")}


def name(path):
    return str(path.relative_to(ROOT))


def calls(path):
    """Every call in a file: the names before the brackets, and the keywords."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield (
                ast.unparse(node.func),
                {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg},
            )


def imported(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", ALL, ids=name)
def test_nothing_is_unpickled_evaluated_or_given_to_a_shell(path):
    assert not MODULES & set(imported(path))
    for called, keywords in calls(path):
        assert called not in CALLS, called
        assert tuple(called.rsplit(".", 1)) not in SHELLS, called
        assert "shell" not in keywords, called
        # NumPy and Keras have switches that let a file run code.
        assert keywords.get("allow_pickle", "False") == "False", called
        assert keywords.get("safe_mode", "True") == "True", called
        assert keywords.get("verify", "True") == "True", called


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_models_are_read_in_safe_mode(path):
    text = path.read_text("utf-8")
    assert "enable_unsafe_deserialization" not in text
    for called, keywords in calls(path):
        if called.endswith(("saving.load_model", "models.load_model", "models.model_from_json")):
            assert keywords["safe_mode"] == "True"
            assert keywords["compile"] == "False"
        # Keras's own reader of weights changes one layer after the other.
        assert not called.endswith((".load_weights", "extractall", "torch.load", "onnx.load"))


def test_the_check_would_see_a_breach(tmp_path):
    for line in (
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "np.load('a.npy', allow_pickle=True)",
        "keras.saving.load_model('m.keras', safe_mode=False)",
    ):
        (tmp_path / "breach.py").write_text(line)
        with pytest.raises(AssertionError):
            test_nothing_is_unpickled_evaluated_or_given_to_a_shell(tmp_path / "breach.py")


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_pages_make_no_code_of_texts(path):
    text = path.read_text("utf-8")
    assert not re.search(r"\beval\s*\(|new Function\s*\(|document\.write\s*\(", text)


def remotes():
    published = {name: entry.remote for name, entry in pretrained.PUBLISHED.items()}
    return data.named.REMOTES | published | {"names of classes": labels.CLASS_INDEX}


@pytest.mark.parametrize("name", remotes())
def test_downloads_are_pinned(name):
    remote = remotes()[name]
    assert re.fullmatch("[0-9a-f]{64}", remote.sha256)
    assert remote.size > 0
    assert all(url.startswith("https://") for url in (remote.url, *remote.mirrors))


def test_the_page_names_every_format_and_only_those():
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    rows = {row.split("|")[1].strip(): row for row in text.splitlines() if row.startswith("| ")}
    (weights,) = [kind for kind in rows if kind.startswith("weights: ")]
    assert set(re.findall(r"`(\.[\w.]+)`", weights)) == set(formats._READERS)
    (archives,) = [kind for kind in rows if kind.startswith("archives: ")]
    assert set(re.findall(r"`(\.[\w.]+)`", archives)) == set(archive_files.ARCHIVES)
    assert f"files over {formats.LARGEST >> 30} GB" in rows[weights]


def test_accuracies_are_those_of_the_library():
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    bvlc = pretrained.PUBLISHED["bvlc"]
    assert f"{bvlc.top1} % top-1 and {bvlc.top5} % top-5" in text
    for row in ("55.9 to 57.1 %", "54.8 %", "about 50 %"):
        assert f"| {row} |" in text
        assert f"| {row} |" in pretrained.__doc__


def test_known_weaknesses_are_looked_up_on_every_change():
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8")
    assert "pip-audit --requirement requirements.txt" in workflow
