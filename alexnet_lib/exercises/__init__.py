"""Exercises that check themselves.

Each `check_…` takes your answer and says whether it is right; if it is not, it says which mistake
leads there, as far as it knows one. `check_….hint(1)`, `.hint(2)` … help in small steps. The right
answers are computed from the description of the network, here as everywhere.
"""

from .chapter_01 import check_gpu_memory, check_images_seen, check_uniform_loss
from .chapter_02 import (
    check_dense_conv1,
    check_flatten_224,
    check_output_size,
    check_pool2_receptive_field,
)
from .chapter_03 import (
    check_batch_activations,
    check_conv2_parameters,
    check_halved_fc,
    check_neurons_conv1,
    check_original_input,
)
from .kinds import FunctionExercise, NumberExercise

__all__ = [
    "FunctionExercise",
    "NumberExercise",
    "check_batch_activations",
    "check_conv2_parameters",
    "check_dense_conv1",
    "check_flatten_224",
    "check_gpu_memory",
    "check_halved_fc",
    "check_images_seen",
    "check_neurons_conv1",
    "check_original_input",
    "check_output_size",
    "check_pool2_receptive_field",
    "check_uniform_loss",
]
