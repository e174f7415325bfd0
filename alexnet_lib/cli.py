"""The `alexnet` command."""

from importlib.metadata import version
from typing import Annotated

import typer

from .commands.evaluate import evaluate
from .commands.export import export
from .commands.finetune import finetune
from .commands.predict import predict
from .commands.shared import write_what_the_terminal_can
from .commands.summary import summary
from .commands.train import train

app = typer.Typer(
    help="AlexNet, layer by layer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"alexnet-lib {version('alexnet-lib')}")
        raise typer.Exit


@app.callback()
def main(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    """AlexNet, layer by layer."""
    write_what_the_terminal_can()


for command, example in {
    summary: "alexnet summary --variant original --input-size 224",
    train: "alexnet train imagenette --epochs 25 --run-dir runs/first --crops 10",
    evaluate: "alexnet evaluate flowers.keras --data my_photos/ --crops 10",
    finetune: "alexnet finetune my_photos/ --out flowers.keras",
    predict: "alexnet predict pocket photographs/ *.jpg",
    export: "alexnet export flowers.keras --to onnx",
}.items():
    app.command(epilog=f"Example: {example}")(command)


if __name__ == "__main__":
    app()
