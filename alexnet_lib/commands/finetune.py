"""`alexnet finetune`"""

from pathlib import Path
from typing import Annotated

import typer

from .. import architecture
from .shared import (
    DEVICES,
    DRY_RUN,
    PATIENCE,
    SEED,
    also_decided,
    expect_one_of,
    load_parts,
    plain_errors,
    print_evaluation,
    say,
    say_plan,
    start,
    write_report,
)
from .train import given


def finetune(
    source: Annotated[
        str,
        typer.Argument(
            help="Your pictures: one folder for each class in this folder, or an archive of it."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The model to write, a .keras file.")],
    trunk: Annotated[
        str,
        typer.Option(
            help="What to begin with: pocket (comes with the package), bvlc or torchvision "
            "(downloaded), a network of keras.applications such as MobileNetV2 (downloaded; its "
            "last layer alone is trained), a .keras file of yours, another file, or none."
        ),
    ] = "pocket",
    variant: Annotated[
        str | None, typer.Option(help="The network that a file of weights belongs to.")
    ] = None,
    head_only: Annotated[
        bool,
        typer.Option("--head-only", help="Train the new last layer alone: seconds, not minutes."),
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(help="Of each stage; by default the recipe's.", min=1)
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Pictures to an update.", min=1)] = 32,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Of the trunk; the last layer learns at ten times as much."),
    ] = None,
    equal_weights: Annotated[
        bool,
        typer.Option("--equal-weights", help="Do not let pictures of rare classes count for more."),
    ] = False,
    crops: Annotated[int, typer.Option(help="Crops of a picture in the final test: 1 or 10.")] = 1,
    run_dir: Annotated[
        Path | None,
        typer.Option(
            help="Keep history and checkpoints here; by default in OUT.run until the end."
        ),
    ] = None,
    patience: PATIENCE = None,
    seed: SEED = 0,
    devices: DEVICES = None,
    dry_run: DRY_RUN = False,
) -> None:
    """Make AlexNet tell your own pictures apart; needs a few dozen of each kind."""
    with plain_errors("finetune"):
        expect_one_of("--crops", crops, (1, 10))
        start("finetune", devices, machines=True)
        from .. import applications, training, transfer
        from ..training.steps import barrier, is_chief

        strategy = training.strategy()
        transfer.check_out(out)
        # Its layers have other names than ours, by which stages are told.
        head_only = head_only or trunk in applications.NAMES
        begun = None if trunk == "none" else transfer.load_trunk(trunk, variant)
        size = begun.input_shape[1] if begun else architecture.VARIANTS["paper"].input_size
        train, validation, test = load_parts(
            source,
            run_dir=run_dir or transfer.run_dir_of(out),
            image_size=size,
            batch_size=batch_size,
            seed=seed,
        )
        changes = {"batch_size": batch_size} | given(
            {"epochs": epochs, "learning_rate": learning_rate}
        )
        options = {
            "out": out,
            "class_weights": None if equal_weights else "balanced",
            "run_dir": run_dir,
            "patience": patience,
            "seed": seed,
        }
        if begun is None:
            recipe = training.Recipe.modern(**changes)
        elif head_only:
            recipe = training.Recipe.new_head(**changes)
        else:
            recipe = training.Recipe.fine_tuning(**changes)
        if dry_run:
            say_plan(recipe, train.size, out)
            return
        options["recipe"] = recipe
        if begun is None:
            result = transfer.from_scratch(train, validation, **options)
        elif head_only:
            result = transfer.feature_extraction(begun, train, validation, **options)
        else:
            result = transfer.fine_tune(begun, train, validation, **options)
        if not is_chief(strategy):
            # As in train: the first machine measures and writes.
            barrier(strategy)
            return
        evaluation = training.evaluate(result.model, test or validation, crops)
        print_evaluation(evaluation)
        caveats = [also_decided("when a stage ended")] if patience and test is None else []
        place = out.with_name(f"{out.stem}.report.html")
        parts = filter(None, (train, validation, test))
        write_report(place, out, evaluation, result.history, parts, caveats)
        for caveat in caveats:
            say(caveat)
        if test is not None:
            say(f"The figures are those of {test.place}, which has decided nothing.")
        say(f"Next: alexnet predict {out} PICTURE.jpg")
        barrier(strategy)
