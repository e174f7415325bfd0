"""Chapter 7, Dropout."""

from math import sqrt

from ...architecture import trace
from .kinds import FunctionExercise, NumberExercise, layer

_FC6, _FC7 = layer("fc6"), layer("fc7")

check_survivors = NumberExercise(
    question=(
        "fc6 has 4,096 units, and dropout sets each to zero with probability 0.5. What is the "
        "standard deviation of the number of survivors?"
    ),
    answer=sqrt(_FC6.units * 0.5 * 0.5),
    hints=(
        "Each unit is a coin toss; the number of heads has a binomial distribution.",
        "The variance is n · p · (1 - p).",
        "The square root of 4096 / 4.",
    ),
    mistakes=(
        (
            _FC6.units // 2,
            "That is the mean number of survivors; the question asks how much it varies.",
        ),
        (_FC6.units // 4, "That is the variance; take its square root."),
        (
            sqrt(_FC6.units),
            "The square root of n is twice the right answer: the variance is n · p · (1 - p).",
        ),
        (
            sqrt(_FC6.units / 2),
            "You took n · p for the variance, which holds for rare events; it is n · p · (1 - p).",
        ),
    ),
)

check_inverted_scale = FunctionExercise(
    question=(
        "Write scale(rate): by what factor does Keras multiply the surviving units in training, if "
        "each unit is dropped with probability rate?"
    ),
    solution=lambda rate: 1 / (1 - rate),
    cases=((0.5,), (0.75,), (0.875,)),
    hints=(
        "The mean over all masks has to be what it would be without dropout.",
        "A share of 1 - rate survives.",
    ),
    mistakes={
        "You took the rate for the share of units that survive.": lambda rate: 1 / rate,
        "That is the paper's factor, for testing; Keras scales up, in training.": (
            lambda rate: 1 - rate
        ),
        "That is right only for a rate of 0.5.": lambda rate: 2.0,
    },
)

check_subnetworks = NumberExercise(
    question="How many different networks can dropout make of a hidden layer of 20 units?",
    answer=2**20,
    hints=("Each unit is either kept or dropped.", "Two choices for each of 20 units."),
    mistakes=(
        (2 * 20, "The choices multiply; they do not add."),
        (20**2, "Two choices for each of 20 units, not 20 for each of two."),
        (
            184_756,
            "Those are the networks with exactly 10 units; each unit has its own coin, so any "
            "number may survive.",
        ),
        (
            2**20 - 1,
            "The network in which all units are dropped counts as well: it still has its biases.",
        ),
    ),
)

check_fc7_weights_in_use = NumberExercise(
    question=(
        "A picture trains a weight of fc7 if both of its ends, a unit of fc6 and a unit of fc7, "
        "survive. How many weights of fc7 does a picture train on average, not counting biases?"
    ),
    answer=_FC7.macs // 4,
    hints=(
        "fc7 has 4096 · 4096 weights.",
        "Both ends survive independently, each with probability 1/2.",
    ),
    mistakes=(
        (_FC7.macs // 2, "You counted one end only; fc6 and fc7 both have dropout."),
        (_FC7.macs, "Those are all of them."),
        (_FC7.parameters // 4, "The question leaves out the biases."),
    ),
)

check_dropout_share = NumberExercise(
    question=(
        "What share of the network's parameters, biases included, has at least one end in a layer "
        "with dropout (fc6 or fc7)? A number from 0 to 1."
    ),
    answer=sum(layer(name).parameters for name in ("fc6", "fc7", "fc8"))
    / sum(record.parameters for record in trace()),
    tolerance=0.001,
    hints=(
        "The weights that enter fc6, those between fc6 and fc7, and those that leave fc7.",
        "The last are the parameters of fc8.",
    ),
    mistakes=(
        (
            sum(layer(name).parameters for name in ("fc6", "fc7"))
            / sum(record.parameters for record in trace()),
            "The weights of fc8 start at the units of fc7, so they count as well.",
        ),
        (
            100
            * sum(layer(name).parameters for name in ("fc6", "fc7", "fc8"))
            / sum(record.parameters for record in trace()),
            "That is the right answer in percent; give it as a number from 0 to 1.",
        ),
    ),
)
