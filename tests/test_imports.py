"""`import alexnet_lib` is instant: nothing heavy loads before it is needed."""

import json
import re
import subprocess
import sys
import time

import pytest
from conftest import ROOT


def python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )


def seconds_to_import():
    """The cumulative time of the package in Python's own report."""
    report = python("-X", "importtime", "-c", "import alexnet_lib").stderr
    return int(re.search(r"\|\s*(\d+) \| alexnet_lib\n", report)[1]) / 1e6


@pytest.mark.alone
def test_import_takes_under_a_tenth_of_a_second():
    assert min(seconds_to_import() for _ in range(3)) < 0.1


@pytest.mark.alone
def test_the_summary_takes_under_half_a_second():
    def seconds():
        start = time.perf_counter()
        python("-m", "alexnet_lib.cli", "summary")
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 0.5


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


def test_public_names_are_listed_and_lead_somewhere():
    import alexnet_lib

    assert dir(alexnet_lib) == sorted(alexnet_lib.__all__)
    public = {"AlexNet", "GroupedConv2D", "LocalResponseNormalization", "preprocess_input", "trace"}
    assert public <= set(dir(alexnet_lib))
    for name in dir(alexnet_lib):
        assert getattr(alexnet_lib, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'AlexNett'"):
        alexnet_lib.AlexNett  # noqa: B018


@pytest.mark.parametrize("module", ["architecture", "layers", "model"])
def test_the_core_never_names_tensorflow_in_an_import(module):
    text = (ROOT / "alexnet_lib" / f"{module}.py").read_text("utf-8")
    assert not re.search(r"^\s*(import|from) (tensorflow|jax|torch)\b", text, re.MULTILINE)
