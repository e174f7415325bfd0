"""Training runs side by side: curves, values at an epoch, and who reaches a target first."""

from collections.abc import Iterable, Mapping
from math import ceil, isfinite

import traitlets

from . import stills
from .explorer import Explorer

MOST_RUNS = 8
TEXTS = {
    "accuracy": "training accuracy",
    "loss": "training loss",
    "val_accuracy": "validation accuracy",
    "val_loss": "validation loss",
    "learning_rate": "learning rate",
    "images_per_second": "images per second",
}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


def upwards(metric: str) -> bool:
    """Whether more of it is better: accuracies and speeds, but not losses and errors."""
    return not any(word in metric for word in ("loss", "error"))


def first_reaching(values: Iterable[float | None], target: float, up: bool) -> int | None:
    """The first place, counted from 0, at which a curve is as good as the target, or None."""
    for place, value in enumerate(values):
        if value is not None and (value >= target if up else value <= target):
            return place
    return None


def shared_target(runs: Iterable[list[float | None]], up: bool) -> float:
    """The best value that half of the runs reach, and two at least.

    What the worst run reaches may be where all of them started, and tells nothing apart.
    """
    best = max if up else min
    reached = [best(known) for run in runs if (known := [v for v in run if v is not None])]
    reached.sort(reverse=up)
    reaching = min(max(ceil(len(reached) / 2), 2), len(reached))
    return reached[reaching - 1] if reached else 0.0


class TrainingRuns(Explorer):
    """Recorded runs on the same axes: choose a measure, an epoch, a target, and whom to show.

        TrainingRuns({"ReLU": relu.history, "tanh": tanh.history}, metric="accuracy")

    Args:
        runs: name → rows, one a epoch in order, as in `Run.history` or `history.csv`: `epoch` and
            any numbers. With `seconds` in all rows the curves can be drawn against time, too. At
            most eight runs; five digits of each number are kept.
        metric: what is drawn first; validation accuracy, or else the first that there is, if None.
        target: a value of the metric; the best that half of the runs reach if None.
        epoch: where the curves are read; at the end of the shortest run if None.

    Raises:
        ValueError: if there is no run, a run without rows, too many, or no such metric.

    >>> TrainingRuns({"a": [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]})
    TrainingRuns(runs=['a'], metric='loss', target=1)
    """

    _module = "training_runs"

    metric = traitlets.Unicode().tag(sync=True)
    against = traitlets.Enum(["epoch", "seconds"]).tag(sync=True)
    target = traitlets.Float().tag(sync=True)
    epoch = traitlets.Int(min=1).tag(sync=True)
    hidden = traitlets.Unicode().tag(sync=True)
    """Places of the runs that are not shown, counted from 0, with commas between them."""
    runs = traitlets.List().tag(sync=True)
    """For each run its `name` and `columns`: name → numbers, None where there is none."""
    metrics = traitlets.List().tag(sync=True)
    """`[name, text, whether more is better]` of each measure."""

    def __init__(
        self,
        runs: Mapping[str, Iterable[Mapping]],
        metric: str | None = None,
        *,
        target: float | None = None,
        epoch: int | None = None,
    ):
        kept = [{"name": str(name), "columns": _columns(name, runs[name])} for name in runs]
        if not 1 <= len(kept) <= MOST_RUNS:
            raise ValueError(f"Give 1 to {MOST_RUNS} runs; these are {len(kept)}.")
        names = list(dict.fromkeys(name for run in kept for name in run["columns"]))
        metrics = [name for name in names if name not in ("epoch", "seconds")]
        if metric is None:
            metric = "val_accuracy" if "val_accuracy" in metrics else next(iter(metrics), None)
        if metric not in metrics:
            raise ValueError(f"No run has a {metric!r}; there are {', '.join(metrics) or 'none'}.")
        columns = [run["columns"].get(metric, []) for run in kept]
        if target is None:
            target = shared_target(columns, upwards(metric))
        super().__init__(
            runs=kept,
            metrics=[
                [name, TEXTS.get(name, name.replace("_", " ")), upwards(name)] for name in metrics
            ],
            metric=metric,
            against="epoch",
            target=target,
            epoch=min(len(column) for column in columns if column) if epoch is None else epoch,
            hidden="",
        )

    def __repr__(self) -> str:
        names = [run["name"] for run in self.runs]
        return f"TrainingRuns(runs={names}, metric={self.metric!r}, target={self.target:g})"

    def still(self) -> str:
        columns = [run["columns"].get(self.metric, []) for run in self.runs]
        known = [v for column in columns for v in column if v is not None] or [0.0]
        low, high, longest = min(known), max(known), max(map(len, columns))
        parts, says, up = [], [], upwards(self.metric)
        for place, (run, column) in enumerate(zip(self.runs, columns, strict=True)):
            colour = COLOURS[place % len(COLOURS)]
            points = [
                (10 + 380 * at / max(longest - 1, 1), 200 - 160 * (v - low) / ((high - low) or 1))
                for at, v in enumerate(column)
                if v is not None
            ]
            dashes = 'stroke-dasharray="6 3"' if place >= len(COLOURS) else ""
            parts.append(stills.line(points, f'stroke="{colour}" stroke-width="2" {dashes}'))
            reached = first_reaching(column, self.target, up)
            when = "never" if reached is None else f"at epoch {reached + 1}"
            says.append(f"{run['name']} reaches {self.target:g} {when}")
            fill = f'fill="{colour}"'
            parts.append(stills.text(10, 230 + 20 * place, says[-1], style=fill))
        title = next(text for name, text, _ in self.metrics if name == self.metric)
        return stills.picture(
            f"Training runs: {title} by epoch, from {low:g} to {high:g}. {'; '.join(says)}.",
            *(stills.WIDTH, 240 + 20 * len(says)),
            stills.text(10, 24, f"{title[0].upper()}{title[1:]} by epoch", size=16),
            *parts,
        )


def _columns(name: str, rows: Iterable[Mapping]) -> dict[str, list]:
    """The rows of a run as one list a column, with the numbers that a page needs."""
    rows = list(rows)
    if not rows:
        raise ValueError(f"The run {name!r} has no rows.")
    keys = [key for key in rows[0] if all(_number(row.get(key)) is not False for row in rows)]
    return {key: [_number(row.get(key)) for row in rows] for key in keys}


def _number(value) -> float | bool | None:
    """Five digits of a number, None where there is none, False for what is no number at all."""
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    return float(f"{number:.5g}") if isfinite(number) else None
