"""Chapter 1, The year 2012."""

from math import log

from ...architecture import trace
from .kinds import NumberExercise, layer

check_uniform_loss = NumberExercise(
    question=(
        "What is the cross-entropy loss of a network that finds all 1,000 classes equally likely?"
    ),
    answer=log(layer("fc8").units),
    tolerance=0.005,
    hints=(
        "Each class gets the probability 1/1000.",
        "The loss is minus the natural logarithm of the probability of the right class.",
    ),
    mistakes=(
        (3.0, "That is the logarithm to base 10; the loss uses the natural logarithm."),
        (9.966, "That is the logarithm to base 2; the loss uses the natural logarithm."),
        (
            -log(1000),
            "Check the sign: the logarithm of a probability is negative; the loss is minus that.",
        ),
        (0.001, "That is the probability of a class; the loss is minus its logarithm."),
    ),
)

check_images_seen = NumberExercise(
    question="How many pictures went through the network in 90 passes over 1.2 million pictures?",
    answer=108_000_000,
    hints=("One pass shows each picture once.", "Multiply the passes by the pictures."),
    mistakes=(
        (10_800_000, "A zero is missing: 1.2 million is 1,200,000."),
        (843_750, "That is the number of batches of 128; you were asked for pictures."),
        (108, "That is in millions. Write out the whole number."),
    ),
)

check_gpu_memory = NumberExercise(
    question=(
        "How many megabytes (10⁶ bytes) do the weights, gradients and momentum of the paper's "
        "network take in float32?"
    ),
    answer=3 * sum(record.parameter_bytes for record in trace()) / 1e6,
    tolerance=0.01,
    hints=(
        "Each parameter has one gradient and one momentum.",
        "A float32 takes 4 bytes.",
        '3 × 4 bytes × the parameters counted under "The network".',
    ),
    mistakes=(
        (
            sum(record.parameter_bytes for record in trace()) / 1e6,
            "Those are the weights alone; the gradients and the momentum each take as much again.",
        ),
        (
            2 * sum(record.parameter_bytes for record in trace()) / 1e6,
            "One of the three is missing: weights, gradients, momentum.",
        ),
        (
            3 * sum(record.parameters for record in trace()) / 1e6,
            "You counted numbers, in millions; each takes 4 bytes.",
        ),
    ),
)
