"""What the commands share: how they speak of mistakes, start TensorFlow, and open data."""

import codecs
import hashlib
import json
import math
import os
import re
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ..terminal import counted, printable

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
    _said.clear()
    with warnings.catch_warnings():
        show, said = warnings.showwarning, set()

        def show_plainly(message, category, *place, **details):
            if category is UserWarning:
                # A source is opened once for each of its parts.
                if str(message) not in said:
                    complain(command, f"note: {message}")
                    _said.append(str(message))
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


_said: list[str] = []
"""What this command has said about its data, for the report."""


def complain(command: str, sentence: str) -> None:
    """Says something on stderr, in the name of a command."""
    typer.echo(f"alexnet {command}: {printable(sentence, lines=True)}", err=True)


def say(sentence: str) -> None:
    """Says something on stdout. Names of files and classes in it are data."""
    _said.append(sentence)
    typer.echo(printable(sentence, lines=True))


def expect_one_of(option: str, value, choices: Sequence) -> None:
    """Refuses a value at once, not after hours of training."""
    if value not in choices:
        *others, last = map(str, choices)
        raise ValueError(f"{option} is {value}; it must be {', '.join(others)} or {last}.")


DEVICES = Annotated[
    str | None,
    typer.Option(help="cpu, or numbers of GPUs such as 0 or 0,1; by default all that there are."),
]
PATIENCE = Annotated[
    int | None,
    typer.Option(help="Stop when the held-out error has not fallen for N epochs.", min=1),
]
SEED = Annotated[int, typer.Option(help="Of initial values, dropout, order and crops.")]
DRY_RUN = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what would be trained on what, and stop before that."),
]


def start(command: str, devices: str | None = None, machines: bool = False) -> None:
    """Loads TensorFlow, which takes a few seconds, after a word to those who wait in a terminal.

    `devices` and `machines` are those of `load_tensorflow`.
    """
    if sys.stderr.isatty():
        complain(command, "loading TensorFlow ...")
    from ..startup import load_tensorflow

    load_tensorflow(devices, machines)


def run_name(source: str, how: str) -> str:
    """The name of a run's folder: of the source and how it is trained.

    Folders that lie elsewhere may have the same name; a part of their path's hash tells them apart.
    """
    path = Path(source)
    if not path.exists():
        name = re.sub(r"[^\w.-]+", "-", source)
    elif (path := path.resolve()).parent == Path.cwd():
        name = path.name
    else:
        digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:6]
        name = f"{path.name}-{digest}"
    return f"{name}-{how}"


def say_plan(recipe, size: int, target: object) -> None:
    """What `--dry-run` says beside the data: the recipe, the machine, and where it is written."""
    import tensorflow as tf

    gpus = len(tf.config.list_logical_devices("GPU"))
    device = counted(gpus, "GPU") if gpus else f"CPU, {os.cpu_count()} cores"
    steps = math.ceil(size / recipe.batch_size)
    say(
        f"Recipe {recipe.name}: at most {recipe.epochs} epochs of {steps:,} steps of "
        f"{recipe.batch_size} pictures, learning rate {recipe.learning_rate:g}, in "
        f"{recipe.policy()} on {device}."
    )
    say(f"It would be written to {target}. Nothing was trained, and nothing written there.")


def load_parts(
    source: str,
    *,
    run_dir: Path,
    image_size: int,
    batch_size: int,
    seed: int = 0,
    lighting: bool = False,
):
    """The training, validation and test set of a source, with a word about them.

    The last is None where a source has two parts: then what is held out serves for both. Where a
    run in `run_dir` has begun with more pictures, the parts are what is left of its own.
    """
    from .. import data, training
    from ..prediction import short_side

    options = {
        "image_size": image_size,
        "short_side": short_side(image_size),
        "batch_size": batch_size,
        "seed": seed,
    }
    train = data.load(source, "train", **options)
    try:
        validation = data.load(source, "val", **options)
        test = data.load(source, "test", **options) if "test" in train.splits else None
    except ValueError as error:
        if set(train.counts.values()) != {1}:
            raise
        raise ValueError(
            f"Each class of {source} has a single picture, so that none can be held out for a "
            "test. Give two or more of each, better twenty."
        ) from error
    if train.size + validation.size <= KEPT_IN_MEMORY and not train.is_streamed:
        train, validation = train.cached("memory"), validation.cached("memory")
    if lighting:
        train = train.lit()
    train, validation, _ = training.as_begun(run_dir, train, validation)
    held_out = test or validation
    watched = f"{validation.size:,} for validation, " if test else ""
    roles = {"To learn from": train, "For validation": test and validation, "Held out": held_out}
    where = "".join(
        f" {role}: {part.place}." for role, part in roles.items() if part and part.place
    )
    say(
        f"{source}: {len(train.class_names):,} classes, {train.size:,} pictures to learn from, "
        f"{watched}{held_out.size:,} held out for the test.{where}"
    )
    few, many = (pick(train.counts, key=train.counts.get) for pick in (min, max))
    if train.counts[many] > 2 * train.counts[few]:
        say(
            f"The classes are uneven: {few} has {train.counts[few]:,} pictures, {many} "
            f"{train.counts[many]:,}."
        )
    return train, validation, test


def also_decided(what: str) -> str:
    """Why an accuracy may be too high: its pictures have decided something about the model."""
    return (
        f"These pictures also decided {what}, so that the accuracy may be a little too high for "
        "new ones. With train/, val/ and test/ in the source, val/ decides, and the accuracy is "
        "that of test/."
    )


def write_report(
    path: Path, model: Path, evaluation, history, parts: Sequence, caveats: Sequence[str] = ()
) -> None:
    """The report beside a model: how it was made of what, and how far to trust it."""
    from .. import report

    left_out = dict(pair for part in parts for pair in part.left_out)
    command = shlex.join(["alexnet", *sys.argv[1:]])
    told = report.Report(
        model, command, evaluation, history, list(left_out.items()), tuple(_said), caveats
    )
    report.write(told, path)
    say(f"The report: {path}")


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
