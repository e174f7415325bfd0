"""What a machine can compute with: precision, XLA, several devices, several machines."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import tensorflow as tf

from .. import tensorflow_only  # noqa: F401


@dataclass(frozen=True)
class Device:
    """What decides how a processor computes best."""

    kind: Literal["CPU", "GPU"]
    name: str = ""
    compute_capability: tuple[int, int] | None = None
    """A GPU's generation, as NVIDIA counts: 7.0 is Volta (V100), 7.5 Turing (T4), 8.0 Ampere
    (A100), 9.0 Hopper (H100). None where it is not known, as for GPUs of other makes."""
    instructions: frozenset[str] = frozenset()
    """What a CPU understands, in Linux's names: `avx512_bf16`, `amx_bf16`."""


def devices_here() -> list[Device]:
    """The processors that training uses: all GPUs of this machine, else its CPU."""
    gpus = [
        tf.config.experimental.get_device_details(gpu)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return [
        Device("GPU", gpu.get("device_name", "GPU"), gpu.get("compute_capability")) for gpu in gpus
    ] or [Device("CPU", f"CPU, {os.cpu_count()} cores", instructions=_cpu_flags())]


def choose_precision(devices: Sequence[Device] | None = None) -> str:
    """The Keras dtype policy that trains fastest, without a loss that we could measure.

    GPUs from Ampere on multiply in bfloat16; Volta and Turing (V100, T4) are fast in float16 alone,
    for which `fit` scales the loss; older ones are slow in both. A CPU without units for bfloat16
    imitates it several times more slowly than it computes in float32, so only one with the units
    gets it.

    Args:
        devices: those that train together, of which the weakest decides; by default what is here.

    >>> choose_precision([Device("GPU", "Tesla T4", (7, 5))])
    'mixed_float16'
    """
    return min(
        (_fastest_precision(device) for device in devices or devices_here()),
        key=("float32", "mixed_float16", "mixed_bfloat16").index,
    )


def _fastest_precision(device: Device) -> str:
    if device.kind == "CPU":
        units = {"avx512_bf16", "amx_bf16"}
        return "mixed_bfloat16" if units & device.instructions else "float32"
    capability = device.compute_capability or (0, 0)
    if capability >= (8, 0):
        return "mixed_bfloat16"
    return "mixed_float16" if capability >= (7, 0) else "float32"


def _cpu_flags() -> frozenset[str]:
    """The instructions that Linux says the CPU has; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return next(
        (frozenset(line.split()) for line in lines if line.startswith("flags")), frozenset()
    )


def strategy() -> tf.distribute.Strategy:
    """Over which devices a model spreads: the strategy in scope, else all that there are.

    Several machines where `TF_CONFIG` names them, else all GPUs of this one where it has several,
    else one device. With several machines, call this before anything else touches TensorFlow.
    """
    if tf.distribute.has_strategy():
        return tf.distribute.get_strategy()
    return _strategy_of_the_machine()


def uses_xla(replicas: int, devices: Sequence[Device] | None = None) -> bool:
    """Whether whole steps are compiled by XLA: on one GPU.

    On a CPU, XLA's own convolutions train AlexNet at a third of the speed of oneDNN's. Layers for
    which XLA is better ask for it themselves (`alexnet_lib.compilation`).

    Args:
        replicas: on how many devices the model is (`strategy.num_replicas_in_sync`).
        devices: those of the machine; by default what is here.
    """
    return replicas == 1 and (devices or devices_here())[0].kind == "GPU"


@cache
def _strategy_of_the_machine() -> tf.distribute.Strategy:
    if os.environ.get("TF_CONFIG"):
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()
