"""The first cell of every published notebook; `.ci/colab.py` writes the two constants in."""

# @title Setup: run this cell first { display-mode: "form" }
# It fetches the book's repository, installs the library from it, and goes to the book's folder.
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = ""
COMMIT = ""


def run(*command):
    """Runs a command; what it says is shown only if it fails."""
    quiet = os.environ | {
        "GIT_TERMINAL_PROMPT": "0"
    }  # a private repository is an error, no question
    result = subprocess.run(command, capture_output=True, text=True, env=quiet)
    if result.returncode:
        print(result.stdout[-2000:], result.stderr[-2000:])
        raise RuntimeError(
            f"`{' '.join(command)}` failed, and says above why. Is there a network, and may "
            f"everybody read {REPOSITORY}? Then run this cell again."
        )


def fetch(checkout):
    """Fetches one commit of the repository; the folder is there whole or not at all."""
    part = checkout.with_name(f"{checkout.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    run("git", "init", "--quiet", str(part))
    run("git", "-C", str(part), "fetch", "--quiet", "--depth", "1", REPOSITORY, COMMIT)
    run("git", "-C", str(part), "checkout", "--quiet", "FETCH_HEAD")
    part.rename(checkout)


def graphics_cards():
    """The GPUs that TensorFlow sees; the library, installed by then, loads it without its log."""
    from alexnet_lib.startup import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    return tf.config.list_physical_devices("GPU")


name = f"alexnet-{COMMIT[:12]}"
here = Path.cwd()  # on Colab /content; in the book's folder if this cell runs again
checkout = next((path for path in here.parents if path.name == name), here / name)
if not checkout.exists():
    fetch(checkout)
# `teaching` brings what chapters use beside the library. What is there already, stays as it is.
run(sys.executable, "-m", "pip", "install", "--quiet", f"{checkout}[teaching]")
os.environ.setdefault("ALEXNET_HOME", str(checkout.parent / "alexnet-data"))
os.chdir(checkout / "book")

try:
    from google.colab import output
except ImportError:
    pass  # a notebook server of one's own shows widgets without being asked
else:
    output.enable_custom_widget_manager()

gpus = graphics_cards()
print(f"book       {REPOSITORY}, commit {COMMIT[:12]}")
for package in ("alexnet-lib", "tensorflow", "keras", "numpy", "matplotlib", "ipywidgets"):
    print(f"{package:<11}{importlib.metadata.version(package)}")
print(f"Python     {platform.python_version()}")
if gpus:
    print(f"data       {len(gpus)} GPU: chapters that train take larger sets and download them")
    print(f"           into {os.environ['ALEXNET_HOME']}")
else:
    print("data       no GPU: the photographs that come with the packages; nothing is downloaded")
    print("           (for a GPU: Runtime, Change runtime type, then run this cell again)")
