"""The chapters as they are committed, and as they run: twice, by two programs that see differently.

nbval compares every text output with the committed one, but passes over a cell with an unknown
magic; nbclient stops at that cell, but compares nothing.
"""

import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import nbformat
import pytest
from conftest import ROOT, notebooks
from nbclient import NotebookClient

from alexnet_lib.widgets import explorer

PROMISED_SECONDS = 60  # on two quiet cores that multiply a matrix at 500 GFLOP/s
# Here two chapters run at a time, so each has one core, and machines for continuous integration may
# be several times slower: with 95 GFLOP/s the longest takes 97 s alone, and 151 s beside another.
# Beyond this, it is the chapter.
ALLOWED_SECONDS = 4 * PROMISED_SECONDS

PICTURES = {"image/png", "image/jpeg", "image/gif", "image/svg+xml"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"

UNFIT_FOR_PRINT = {
    "a warning": re.compile(r"\w*Warning\b:|^WARNING\b|\bW0000\b", re.MULTILINE),
    "a traceback": re.compile(r"Traceback \(most recent call last\)|^UsageError", re.MULTILINE),
    "a path of a machine": re.compile(
        r"(?<![\w.:/])/(?:root|home|Users|work|tmp|usr|opt|var|content|private)/|\b[A-Z]:\\"
    ),
    "an address in memory": re.compile(r"\bat 0x[0-9a-f]{6,}"),
}

pytestmark = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def texts(cell):
    """Every text among a cell's outputs, whichever kind of output it stands in."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        elif output.output_type == "error":
            yield "\n".join(output.traceback)
        else:
            for kind, data in output.data.items():
                if kind not in PICTURES:
                    yield data if isinstance(data, str) else json.dumps(data)


def problems(notebook):
    """What no reader should find in an output, as sentences."""
    for cell in code_cells(notebook):
        where = f"cell [{cell.execution_count}]"
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"{where} raised {output.ename}: {output.evalue}"
            if output.output_type == "stream" and output.name == "stderr":
                yield f"{where} wrote to stderr: {output.text[:200]!r}"
        for text in texts(cell):
            for what, pattern in UNFIT_FOR_PRINT.items():
                if match := pattern.search(text):
                    line = text[max(0, match.start() - 60) : match.end() + 60]
                    yield f"{where} shows {what}: {line!r}"


def not_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    expected = list(range(1, len(counts) + 1))
    return "" if counts == expected else f"execution counts are {counts}, not {expected}"


def test_is_executed_from_top_to_bottom(path):
    assert not not_in_order(read(path)), "run `make notebooks`"


def test_outputs_are_fit_for_print(path):
    assert not list(problems(read(path)))


def test_only_timings_are_not_compared(path):
    for cell in code_cells(read(path)):
        assert ("timing" in tags(cell)) == ("nbval-ignore-output" in tags(cell)), (
            f"cell [{cell.execution_count}]: the tags timing and nbval-ignore-output go together"
        )
        others = [t for t in tags(cell) if t.startswith("nbval-") and t != "nbval-ignore-output"]
        others += re.findall(r"#\s*(?:NBVAL|PYTEST_VALIDATE)_\w+", cell.source)
        assert not others, f"cell [{cell.execution_count}] tells nbval to look away: {others}"


def test_pictures_have_alternative_texts(path):
    for cell in code_cells(read(path)):
        if any(PICTURES & output.get("data", {}).keys() for output in cell.outputs):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt.split()) >= 3, (
                f"cell [{cell.execution_count}] draws a picture; say what it shows in the cell's "
                f'metadata: {{"mystnb": {{"image": {{"alt": "..."}}}}}}. Found: {alt!r}'
            )


def saved_widgets(notebook):
    """The models of a notebook's widgets by their identifiers."""
    return notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})


def test_widgets_answer_without_python(path):
    """A plain ipywidgets control needs a kernel to answer; on the page it would be dead."""
    notebook = read(path)
    models = saved_widgets(notebook)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if WIDGET_VIEW in output.get("data", {}):
                model = models.get(output.data[WIDGET_VIEW]["model_id"])
                assert model, f"cell [{cell.execution_count}]: the widget's state was not saved"
                assert model["model_module"] == "anywidget", (
                    f"cell [{cell.execution_count}] shows a {model['model_name']} of "
                    f"{model['model_module']}, which needs a kernel"
                )


def test_widgets_are_saved_with_the_librarys_front_ends(path):
    """A notebook that is opened shows them before any cell runs; nbval does not compare them."""
    for state in (model["state"] for model in saved_widgets(read(path)).values()):
        if "_esm" in state:
            module = state["_anywidget_id"].split(".")[-2]
            current = explorer.front_end(module), explorer.style(module)
            assert (state["_esm"], state["_css"]) == current, (
                f"{module}: execute the chapter again (make notebooks NOTEBOOKS=book/{path.name})"
            )


def as_outside_of_tests():
    """The environment without pytest's mark, at which ipykernel stops listening to libraries.

    What compiled code writes to stderr, such as TensorFlow's log, would then reach readers unseen.
    """
    return {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}


def test_runs_to_the_end_under_nbclient(path):
    notebook = read(path)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    start = time.perf_counter()
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=ALLOWED_SECONDS,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute(env=as_outside_of_tests())
    seconds = time.perf_counter() - start
    assert not not_in_order(notebook)
    assert not list(problems(notebook))
    assert seconds <= ALLOWED_SECONDS, (
        f"{seconds:.0f} s on one core; a chapter may take {PROMISED_SECONDS} s on two fast ones"
    )


def test_repeats_its_outputs_under_nbval(path, tmp_path):
    report = tmp_path / "nbval.xml"
    command = [sys.executable, "-m", "pytest", "--nbval", "--quiet", "-p", "no:cacheprovider"]
    command += ["--nbval-sanitize-with", ".ci/nbval.cfg", "--override-ini", "addopts="]
    command += [f"--junitxml={report}", str(path.relative_to(ROOT))]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    suite = ElementTree.parse(report).getroot().find("testsuite")
    compared = int(suite.get("tests")) - int(suite.get("skipped"))
    assert compared == len(code_cells(read(path))), "nbval left out a cell"
