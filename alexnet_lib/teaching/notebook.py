"""What every chapter starts and ends with."""

import os
import time
from types import ModuleType

from ..startup import load_tensorflow
from .tables import show_data_frames

resource: ModuleType | None
try:
    import resource
except ImportError:
    resource = None

_started: dict[str, float] = {}


def prepare(seed: int = 2012) -> None:
    """Loads TensorFlow without the log of its start, and seeds all random generators.

    Data frames are shown as tables of this book from here on (`tables`).
    """
    _started.update(seed=seed, time=time.perf_counter())
    load_tensorflow()
    show_data_frames()
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
