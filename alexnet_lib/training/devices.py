"""What a machine can compute with: precision, XLA, several devices, several machines."""

import os
from functools import cache
from pathlib import Path

import tensorflow as tf

from .. import tensorflow_only  # noqa: F401


def choose_precision() -> str:
    """The Keras dtype policy that trains fastest here, without a loss that we could measure.

    GPUs from Ampere on compute in bfloat16, those from Volta on in float16 (T4; `fit` then scales
    the loss). A CPU without units for bfloat16 imitates it several times more slowly than it
    computes in float32, so only one with the units gets it.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        capability = min(detail.get("compute_capability", (0, 0)) for detail in details)
        if capability >= (8, 0):
            return "mixed_bfloat16"
        return "mixed_float16" if capability >= (7, 0) else "float32"
    return "mixed_bfloat16" if {"avx512_bf16", "amx_bf16"} & _cpu_flags() else "float32"


def _cpu_flags() -> set[str]:
    """The instructions that Linux says the CPU has; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def strategy() -> tf.distribute.Strategy:
    """Over which devices a model spreads: the strategy in scope, else all that there are.

    Several machines where `TF_CONFIG` names them, else all GPUs of this one where it has several,
    else one device. With several machines, call this before anything else touches TensorFlow.
    """
    if tf.distribute.has_strategy():
        return tf.distribute.get_strategy()
    return _strategy_of_the_machine()


def uses_xla(strategy: tf.distribute.Strategy) -> bool:
    """Whether steps are compiled by XLA: on one GPU.

    On a CPU, XLA's own convolutions train AlexNet at a third of the speed of oneDNN's.
    """
    gpus = tf.config.list_physical_devices("GPU")
    return bool(gpus) and strategy.num_replicas_in_sync == 1


@cache
def _strategy_of_the_machine() -> tf.distribute.Strategy:
    if os.environ.get("TF_CONFIG"):
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()
