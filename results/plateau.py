"""What ends the plateau? The paper's recipe on ten classes, with one or two settings changed.

    python results/plateau.py
    python results/plateau.py "a tenth of the rate"

The network, the pictures and the 15 epochs are those of `plateau` in diagnoses.py: batches of 32, a
constant rate of 0.01 (it is never divided within 15 epochs), biases of 1, N(0, 0.01²), inputs of
±128. Each case changes what its name says. "today's initial values" are those of
`Recipe.modern()`, which belong to inputs of about unit size. Writes plateau.json, one record for
each case: a minute or two each on two quiet cores.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import diagnoses
import records

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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; or all")
    names = parser.parse_args(arguments).names or list(CASES)
    unknown = sorted(set(names) - set(CASES))
    if unknown:
        parser.error(f"there is no case {unknown[0]!r}; cases are {', '.join(CASES)}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            run = diagnoses.train(CASES[name], Path(folder) / "run")
            records.update(RESULTS, name, run)


if __name__ == "__main__":
    main()
