"""`alexnet train`"""

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
    run_name,
    say,
    say_plan,
    start,
    write_report,
)

RECIPES = ("modern", "paper")


def train(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of class folders, an archive of one, or photos, flowers, imagenette, "
            "cifar10, tfds:NAME."
        ),
    ],
    recipe: Annotated[
        str, typer.Option(help="modern, or paper: section 5 of the paper to the letter.")
    ] = "modern",
    epochs: Annotated[
        int | None, typer.Option(help="By default the recipe's: 25, or 90.", min=1)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="By default the recipe's: 32, or 128.", min=1)
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="By default the recipe's: 0.02, or 0.01.")
    ] = None,
    variant: Annotated[
        str, typer.Option(help=f"One of {', '.join(architecture.VARIANTS)}.")
    ] = "paper",
    fc_units: Annotated[
        int, typer.Option(help="Units of fc6 and fc7; the paper's 4096 suit a million pictures.")
    ] = 4096,
    lighting: Annotated[
        bool, typer.Option("--lighting", help="Add the paper's PCA lighting (section 4.1).")
    ] = False,
    crops: Annotated[int, typer.Option(help="Crops of a picture in the final test: 1 or 10.")] = 1,
    run_dir: Annotated[
        Path | None,
        typer.Option(help="Models, history and checkpoints; by default runs/SOURCE-RECIPE."),
    ] = None,
    patience: PATIENCE = None,
    seed: SEED = 0,
    devices: DEVICES = None,
    dry_run: DRY_RUN = False,
) -> None:
    """Train AlexNet from scratch; the same command again goes on where a run was cut off."""
    with plain_errors("train"):
        expect_one_of("--recipe", recipe, RECIPES)
        expect_one_of("--crops", crops, (1, 10))
        architecture.describe(variant, fc_units=fc_units)
        start("train", devices, machines=True)
        from .. import training
        from ..model import load_model
        from ..training.steps import barrier, is_chief, is_on_several_machines

        strategy = training.strategy()
        changes = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
        chosen = getattr(training.Recipe, recipe)(**given(changes))
        size = architecture.VARIANTS[variant].input_size
        run_dir = run_dir or Path("runs") / run_name(source, recipe)
        train_set, validation, test = load_parts(
            source,
            run_dir=run_dir,
            image_size=size,
            batch_size=chosen.batch_size,
            seed=seed,
            lighting=lighting,
        )
        if dry_run:
            say_plan(chosen, train_set.size, run_dir)
            return
        model = chosen.build(
            train_set.class_names,
            variant=variant,
            seed=seed,
            fc_units=fc_units,
            input_shape=(size, size, 3),
        )
        run = training.fit(
            model,
            train_set,
            validation,
            chosen,
            run_dir=run_dir,
            seed=seed,
            patience=patience,
        )
        if not is_chief(strategy):
            # The first machine measures and writes, and needs the others until it has done so.
            barrier(strategy)
            return
        if test is None:
            # Not the best epoch: that was chosen by these pictures, and the best of many tries is
            # better than it will be on others.
            reported, held_out = run.last, validation
        else:
            reported, held_out = run.best, test
        if reported != run.last or is_on_several_machines(strategy):
            model = load_model(reported)
        evaluation = training.evaluate(model, held_out, crops)
        print_evaluation(evaluation)
        caveats = []
        if test is None and chosen.schedule == "plateau":
            caveats = [also_decided("when the learning rate fell and the run ended")]
        elif test is None and patience:
            caveats = [also_decided("when the run ended")]
        parts = filter(None, (train_set, validation, test))
        write_report(run_dir / "report.html", reported, evaluation, run.history, parts, caveats)
        say(f"The model: {reported}")
        for caveat in caveats:
            say(caveat)
        if test is None:
            say(
                f"{run.best.name} beside it is the best of {len(run.history)} epochs on these same "
                "pictures; only others can tell whether it is better."
            )
        else:
            say(
                f"It is the best of {len(run.history)} epochs on {validation.place}. The figures "
                f"are those of {test.place}, which has decided nothing."
            )
        barrier(strategy)


def given(options: dict) -> dict:
    """The options that somebody gave."""
    return {name: value for name, value in options.items() if value is not None}
