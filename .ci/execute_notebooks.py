"""Execute chapters in place, as `make notebooks` does: pass the notebooks' paths."""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from alexnet_lib import files


def execute(path):
    """Run every cell of a notebook in order and write the outputs back, or nothing on an error."""
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=600,
        coalesce_streams=True,  # what a cell prints bit by bit stands in one box
        record_timing=False,  # the time of day would change the file on every run
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    seconds = time.perf_counter() - start
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},  # no version: it differs between machines
    }
    files.write(path, lambda unfinished: nbformat.write(notebook, unfinished))
    print(f"{path}: {seconds:.1f} s")


if __name__ == "__main__":
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel of .venv, not one of the user's
    for name in sys.argv[1:]:
        execute(Path(name))
