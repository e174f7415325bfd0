"""`alexnet evaluate`"""

import re
from copy import copy
from typing import Annotated

import typer

from ..terminal import json_text
from .shared import expect_one_of, plain_errors, print_evaluation, say, start

PARTS = ("test", "val", "all")
_WORDNET = re.compile(r"n\d{8}")


def evaluate(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A .keras file that train or finetune wrote, or a name: pocket (comes with the "
            "package), bvlc, torchvision (downloaded once)."
        ),
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
            help="test: what train and finetune report on, the default for a file; val: what they "
            "choose by, the same where a source has two parts; all: every picture, the default "
            "for a name and --weights."
        ),
    ] = None,
    crops: Annotated[
        int | None, typer.Option(help="1 (default) or 10; with --weights, by default both.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of a table; not with --weights.")
    ] = False,
) -> None:
    """Measure a model: accuracy, and which classes it takes for which."""
    with plain_errors("evaluate"):
        expect_one_of("--crops", crops or 1, (1, 10))
        expect_one_of("--part", part or "test", PARTS)
        if (model is None) == (weights is None):
            raise ValueError("Give either MODEL.keras or --weights, one of them.")
        if weights is not None and as_json:
            raise ValueError("--json goes with a MODEL, which may be a name: bvlc for one.")
        start("evaluate")
        if model is not None:
            _evaluate_model(model, data, part, crops or 1, as_json)
        else:
            both = (crops,) if crops else (1, 10)
            _evaluate_weights(weights, variant, data, part or "all", both)


def _evaluate_model(source: str, data: str, part: str | None, crops: int, as_json: bool) -> None:
    from .. import prediction, training
    from ..preprocessing import preprocess_layer

    network = prediction.load(source)
    # What a published network has learned from is none of these pictures' parts.
    part = part or ("all" if source in _named() else "test")
    names = preprocess_layer(network).class_names
    if source in _of_imagenet():
        examples = _Examples(data, part, network.input_shape[1])
        examples.labels = _labels(data, examples.class_names, names)
    else:
        # A folder of test pictures need not have all of the model's classes.
        examples = _Examples(data, part, network.input_shape[1], names)
    if part == "val" and "test" in examples.data.splits:
        about = f"The part of {data} by which train chooses best.keras; --part test takes another."
    elif part in ("test", "val"):
        about = f"The part of {data} that training leaves out; --part all takes everything."
    elif source in _named():
        about = f"All of {data}."
    else:
        about = f"All of {data}: if the model was trained on it, it has seen most of this."
    evaluation = training.evaluate(network, examples, crops)
    if as_json:
        typer.echo(json_text({"model": source, "data": data, "part": part} | evaluation.as_dict()))
    else:
        say(about)
        print_evaluation(evaluation)


def _of_imagenet() -> tuple[str, ...]:
    """The names of networks that know ImageNet's 1,000 classes."""
    from .. import applications, pretrained

    return (*pretrained.PUBLISHED, *applications.NAMES)


def _named() -> tuple[str, ...]:
    return ("pocket", *_of_imagenet())


def _labels(data: str, folders, names: list[str]) -> list[int]:
    """ImageNet's number for each class folder, which has the class's name or WordNet's number."""
    from .. import labels
    from ..data.layout import shown

    unknown = sorted(set(folders) - set(names))
    if not unknown:
        return [names.index(folder) for folder in folders]
    if all(map(_WORDNET.fullmatch, folders)):
        return labels.imagenet_labels(folders).tolist()
    raise ValueError(
        f"{data} has classes that the model does not know: {shown(unknown)}. The model knows "
        f"{shown(names)}; folders are named like these, or by WordNet's numbers."
    )


def _evaluate_weights(
    weights: str, variant: str | None, source: str, part: str, all_crops: tuple[int, ...]
) -> None:
    from .. import labels, pretrained, training, transfer

    network = transfer.load_trunk(weights, variant)
    classes = network.output_shape[-1]
    examples = _Examples(source, part, network.input_shape[1])
    folders = examples.class_names
    if len(folders) != classes:
        if classes != 1000 or not all(map(_WORDNET.fullmatch, folders)):
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
        say(
            f"{source} has {len(folders):,} of the {classes:,} classes; the published figures are "
            "for all of them."
        )


def _print_accuracies(title: str, results: dict, published) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    # Not the table's own title: that would be broken to the table's width, a path in the middle.
    say(title)
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

    def without_lost(self):
        rest = self.data.without_lost()
        if rest is self.data:
            return self
        self.data, self.size = rest, rest.size
        return copy(self)

    def _relabelled(self, pipeline):
        import tensorflow as tf

        labels = tf.constant(self.labels, tf.int32)
        return pipeline.map(lambda images, truth: (images, tf.gather(labels, truth)))
