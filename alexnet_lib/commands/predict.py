"""`alexnet predict`"""

import json
from pathlib import Path
from typing import Annotated

import typer

from .shared import MISTAKE, complain, expect_one_of, plain_errors, start


def predict(
    model: Annotated[Path, typer.Argument(help="A .keras file that finetune or train wrote.")],
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.")],
    top: Annotated[int, typer.Option(help="How many classes to name.", min=1)] = 3,
    crops: Annotated[int, typer.Option(help="1, or 10: slower, a little more accurate.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say what is in pictures. One that cannot be read does not stop the others."""
    with plain_errors("predict"):
        expect_one_of("--crops", crops, (1, 10))
        start("predict")
        from .. import prediction
        from ..model import load_model

        network = load_model(model)
        predictions = prediction.predict(network, pictures, top=top, crops=crops)
    if as_json:
        typer.echo(json.dumps(list(map(_as_dict, predictions)), ensure_ascii=False, indent=2))
    else:
        _print_table(predictions)
    unread = [prediction for prediction in predictions if prediction.problem]
    for prediction in unread:
        complain("predict", prediction.problem)
    if unread:
        raise typer.Exit(MISTAKE)


def _as_dict(prediction) -> dict:
    if prediction.problem:
        return {"file": str(prediction.path), "problem": prediction.problem}
    ranking = [{"class": name, "probability": share} for name, share in prediction.ranking]
    return {"file": str(prediction.path), "predictions": ranking}


def _print_table(predictions) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    read = [prediction for prediction in predictions if prediction.ranking]
    if not read:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("picture", overflow="fold")
    table.add_column("class", style="bold", overflow="fold")
    table.add_column("", justify="right")
    if len(read[0].ranking) > 1:
        table.add_column("or", overflow="fold")
    for prediction in read:
        (name, share), *others = prediction.ranking
        rest = ", ".join(f"{other} {probability:.1%}" for other, probability in others)
        cells = [str(prediction.path), name, f"{share:.1%}", *([rest] if others else [])]
        # As text: square brackets in a name are no mark-up.
        table.add_row(*map(Text, cells))
    Console(highlight=False).print(table)
