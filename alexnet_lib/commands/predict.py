"""`alexnet predict`"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal import json_text, printable
from .shared import MISTAKE, complain, expect_one_of, plain_errors, start

if TYPE_CHECKING:
    from ..calibration import Calibration


def predict(
    model: Annotated[
        str,
        typer.Argument(
            help="A .keras file that finetune or train wrote, or a name: pocket (comes with the "
            "package), bvlc, torchvision (downloaded once)."
        ),
    ],
    pictures: Annotated[list[Path], typer.Argument(help="Picture files, and folders of them.")],
    top: Annotated[int, typer.Option(help="How many classes to name.", min=1)] = 3,
    crops: Annotated[int, typer.Option(help="1, or 10: slower, a little more accurate.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say what is in pictures. One that cannot be read does not stop the others.

    Where it was measured, with one crop, it also says how often it is right when it is so sure.
    """
    with plain_errors("predict"):
        expect_one_of("--crops", crops, (1, 10))
        start("predict")
        from .. import prediction, pretrained
        from ..preprocessing import preprocess_layer

        network = prediction.load(model)
        measured = pretrained.calibration(model) if crops == 1 else None
        files = prediction.files_in(pictures)
        answers = prediction.predictions(network, files, top=top, crops=crops)
        if as_json:
            problems = _print_json(answers, measured)
        else:
            names = preprocess_layer(network).class_names
            problems = _print_table(answers, files, names, measured)
    if problems:
        raise typer.Exit(MISTAKE)


def _print_json(answers: Iterable, measured: "Calibration | None") -> int:
    """Prints each answer when it is there; returns how many files have none."""
    problems, before = 0, "["
    try:
        for answer in answers:
            if answer.problem:
                problems += 1
                complain("predict", answer.problem)
            typer.echo(before + "\n" + json_text(_as_dict(answer, measured)), nl=False)
            before = ","
    finally:
        # Also what was stopped in the middle is valid.
        typer.echo("\n]" if before == "," else "[]")
    return problems


def _as_dict(answer, measured: "Calibration | None") -> dict:
    if answer.problem:
        return {"file": str(answer.path), "problem": answer.problem}
    ranking = [{"class": name, "probability": share} for name, share in answer.ranking]
    found = {"file": str(answer.path), "predictions": ranking}
    right = measured and measured.right_at(answer.ranking[0][1])
    return found if right is None else found | {"right_when_so_sure": right}


_WIDEST = {"path": 60, "class": 24}


def _print_table(
    answers: Iterable, files: list[Path], class_names: list[str], measured: "Calibration | None"
) -> int:
    """Prints each answer when it is there; returns how many files have none."""
    from rich.cells import cell_len, set_cell_size
    from rich.console import Console
    from rich.text import Text

    def column(texts: Iterable[str], widest: int):
        width = min(max(map(cell_len, texts), default=0), widest)
        # What is wider than its column stands there in full, and moves the rest.
        return lambda text: text if cell_len(text) > width else set_cell_size(text, width)

    path_column = column((printable(path) for path in files), _WIDEST["path"])
    class_column = column(map(printable, class_names), _WIDEST["class"])
    console = Console(highlight=False, soft_wrap=True)
    problems = 0
    for answer in answers:
        if answer.problem:
            problems += 1
            complain("predict", answer.problem)
            continue
        (name, share), *others = answer.ranking
        right = measured and measured.right_at(share)
        rest = ", ".join(f"{printable(other)} {share:.1%}" for other, share in others)
        console.print(
            Text.assemble(
                path_column(printable(answer.path)),
                "  ",
                (class_column(printable(name)), "bold"),
                f" {share:6.1%}",
                "" if right is None else f", right {100 * right:.0f} times in 100",
                f"  or {rest}" if rest else "",
            )
        )
    return problems
