"""What the commands share: how they speak of mistakes, start TensorFlow, and open data."""

import codecs
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from ..terminal import printable

MISTAKE = 2
INTERRUPTED = 130  # 128 + the number of SIGINT, as shells have it

KEPT_IN_MEMORY = 5_000
"""Up to so many pictures are decoded once and kept, 0.2 MB each. Photographs of ten megapixels take
longer to decode than to learn from."""


@contextmanager
def plain_errors(command: str) -> Iterator[None]:
    """Turns errors that a person can mend into one line on stderr and the exit code 2.

    The library raises ValueError, OSError, ImportError and ArithmeticError with sentences made for
    people. Others are defects of the library: their traceback is wanted. Ctrl-C ends with 130.
    """
    with warnings.catch_warnings():
        show, said = warnings.showwarning, set()

        def show_plainly(message, category, *place, **details):
            if category is UserWarning:
                # A source is opened once for each of its parts.
                if str(message) not in said:
                    complain(command, f"note: {message}")
                said.add(str(message))
            else:
                show(message, category, *place, **details)

        warnings.showwarning = show_plainly
        try:
            yield
        except KeyboardInterrupt as stop:
            again = (
                "Stopped. The same command starts again, or goes on where a checkpoint was kept."
            )
            complain(command, str(stop) or again)
            raise typer.Exit(INTERRUPTED) from None
        except (ValueError, OSError, ImportError, ArithmeticError) as error:
            complain(command, str(error))
            raise typer.Exit(MISTAKE) from None
        except Exception as error:
            # TensorFlow's own class cannot be imported here: that takes seconds.
            if type(error).__name__ != "ResourceExhaustedError":
                raise
            complain(command, "The device has too little memory; give a smaller --batch-size.")
            raise typer.Exit(MISTAKE) from None


_LOOK_ALIKES = str.maketrans(
    {"×": "x", "–": "-", "−": "-", "·": ".", "→": "->", "±": "+/-", "…": "...", "█": "#"}
    | dict.fromkeys("▏▎▍▌▋▊▉", ":")
)


def write_what_the_terminal_can() -> None:
    """Lets a terminal that knows few characters show the others as well as it can.

    `PYTHONIOENCODING=ascii`, or Windows with an old code page: what it lacks becomes a character
    that looks like it, or an escape such as `\\u82b1`, and never an error.
    """

    def replaced(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        shown = error.object[error.start : error.end].translate(_LOOK_ALIKES)
        # As JSON has it, above the first 65,536 characters in two halves.
        return json.dumps(shown)[1:-1], error.end

    codecs.register_error("alexnet", replaced)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="alexnet")


def complain(command: str, sentence: str) -> None:
    """Says something on stderr, in the name of a command."""
    typer.echo(f"alexnet {command}: {printable(sentence, lines=True)}", err=True)


def say(sentence: str) -> None:
    """Says something on stdout. Names of files and classes in it are data."""
    typer.echo(printable(sentence, lines=True))


def expect_one_of(option: str, value, choices: Sequence) -> None:
    """Refuses a value at once, not after hours of training."""
    if value not in choices:
        *others, last = map(str, choices)
        raise ValueError(f"{option} is {value}; it must be {', '.join(others)} or {last}.")


def start(command: str) -> None:
    """Loads TensorFlow, which takes a few seconds, after a word to those who wait in a terminal."""
    if sys.stderr.isatty():
        complain(command, "loading TensorFlow ...")
    from ..startup import load_tensorflow

    load_tensorflow()


def load_parts(
    source: str, *, image_size: int, batch_size: int, seed: int = 0, lighting: bool = False
):
    """The training set and the held-out set of a source, with a word about them."""
    from .. import data
    from ..prediction import short_side

    options = {
        "image_size": image_size,
        "short_side": short_side(image_size),
        "batch_size": batch_size,
        "seed": seed,
    }
    train = data.load(source, "train", **options)
    try:
        held_out = data.load(source, "val", **options)
    except ValueError as error:
        if set(train.counts.values()) != {1}:
            raise
        raise ValueError(
            f"Each class of {source} has a single picture, so that none can be held out for a "
            "test. Give two or more of each, better twenty."
        ) from error
    cache = "memory" if train.size + held_out.size <= KEPT_IN_MEMORY else None
    if cache or lighting:
        with warnings.catch_warnings():
            # What is left out was said above.
            warnings.simplefilter("ignore")
            train = data.load(source, "train", lighting=lighting, cache=cache, **options)
            held_out = data.load(source, "val", cache=cache, **options)
    where = f" To learn from: {train.place}. Held out: {held_out.place}." if train.place else ""
    say(
        f"{source}: {len(train.class_names):,} classes, {train.size:,} pictures to learn from, "
        f"{held_out.size:,} held out for the test.{where}"
    )
    few, many = (pick(train.counts, key=train.counts.get) for pick in (min, max))
    if train.counts[many] > 2 * train.counts[few]:
        say(
            f"The classes are uneven: {few} has {train.counts[few]:,} pictures, {many} "
            f"{train.counts[many]:,}."
        )
    return train, held_out


def print_evaluation(evaluation) -> None:
    """The table of an `Evaluation`, and how far its accuracy can be trusted."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(evaluation)
    low, high = evaluation.top1_interval
    console.print(
        f"{evaluation.examples:,} pictures fix the top-1 accuracy to between {low:.1%} and "
        f"{high:.1%} (95 %)."
    )
