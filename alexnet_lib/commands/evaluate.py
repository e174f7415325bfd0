"""`alexnet evaluate`"""

import re
from pathlib import Path
from typing import Annotated

import typer

from .shared import expect_one_of, plain_errors, print_evaluation, start

PARTS = ("val", "all")


def evaluate(
    model: Annotated[
        Path | None, typer.Argument(help="A .keras file that train or finetune wrote.")
    ] = None,
    data: Annotated[
        str, typer.Option(help="A folder of class folders, an archive of one, or a name.")
    ] = ...,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Instead of MODEL, a network of ImageNet's 1,000 classes: bvlc, torchvision, or a "
            "file of weights. DIR is ILSVRC-2012's validation folder."
        ),
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="The network that a file of weights belongs to.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            help="val: what training holds out of this source, the default for MODEL; all: every "
            "picture, the default for --weights."
        ),
    ] = None,
    crops: Annotated[
        int | None, typer.Option(help="1 (default) or 10; with --weights, by default both.")
    ] = None,
) -> None:
    """Measure a model: accuracy, and which classes it takes for which."""
    with plain_errors("evaluate"):
        expect_one_of("--crops", crops or 1, (1, 10))
        expect_one_of("--part", part or "val", PARTS)
        if (model is None) == (weights is None):
            raise ValueError("Give either MODEL.keras or --weights, one of them.")
        start("evaluate")
        if model is not None:
            _evaluate_model(model, data, part or "val", crops or 1)
        else:
            both = (crops,) if crops else (1, 10)
            _evaluate_weights(weights, variant, data, part or "all", both)


def _evaluate_model(path: Path, source: str, part: str, crops: int) -> None:
    from .. import training
    from ..model import load_model
    from ..preprocessing import preprocess_layer

    network = load_model(path)
    names = preprocess_layer(network).class_names
    # A folder of test pictures need not have all of the model's classes.
    examples = _Examples(source, part, network.input_shape[1], names)
    if part == "val":
        typer.echo(f"The part of {source} that training leaves out; --part all takes everything.")
    else:
        typer.echo(f"All of {source}: if the model was trained on it, it has seen most of this.")
    print_evaluation(training.evaluate(network, examples, crops))


def _evaluate_weights(
    weights: str, variant: str | None, source: str, part: str, all_crops: tuple[int, ...]
) -> None:
    from .. import labels, pretrained, training, transfer

    network = transfer.load_trunk(weights, variant)
    classes = network.output_shape[-1]
    examples = _Examples(source, part, network.input_shape[1])
    folders = examples.class_names
    if len(folders) != classes:
        if classes != 1000 or not all(re.fullmatch(r"n\d{8}", name) for name in folders):
            raise ValueError(
                f"{source} has {len(folders):,} class folders, {weights} tells {classes:,} classes "
                "apart. ILSVRC-2012's validation folder has one for each, named by WordNet's "
                "number: n01440764, n01443537, ..."
            )
        examples.labels = labels.imagenet_labels(folders)
    # With all 1,000 folders: ImageNet's classes are in the order of WordNet's numbers, as
    # data.load sorts them.
    results = {crops: training.evaluate(network, examples, crops) for crops in all_crops}
    published = pretrained.PUBLISHED.get(weights)
    _print_accuracies(f"{weights} on {examples.size:,} pictures", results, published)
    if len(folders) < classes:
        typer.echo(
            f"{source} has {len(folders):,} of the {classes:,} classes; the published figures are "
            "for all of them."
        )


def _print_accuracies(title: str, results: dict, published) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    # Not the table's own title: that would be broken to the table's width, a path in the middle.
    typer.echo(title)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column("top-1", justify="right")
    table.add_column("top-5", justify="right")
    for crops, evaluation in results.items():
        name = "centre crop" if crops == 1 else "ten crops"
        table.add_row(name, f"{evaluation.top1:.1%}", f"{evaluation.top5:.1%}")
    if published:
        row = "published, centre crop", f"{published.top1:.1f}%", f"{published.top5:.1f}%"
        table.add_row(*row)
    Console(highlight=False).print(table)


class _Examples:
    """The pictures of a source, one part or all; `labels` are the model's for each class."""

    def __init__(self, source: str, part: str, image_size: int, class_names=None):
        from .. import data
        from ..prediction import short_side

        self.data = data.load(
            source,
            part,
            image_size=image_size,
            short_side=short_side(image_size),
            augment=False,
            shuffle=False,
            class_names=class_names,
        )
        self.size, self.class_names = self.data.size, self.data.class_names
        self.labels = range(len(self.class_names))

    def epoch(self, number: int):
        return self._relabelled(self.data.epoch(number))

    def ten_crops(self):
        return self._relabelled(self.data.ten_crops())

    def _relabelled(self, pipeline):
        import tensorflow as tf

        labels = tf.constant(self.labels, tf.int32)
        return pipeline.map(lambda images, truth: (images, tf.gather(labels, truth)))
