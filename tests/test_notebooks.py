"""The chapters as they are committed, and as they run under nbval, which compares every output.

nbval passes over a cell with an unknown magic and silently skips the rest of it, so such a cell is
looked for without running it.
"""

import ast
import json
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import nbformat
import pytest
from conftest import ROOT, notebooks
from IPython.core.interactiveshell import InteractiveShell

PROMISED_SECONDS = 60  # on two quiet cores that multiply a matrix at 500 GFLOP/s
# Here two chapters run at a time, so each has one core, and machines for continuous integration may
# be several times slower: with 95 GFLOP/s the longest takes 97 s alone, and 151 s beside another.
# Beyond this, it is the chapter.
ALLOWED_SECONDS = 4 * PROMISED_SECONDS

LONGEST_CELL = 22  # lines, without imports and empty ones: the whole network in Keras has as many

PICTURES = {"image/png", "image/jpeg", "image/gif", "image/svg+xml"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

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


def test_pages_do_not_repeat_the_question_of_an_exercise(path):
    """A check that was given no answer prints its question; on the page, that stands above it."""
    for cell in code_cells(read(path)):
        unanswered = any("No answer yet" in output.get("text", "") for output in cell.outputs)
        assert unanswered == ("remove-output" in tags(cell)), f"cell [{cell.execution_count}]"


def test_the_cell_of_imports_is_folded(path):
    first = code_cells(read(path))[0]
    assert "notebook.prepare" in first.source
    assert "hide-input" in tags(first)


def test_pictures_have_alternative_texts(path):
    for cell in code_cells(read(path)):
        if any(PICTURES & output.get("data", {}).keys() for output in cell.outputs):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt.split()) >= 3, (
                f"cell [{cell.execution_count}] draws a picture; say what it shows in the cell's "
                f'metadata: {{"mystnb": {{"image": {{"alt": "..."}}}}}}. Found: {alt!r}'
            )


def test_explorers_answer_without_python(path):
    """A plain ipywidgets control needs a kernel to answer; on the page it would be dead."""
    for cell in code_cells(read(path)):
        for output in cell.outputs:
            if WIDGET_VIEW in output.get("data", {}):
                assert 'class="explorer"' in output.data.get("text/html", ""), (
                    f"cell [{cell.execution_count}] shows a widget that needs a kernel"
                )


def test_no_state_of_widgets_is_saved(path):
    """The outputs carry what a page needs; the rest would be front ends, copied and soon old."""
    assert "widgets" not in read(path).metadata, "run `make notebooks`"


def lines_of_its_own(source):
    """How many lines of a cell are neither empty nor an import."""
    imports = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Import | ast.ImportFrom)]
    imported = {line for node in imports for line in range(node.lineno, node.end_lineno + 1)}
    lines = enumerate(source.splitlines(), 1)
    return sum(bool(line.strip()) and number not in imported for number, line in lines)


def test_no_cell_is_too_long(path):
    """Longer code belongs in the library, or is said more plainly."""
    assert lines_of_its_own("from a import (\n  b,\n)\n\nimport c\n\nd = b(\n  c)\nd # e\n") == 3
    for cell in code_cells(read(path)):
        length = lines_of_its_own(cell.source)
        assert length <= LONGEST_CELL, f"cell [{cell.execution_count}] has {length} lines"


def rows_by_comprehension(source):
    """The comprehensions of a cell that make dictionaries, one for each row of a table."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ListComp | ast.GeneratorExp) and any(
            isinstance(part, ast.Dict) for part in ast.walk(node.elt)
        ):
            yield ast.unparse(node)


def test_a_table_is_no_comprehension_over_dictionaries(path):
    refused = ["[{'a': x} for x in y]", "[{'a': x} | z for x in y]", "f({**x} for x in y)"]
    assert all(list(rows_by_comprehension(source)) for source in refused)
    assert not list(rows_by_comprehension("f({'a': [x for x in y]}); {x: {} for x in y}"))
    for cell in code_cells(read(path)):
        assert not list(rows_by_comprehension(cell.source)), (
            f"cell [{cell.execution_count}]: make the data frame from columns, or in a loop"
        )


def unknown_magics(source, known):
    """The lines that call a magic which IPython does not have by itself."""
    for line in source.splitlines():
        if match := re.match(r"\s*(%%?)(\w+)", line):
            kind = "cell" if match[1] == "%%" else "line"
            if match[2] not in known[kind]:
                yield line.strip()


def known_magics():
    return {
        kind: set(names)
        for kind, names in InteractiveShell.instance().magics_manager.magics.items()
    }


def test_every_magic_is_known(path):
    known = known_magics()
    assert list(unknown_magics("%timeit 1\n  %%nowhere\nraise", known)) == ["%%nowhere"]
    for cell in code_cells(read(path)):
        assert not list(unknown_magics(cell.source, known)), f"cell [{cell.execution_count}]"


def test_repeats_its_outputs_under_nbval(path, tmp_path):
    report = tmp_path / "nbval.xml"
    command = [sys.executable, "-m", "pytest", "--nbval", "--quiet", "-p", "no:cacheprovider"]
    command += ["--nbval-sanitize-with", ".ci/nbval.cfg", "--override-ini", "addopts="]
    command += [f"--junitxml={report}", str(path.relative_to(ROOT))]
    start = time.perf_counter()
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    suite = ElementTree.parse(report).getroot().find("testsuite")
    compared = int(suite.get("tests")) - int(suite.get("skipped"))
    assert compared == len(code_cells(read(path))), "nbval left out a cell"
    assert seconds <= ALLOWED_SECONDS, (
        f"{seconds:.0f} s on one core; a chapter may take {PROMISED_SECONDS} s on two fast ones"
    )
