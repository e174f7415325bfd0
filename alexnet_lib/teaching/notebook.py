"""What every chapter starts with, and its tables."""

import os
import time
from collections.abc import Mapping, Sequence
from types import ModuleType

from IPython.display import Markdown
from tabulate import tabulate

from ..startup import load_tensorflow

resource: ModuleType | None
try:
    import resource
except ImportError:
    resource = None

_started: dict[str, float] = {}


def prepare(seed: int = 2012) -> None:
    """Loads TensorFlow without the log of its start, and seeds all random generators."""
    _started.update(seed=seed, time=time.perf_counter())
    load_tensorflow()
    import keras

    keras.utils.set_random_seed(seed)


def receipt() -> None:
    """Prints what the chapter has cost since `prepare`: time, memory, devices, seed, versions."""
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    print(f"run time   {time.perf_counter() - _started['time']:.0f} s")
    print(f"machine    {os.cpu_count()} processor cores, {len(gpus)} GPUs")
    if resource:  # Windows has none
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"memory     {kilobytes / 1e6:.1f} GB at most")
    print(f"seed       {_started['seed']}")
    print(f"versions   TensorFlow {tf.__version__}, Keras {keras.__version__}")


def table(rows: Sequence[Mapping[str, object]]) -> Markdown:
    """Shows rows as a table; the keys of the first are its header.

    Whole numbers get commas between the thousands; None leaves a cell empty.
    """
    return Markdown(
        tabulate(rows, headers="keys", tablefmt="pipe", intfmt=",", missingval="", floatfmt="g")
    )
