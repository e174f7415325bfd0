"""The published notebooks, executed with Colab's versions: `make test-colab`, not `make test`.

The kernel is that of `.venv-colab`; the tests themselves run in `.venv`. The notebooks fetch a
repository that holds the files of this working tree, from a folder: nothing else differs from Colab
but the missing GPU, and that `google.colab` is a stand-in which writes down what it is asked for.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, notebooks
from nbclient import NotebookClient
from packaging.requirements import Requirement
from test_notebooks import WIDGET_VIEW, not_in_order, problems, texts

sys.path.insert(0, str(ROOT / ".ci"))
import colab

PYTHON = ROOT / ".venv-colab" / "bin" / "python"
SECONDS = 600  # for one cell; a chapter's own limit is that of tests/test_notebooks.py
PINS = [
    Requirement(line)
    for line in (ROOT / ".ci" / "colab-requirements.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]

MANAGER = "https://colab.example/manager.js"
# Of Colab's module, what the setup cell and anywidget use; it writes down that it was asked.
GOOGLE_COLAB = f"""
import pathlib

class _widgets:
    _installed_url = None

def enable_custom_widget_manager():
    _widgets._installed_url = {MANAGER!r}
    pathlib.Path(__file__).with_name("asked").touch()
"""


def git(*arguments, folder):
    return subprocess.run(
        ["git", "-c", "user.name=A test", "-c", "user.email=test@localhost", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def commit_of_working_tree(folder):
    """Makes a repository of this tree's files, changed ones as they are; returns its commit."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    git("init", "--quiet", folder=folder)
    git("add", "--all", "--force", folder=folder)
    git("commit", "--quiet", "-m", "The working tree", folder=folder)
    return git("rev-parse", "HEAD", folder=folder)


@pytest.fixture(scope="session")
def machine(tmp_path_factory):
    """What stands in for Colab: its folder, its kernel, its module, and a repository to fetch."""
    assert PYTHON.exists(), "no .venv-colab: run `make test-colab`"
    folder = tmp_path_factory.mktemp("a machine of Colab's")
    for name in ("repository", "content", "google/colab", "kernels/colab"):
        (folder / name).mkdir(parents=True)
    (folder / "google/colab/__init__.py").touch()
    (folder / "google/colab/output.py").write_text(GOOGLE_COLAB, "utf-8")
    kernel = {
        "argv": [str(PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Colab",
        "language": "python",
        "env": {"PYTHONPATH": str(folder)},
    }
    (folder / "kernels/colab/kernel.json").write_text(json.dumps(kernel), "utf-8")
    return folder


@pytest.fixture(scope="session")
def published(machine):
    """Chapter → its published notebook."""
    commit = commit_of_working_tree(machine / "repository")
    book = colab.Book((machine / "repository").as_uri().replace("%20", " "))
    return {name: colab.published(name, book, commit) for name in book.chapters}


def installed():
    """The versions in .venv-colab of what Colab pins."""
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    names = [pin.name for pin in PINS]
    run = subprocess.run([PYTHON, "-c", code, *names], check=True, capture_output=True, text=True)
    return dict(zip(names, run.stdout.split(), strict=True))


def as_on_colab():
    """The environment of a kernel: no setting of the tests, no folder of data that is here."""
    drop = ("ALEXNET_HOME", "TF_CPP_MIN_LOG_LEVEL", "JUPYTER_PREFER_ENV_PATH", "VIRTUAL_ENV")
    # Where pytest has left its mark, ipykernel stops listening to what compiled code writes.
    drop += ("PYTEST_CURRENT_TEST",)
    environment = {k: v for k, v in os.environ.items() if k not in drop}
    path = os.pathsep.join([str(PYTHON.parent), environment["PATH"]])
    return environment | {"PATH": path}


def execute(notebook, machine):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(machine))  # there is the kernel `colab`
        NotebookClient(
            notebook,
            kernel_name="colab",
            timeout=SECONDS,
            resources={"metadata": {"path": str(machine / "content")}},
        ).execute(env=as_on_colab())


@pytest.mark.parametrize("name", [path.stem for path in notebooks()])
def test_published_chapter_runs_to_the_end(name, machine, published):
    notebook = published[name]
    asked = machine / "google/colab/asked"
    asked.unlink(missing_ok=True)
    execute(notebook, machine)
    assert not not_in_order(notebook)
    assert not list(problems_of_ours(notebook))
    assert asked.exists(), "Colab was not asked to show widgets"
    for view, metadata in widget_views(notebook):
        assert metadata[view]["colab"]["custom_widget_manager"]["url"] == MANAGER

    said = "".join(texts(notebook.cells[0]))
    for name, version in installed().items():
        if name in ("tensorflow", "keras", "numpy", "matplotlib", "ipywidgets"):
            assert f"{name:<11}{version}\n" in said


def widget_views(notebook):
    """Kind and metadata of each widget that is shown: Colab reads there what is to show it."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if WIDGET_VIEW in output.get("data", {}):
                yield WIDGET_VIEW, output.metadata


def problems_of_ours(notebook):
    """As in a committed notebook; only the setup cell may show paths, to say where things are."""
    setup, *rest = notebook.cells
    yield from problems(nbformat.v4.new_notebook(cells=rest))
    for output in setup.outputs:
        if output.output_type != "stream" or output.name != "stdout":
            yield f"the setup cell shows more than its report: {output}"


def test_setup_cell_has_replaced_nothing_of_colabs():
    found = installed()
    for pin in PINS:
        assert pin.specifier.contains(found[pin.name]), f"{pin} became {found[pin.name]}"


def test_explorers_work_with_colabs_ipywidgets(machine, published):
    """`tests/explorers_in_colab.py` has the library that the chapters before it have installed."""
    script = Path(__file__).with_name("explorers_in_colab.py")
    environment = as_on_colab() | {"PYTHONPATH": str(machine)}
    run = subprocess.run([PYTHON, script], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
