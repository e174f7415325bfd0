"""Chapter 3, Eight layers, one table."""

from ...architecture import VARIANTS, trace
from .kinds import NumberExercise, layer

check_conv2_parameters = NumberExercise(
    question="How many parameters does conv2 have, including its biases?",
    answer=layer("conv2").parameters,
    hints=(
        "There are 256 filters of 5×5. How many channels is each connected to?",
        "Each filter is connected to the 48 channels of its own tower.",
        "256 · (5·5·48 + 1).",
    ),
    mistakes=(
        (
            layer("conv2", variant="one_tower").parameters,
            "That is the layer without groups. Here each filter is connected to only 48 channels.",
        ),
        (layer("conv2").parameters - 256, "The 256 biases are missing."),
        (layer("conv2").parameters + 256, "You counted the biases twice."),
        (layer("conv2").macs, "That is the number of multiplications for one picture."),
    ),
)

check_neurons_conv1 = NumberExercise(
    question="How many neurons does conv1 have, going by its own output shape?",
    answer=layer("conv1").units,
    hints=("A neuron is one number of the output.", "55 · 55 · 96."),
    mistakes=(
        (253_440, "That is what the paper prints; no shape of this network gives it."),
        (96, "Those are the channels; each has a neuron at every position."),
        (55 * 55, "That is one map; there are 96."),
        (224 * 224 * 3, "Those are the numbers of the input."),
    ),
)

check_batch_activations = NumberExercise(
    question=(
        "How many megabytes (10⁶ bytes) do the outputs of all layers of the table take for a batch "
        "of 128 in float32?"
    ),
    answer=128 * sum(record.activation_bytes for record in trace()) / 1e6,
    tolerance=0.01,
    hints=(
        "Sum the activations over all rows of the table, flatten included.",
        "Each number takes 4 bytes, and there are 128 pictures.",
    ),
    mistakes=(
        (sum(record.activation_bytes for record in trace()) / 1e6, "That is one picture."),
        (
            128 * sum(record.units for record in trace()) / 1e6,
            "You counted numbers, in millions; each takes 4 bytes.",
        ),
    ),
)

check_halved_fc = NumberExercise(
    question="How many parameters does the network have if fc6 and fc7 have 2,048 units each?",
    answer=sum(record.parameters for record in trace(fc_units=2048)),
    hints=(
        "Three layers change: fc6, fc7, and fc8, whose input is narrower.",
        "trace(fc_units=2048) gives the new table.",
    ),
    mistakes=(
        (
            sum(record.parameters for record in trace())
            - (layer("fc6").parameters + layer("fc7").parameters) // 2,
            "Halving both layers' counts is not enough: fc7 has half the units and half the "
            "inputs, and fc8 has half the inputs.",
        ),
    ),
)

check_original_input = NumberExercise(
    question="What is the input size of the network in the released source, in pixels per side?",
    answer=VARIANTS["original"].input_size,
    hints=("Its windows may hang over the edge.", "alexnet summary --variant original"),
    mistakes=((227, "With windows that may overhang, 227 is not needed."),),
)
