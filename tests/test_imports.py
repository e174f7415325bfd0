"""What loads when: nothing heavy before it is needed, and nothing from a floor above."""

import ast
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "alexnet_lib"

FLOORS = (
    ("architecture", "compilation", "files", "tensorflow_only", "terminal"),
    ("front_end",),
    ("layers", "preprocessing", "augmentation", "model_file", "calibration"),
    ("model",),
    ("data", "formats"),
    ("labels",),
    ("pretrained",),
    ("alexnet", "applications"),
    ("training",),
    ("transfer", "inspection"),
    ("prediction", "report", "export"),
    ("startup",),
    ("commands", "teaching"),
    ("cli",),
)
"""From the ground up: what stands on a floor imports from the floors below it, and from its own
package. `registration` belongs to `__init__`, which is above them all."""


def python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )


def seconds(*arguments):
    start = time.perf_counter()
    python(*arguments)
    return time.perf_counter() - start


@pytest.mark.alone
def test_importing_takes_less_than_importing_numpy():
    """Some hundredths of a second; the comparison holds on a slow machine, too."""

    def share():
        report = python("-X", "importtime", "-c", "import alexnet_lib, numpy").stderr
        ours, numpys = (
            int(re.search(rf"\|\s*(\d+) \| {name}\n", report)[1])
            for name in ("alexnet_lib", "numpy")
        )
        return ours / numpys

    assert min(share() for _ in range(3)) < 1


@pytest.mark.alone
def test_the_summary_takes_little_more_than_the_packages_that_print_it():
    needed = ("-c", "import typer, rich.console, rich.table")
    assert min(seconds("-m", "alexnet_lib.cli", "summary") / seconds(*needed) for _ in range(3)) < 2


@pytest.mark.parametrize(
    "statement", ["import alexnet_lib", "import alexnet_lib; alexnet_lib.trace()"]
)
def test_shapes_load_no_framework(statement):
    loaded = json.loads(
        python("-c", f"{statement}; import sys, json; print(json.dumps(list(sys.modules)))").stdout
    )
    assert "alexnet_lib" in loaded
    heavy = {"tensorflow", "keras", "numpy", "matplotlib", "jax", "torch"}
    assert not heavy & {name.split(".")[0] for name in loaded}


@pytest.mark.parametrize("package", ["alexnet_lib", "alexnet_lib.data", "alexnet_lib.training",
                                     "alexnet_lib.inspection", "alexnet_lib.teaching",
                                     "alexnet_lib.teaching.plots"])  # fmt: skip
def test_public_names_are_listed_and_lead_somewhere(package):
    module = __import__(package, fromlist=["*"])
    assert dir(module) == sorted(module.__all__)
    for name in dir(module):
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="nowhere_at_all"):
        module.nowhere_at_all  # noqa: B018


def test_the_public_surface():
    import alexnet_lib

    public = {
        "AlexNet", "GroupedConv2D", "LocalResponseNormalization", "decode_predictions",
        "load_model", "preprocess_input", "trace",
    }  # fmt: skip
    assert public <= set(dir(alexnet_lib))


def floor_of(name):
    return next((number for number, rooms in enumerate(FLOORS) if name in rooms), None)


def imports(path):
    """The rooms of the package that a file imports from, wherever in the file it does."""
    inside = path.relative_to(PACKAGE).parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = inside[: len(inside) - node.level]
            full = [*above, *(node.module or "").split(".")]
            full = [part for part in full if part]
            if full:
                yield full[0]
            else:
                yield from (alias.name for alias in node.names)


def test_imports_run_one_way():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room in ("__init__", "registration"):
            continue
        here = floor_of(room)
        assert here is not None, f"{room} stands on no floor; put it into FLOORS"
        for other in imports(path):
            if other != room and (floor_of(other) is None or floor_of(other) >= here):
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert not wrong


def names_imported(path):
    """Full names of all modules that a file names in an import."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_only_the_book_and_results_use_what_serves_the_book():
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]:
        if "teaching" in path.relative_to(ROOT).parts:
            continue
        used = [name for name in names_imported(path) if name.startswith("alexnet_lib.teaching")]
        used += (
            [room for room in imports(path) if room == "teaching"]
            if PACKAGE in path.parents
            else []
        )
        assert not used or path.name == "__init__.py", f"{path}: {used}"


@pytest.mark.parametrize(
    "room", ["architecture", "layers", "preprocessing", "model", "labels", "pretrained", "alexnet"]
)
def test_the_core_never_names_a_backend_in_an_import(room):
    names = set(names_imported(Path(PACKAGE / f"{room}.py")))
    assert not {name for name in names if name.split(".")[0] in ("tensorflow", "jax", "torch")}


def test_keras_loads_a_file_of_ours_right_after_the_import(tmp_path):
    """In a new process, whichever of the two was imported first."""
    make = (
        "import sys; from alexnet_lib import AlexNet; "
        "from alexnet_lib.preprocessing import with_preprocessing; "
        "net = AlexNet(variant='original', classes=2, fc_units=2, input_shape=(67, 67, 3)); "
        "with_preprocessing(net, ['a', 'b'], 'original').save(sys.argv[1])"
    )
    file = str(tmp_path / "any.keras")
    python("-c", make, file)
    for order in ("import alexnet_lib, keras", "import keras, alexnet_lib"):
        code = f"import sys; {order}; print(keras.saving.load_model(sys.argv[1]).output_shape)"
        assert python("-c", code, file).stdout.strip() == "(None, 2)"
