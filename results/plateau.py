"""What ends the plateau? The paper's recipe on ten classes, with one or two settings changed.

    python results/plateau.py
    python results/plateau.py "a tenth of the rate"

The network, the pictures and the 15 epochs are those of `plateau` in diagnoses.py: batches of 32, a
constant rate of 0.01 (it is never divided within 15 epochs), biases of 1, N(0, 0.01²), inputs of
±128. Each case changes what its name says. "today's initial values" are those of
`Recipe.modern()`, which belong to inputs of about unit size. Writes plateau.json, one record for
each case: a minute or two each on two quiet cores.
"""

from dataclasses import replace
from pathlib import Path

import diagnoses

RESULTS = Path(__file__).resolve().parent / "plateau.json"

PAPER = diagnoses.CASES["plateau"]
TODAY = replace(
    PAPER,
    recipe=replace(
        PAPER.recipe,
        initialization=diagnoses.HEALTHY.initialization,
        input_scale=diagnoses.HEALTHY.input_scale,
    ),
)
CASES = {
    "the paper's recipe": PAPER,
    "a tenth of the rate": replace(PAPER, recipe=replace(PAPER.recipe, learning_rate=0.001)),
    "biases of 0": replace(PAPER, biases=0.0),
    "today's initial values": TODAY,
    "today's, but biases of 1": replace(TODAY, biases=1.0),
}


def main(arguments: list[str] | None = None) -> None:
    diagnoses.record(CASES, RESULTS, "case", __doc__, arguments)


if __name__ == "__main__":
    main()
