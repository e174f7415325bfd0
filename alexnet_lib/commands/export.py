"""`alexnet export`"""

from pathlib import Path
from typing import Annotated

import typer

from .shared import expect_one_of, plain_errors, say, start

# As in `alexnet_lib.export`, which loads TensorFlow.
FORMATS = ("savedmodel", "tflite", "onnx", "web")


def export(
    model: Annotated[
        str, typer.Argument(help="A .keras file that finetune or train wrote, or a name: pocket.")
    ],
    to: Annotated[
        str,
        typer.Option(
            help="savedmodel (TensorFlow, a folder), tflite (telephones, small computers), onnx "
            "(ONNX Runtime and others) or web (a page that runs the network in a browser, offline)."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where; by default beside the model, or here for a name.")
    ] = None,
) -> None:
    """Write a model for other programs, with its labels, and compare it with the model."""
    with plain_errors("export"):
        expect_one_of("--to", to, FORMATS)
        start("export")
        from .. import export as exporting
        from .. import prediction
        from ..startup import silenced

        network = prediction.load(model)
        path = out or Path(model).with_suffix(exporting.FORMATS[to])
        with silenced():
            result = exporting.export(network, to, path)
        say(f"Written: {result.path}, and the names of its outputs: {result.labels}")
        side = network.input_shape[1]
        if to == "web":
            say(
                f"Open {result.path / 'index.html'} in a browser; it needs neither a server nor a "
                f"network. Compared with the model, no probability differs by more than "
                f"{result.difference:.1e}."
            )
            return
        say(
            f"It takes RGB pictures of {side}×{side}, 0 to 255. Compared with the model, no "
            f"probability differs by more than {result.difference:.1e}."
        )
