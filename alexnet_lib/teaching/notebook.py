"""What every chapter starts with, and its tables."""

import os
import time
from collections.abc import Mapping, Sequence

from IPython.display import Markdown
from tabulate import tabulate

from ..startup import load_tensorflow

_started = {}


def prepare(seed: int = 2012) -> None:
    """Loads TensorFlow without the log of its start, and seeds all random generators."""
    _started.update(seed=seed, time=time.perf_counter())
    load_tensorflow()
    import keras

    keras.utils.set_random_seed(seed)


def receipt() -> None:
    """Prints what the chapter has cost since `prepare`: time, memory, devices, seed, versions."""
    import keras
    import psutil
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    memory = psutil.Process().memory_info().rss / 1e9
    print(f"run time   {time.perf_counter() - _started['time']:.0f} s")
    print(f"machine    {os.cpu_count()} processor cores, {len(gpus)} GPUs")
    print(f"memory     {memory:.1f} GB at the end")
    print(f"seed       {_started['seed']}")
    print(f"versions   TensorFlow {tf.__version__}, Keras {keras.__version__}")


def table(rows: Sequence[Mapping[str, object]]) -> Markdown:
    """Shows rows as a table; the keys of the first are its header.

    Whole numbers get commas between the thousands; None leaves a cell empty.
    """
    return Markdown(
        tabulate(rows, headers="keys", tablefmt="pipe", intfmt=",", missingval="", floatfmt="g")
    )
