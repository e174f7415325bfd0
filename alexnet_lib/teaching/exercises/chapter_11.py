"""Chapter 11, Training on a GPU."""

from math import ceil

from .kinds import FunctionExercise, NumberExercise

check_updates = FunctionExercise(
    question="Write updates(images, batch_size, epochs): how often the weights change in a run.",
    solution=lambda images, batch_size, epochs: ceil(images / batch_size) * epochs,
    cases=((1_200_000, 128, 90), (2934, 64, 30), (100, 100, 1), (101, 100, 2), (7, 128, 3)),
    hints=(
        "One change for each batch.",
        "No picture is left out: the last batch of an epoch may be smaller, and it counts.",
    ),
    mistakes={
        "The last, smaller batch is a batch, too: round up.": lambda images, batch_size, epochs: (
            images // batch_size * epochs
        ),
        "Epochs do not flow together: each ends with its own, smaller batch.": (
            lambda images, batch_size, epochs: ceil(images * epochs / batch_size)
        ),
        "That is one epoch.": lambda images, batch_size, epochs: ceil(images / batch_size),
        "That counts pictures; the weights change once per batch.": (
            lambda images, batch_size, epochs: images * epochs
        ),
    },
)

check_terminal_velocity = NumberExercise(
    question=(
        "The gradient stays the same step after step, and nothing decays. How many times ε times "
        "the gradient does a step become, with a momentum of 0.9?"
    ),
    answer=10,
    hints=(
        "In the end the velocity no longer changes: v = 0.9 · v - ε · gradient.",
        "Solve that for v.",
    ),
    mistakes=(
        (9, "v = 0.9 · v + 1 has another solution: 0.1 · v is 1."),
        (1.9, "That is after two steps; it goes on growing."),
        (0.9, "That is the share that is kept from step to step."),
        (1, "That is the first step; the velocity adds up."),
    ),
)

check_l2_penalty = NumberExercise(
    question=(
        "Which number do you give keras.regularizers.L2, whose penalty is number · Σw², for the "
        "paper's weight decay of 0.0005?"
    ),
    answer=0.00025,
    tolerance=0.001,
    hints=(
        "The rule adds 0.0005 · w to the gradient.",
        "The derivative of number · w² is 2 · number · w.",
    ),
    mistakes=(
        (0.0005, "The derivative of w² is 2w: this would decay twice as fast."),
        (0.001, "The factor 2 goes the other way: it is already in the derivative of w²."),
        (0.0005 * 0.01, "The learning rate multiplies the gradient later; it is not in the loss."),
    ),
)

check_scaled_rate = NumberExercise(
    question=(
        "Recipe.modern's rate is 0.02 for batches of 32. Which rate does the linear rule give for "
        "batches of 256?"
    ),
    answer=0.16,
    tolerance=0.001,
    hints=(
        "The rate grows in proportion to the batch.",
        "Batches of 256 are eight times as large.",
    ),
    mistakes=(
        (0.02, "With the same rate and an eighth of the updates the run gets nowhere."),
        (0.0025, "The other way round: fewer updates, longer steps."),
        (0.02 * 8**0.5, "That is the square-root rule; the question asks for the linear one."),
    ),
)

check_hours_for_imagenet = NumberExercise(
    question=(
        "How many hours do 90 epochs over 1.2 million pictures take at 2,000 pictures per second?"
    ),
    answer=90 * 1.2e6 / 2000 / 3600,
    tolerance=0.01,
    hints=("How many pictures are that?", "Divide by the pictures per hour: 2,000 · 3,600."),
    mistakes=(
        (90 * 1.2e6 / 2000, "Those are seconds."),
        (90 * 1.2e6 / 2000 / 60, "Those are minutes."),
        (1.2e6 / 2000 / 3600, "That is one epoch."),
        (90 * 1.2e6 / 2000 / 3600 / 24, "Those are days."),
    ),
)
