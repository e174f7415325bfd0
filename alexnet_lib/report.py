"""A report that stays: one HTML file that says how a model was made and how far to trust it.

The file asks for nothing else: its pictures and its style are in it, and it has no script. Names of
classes and files come from folders; they are escaped wherever they stand.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from string import Template

import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image

from . import files
from .data import pictures
from .terminal import counted, printable
from .training import Evaluation
from .training.evaluation import percent

SHOWN = 12
"""So many of the worst and of the least sure pictures are shown."""
_THUMBNAIL = 144
_LARGEST_MATRIX = 30
_LARGEST_LIST = 200


@dataclass(frozen=True)
class Report:
    """What a report tells."""

    model: Path
    """The `.keras` file."""
    command: str
    """How it was made."""
    evaluation: Evaluation
    """On pictures that were held out, with their files."""
    history: Sequence[dict]
    """As in `training.Run.history` or `transfer.Transfer.history`."""
    left_out: Sequence[tuple[str, str]] = ()
    """Files that were not used, each with the reason."""
    notes: Sequence[str] = ()
    """What was said about the data: how they were divided, grouped, and what was odd."""
    caveats: Sequence[str] = ()
    """Why the accuracy may be higher than new pictures will show."""


def write(report: Report, path: Path) -> None:
    """Writes a report as one HTML file.

    Raises:
        files.DiskFullError: if there is no room for it.
    """
    name = report.model.name
    body = "".join(
        (
            f"<h1>{_text(name)}</h1>",
            f"<p>Made on {datetime.now():%d %B %Y, %H:%M} with alexnet-lib "
            f"{version('alexnet-lib')} by</p><pre>{_text(report.command)}</pre>",
            _trust(report),
            _matrix(report.evaluation),
            _classes(report.evaluation),
            _curves(report.history),
            _examples(report.evaluation),
            _notes(report),
        )
    )
    files.write_text(path, _PAGE.substitute(title=_text(name), body=body))


_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark;
  --ink: #1b1b1b; --ground: #fff; --line: #d0d0d0; --mark: 0 93 168 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --ground: #17191c; --line: #4a4d52; --mark: 92 170 235 }
}
body { color: var(--ink); background: var(--ground); font: 16px/1.5 system-ui, sans-serif;
  max-width: 70rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.6rem; overflow-wrap: anywhere } h2 { font-size: 1.25rem; margin-top: 2.5rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid var(--line);
  padding-left: .8rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right }
th:first-child, td.text { text-align: left } thead th { vertical-align: bottom }
th { max-width: 16rem; overflow-wrap: break-word }
table.text th, table.text td { text-align: left }
.accuracy { font-size: 1.35rem }
.pictures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr));
  list-style: none; padding: 0 }
.pictures img { display: block; width: 9rem; height: 9rem }
.path { overflow-wrap: anywhere; font-size: .85rem }
.card { background: #fff; border-radius: 4px; max-width: 46rem; overflow-x: auto }
.card svg { width: 100%; min-width: 42rem; height: auto }
</style>
</head>
<body>
<main>
$body
</main>
</body>
</html>
""")


def _text(text: object) -> str:
    return escape(printable(text, lines=True))


def _trust(report: Report) -> str:
    evaluation = report.evaluation
    low, high = evaluation.top1_interval
    right = int(np.trace(evaluation.confusion))
    crops = "the centre crop" if evaluation.crops == 1 else f"the mean of {evaluation.crops} crops"
    largest = int(evaluation.confusion.sum(1).max()) / evaluation.examples
    lines = [
        f'<p class="accuracy"><strong>{evaluation.top1:.1%}</strong> of {evaluation.examples:,} '
        f"held-out pictures are named right ({right:,}), by {crops}.</p>",
        f"<p>A model whose true accuracy is anywhere between {low:.1%} and {high:.1%} gives such a "
        "result without luck (95 %, Wilson). Two models whose ranges overlap cannot be ranked. "
        f"Naming the commonest class every time would be right for {largest:.1%}.</p>",
        "<p>This holds for pictures like these. Of another camera, place or season the accuracy is "
        "usually lower, and shots of one scene count as one picture rather than several.</p>",
    ]
    lines += [f"<p>{_text(caveat)}</p>" for caveat in report.caveats]
    return "<h2>How far to trust it</h2>" + "".join(lines)


def _matrix(evaluation: Evaluation) -> str:
    names, confusion = evaluation.class_names, evaluation.confusion
    if len(names) > _LARGEST_MATRIX:
        return _confusions(evaluation)
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    rows = []
    for name, row in zip(names, confusion, strict=True):
        whole = max(1, row.sum())
        cells = "".join(
            f'<td style="background: rgb(var(--mark) / {0.5 * count / whole:.2f})">'
            f"{count or ''}</td>"
            for count in row
        )
        rows.append(f'<tr><th scope="row">{_text(name)}</th>{cells}</tr>')
    return (
        "<h2>What it takes for what</h2><p>A row for each true class, a column for each answer; "
        'right answers stand on the diagonal.</p><div class="wide" tabindex="0" role="region" '
        'aria-label="Confusion matrix"><table><thead><tr><th scope="col">true class</th>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _confusions(evaluation: Evaluation) -> str:
    """Of many classes, the pairs that are confused most often."""
    wrong = evaluation.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_LARGEST_MATRIX]
    names = evaluation.class_names
    rows = "".join(
        f'<tr><th scope="row">{_text(names[true])}</th><td class="text">{_text(names[answer])}</td>'
        f"<td>{wrong[true, answer]}</td></tr>"
        for true, answer in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[true, answer]
    )
    return (
        f"<h2>What it takes for what</h2><p>The commonest confusions of {len(names):,} classes.</p>"
        '<div class="wide"><table><thead><tr><th scope="col">true class</th><th scope="col">'
        'answer</th><th scope="col">pictures</th></tr></thead><tbody>'
        f"{rows}</tbody></table></div>"
    )


def _classes(evaluation: Evaluation) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td>{images:,}</td><td>{percent(found)}</td>'
        f"<td>{percent(precision)}</td></tr>"
        for name, images, found, precision in zip(
            evaluation.class_names,
            evaluation.confusion.sum(1),
            evaluation.recall,
            evaluation.precision,
            strict=True,
        )
        if images
    )
    return (
        "<h2>Class by class</h2><p>Found: the share of a class's pictures that got its name. "
        "Precision: the share of the pictures with this name that were of the class.</p>"
        '<div class="wide"><table><thead><tr><th scope="col">class</th><th scope="col">pictures'
        '</th><th scope="col">found</th><th scope="col">precision</th></tr></thead><tbody>'
        f"{rows}</tbody></table></div>"
    )


def _curves(history: Sequence[dict]) -> str:
    if not history:
        return ""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    FigureCanvasSVG(figure)
    epochs = range(1, len(history) + 1)
    for axes, key, label in zip(
        figure.subplots(1, 2), ("loss", "accuracy"), ("loss (nats)", "accuracy"), strict=True
    ):
        for prefix, colour, name in (("", "#b34700", "training"), ("val_", "#005da8", "held out")):
            values = [row.get(prefix + key, np.nan) for row in history]
            if not np.isnan(values).all():
                axes.plot(epochs, values, colour, marker="o", markersize=3, label=name)
        stages = [row.get("stage") for row in history]
        for place in range(1, len(stages)):
            if stages[place] != stages[place - 1]:
                axes.axvline(place + 0.5, color="#777777", linestyle="--", linewidth=1)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    drawing = io.StringIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None})
    svg = drawing.getvalue()
    last = history[-1]
    said = f"training loss {last['loss']:.3f}, accuracy {last['accuracy']:.1%}"
    if "val_loss" in last:
        said += f"; held out {last['val_loss']:.3f}, {last['val_accuracy']:.1%}"
    names = [name for name in dict.fromkeys(stages) if name]
    begins = f" Dashed lines: where the stages {', '.join(names)} begin." if len(names) > 1 else ""
    return (
        f"<h2>How it learned</h2><p>After the last of {len(history)} epochs: {said}. While "
        f"training, pictures are cropped at random and units drop out.{_text(begins)}</p>"
        '<div class="card" role="img" tabindex="0" aria-label="Loss and accuracy, epoch by epoch">'
        f"{svg[svg.index('<svg') :]}</div>"
    )


def _examples(evaluation: Evaluation) -> str:
    probabilities, labels, paths = evaluation.probabilities, evaluation.labels, evaluation.files
    if probabilities is None or not paths:
        return ""
    answers, sure = probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(answers != labels)
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:SHOWN]
    two = np.sort(probabilities, axis=1)[:, -2:]
    unsure = np.argsort(two[:, 1] - two[:, 0], kind="stable")[:SHOWN]

    def listed(places) -> str:
        return "".join(
            f"<li>{_thumbnail(paths[place])}"
            f"{_text(evaluation.class_names[answers[place]])} {sure[place]:.1%}"
            f"{_truth(evaluation, place, answers[place] == labels[place])}"
            f'<div class="path">{_text(paths[place])}</div></li>'
            for place in places
        )

    mistakes = (
        f"<p>Named wrong: {counted(len(wrong), 'picture')}. Shown are those of which the model "
        "was surest. Look for labels that are wrong themselves.</p>"
        f'<ul class="pictures">{listed(worst)}</ul>'
        if len(wrong)
        else "<p>No held-out picture is named wrong.</p>"
    )
    return (
        f"<h2>The worst mistakes</h2>{mistakes}"
        "<h2>The least sure</h2><p>Where the two likeliest classes are closest together.</p>"
        f'<ul class="pictures">{listed(unsure)}</ul>'
    )


def _truth(evaluation: Evaluation, place: int, right: bool) -> str:
    name = evaluation.class_names[evaluation.labels[place]]
    return ", right" if right else f", but it is {_text(name)}"


def _thumbnail(path: str) -> str:
    try:
        pixels = pictures.read(path, _THUMBNAIL)
    except (OSError, ValueError):
        return ""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80)
    encoded = base64.b64encode(file.getvalue()).decode("ascii")
    return (
        f'<img src="data:image/jpeg;base64,{encoded}" width="{_THUMBNAIL}" height="{_THUMBNAIL}" '
        'alt="">'
    )


def _notes(report: Report) -> str:
    parts = ["<h2>The pictures</h2>"]
    parts += [f"<p>{_text(note)}</p>" for note in report.notes]
    left_out = list(report.left_out)
    if left_out:
        rows = "".join(
            f'<tr><td class="text path">{_text(path)}</td>'
            f'<td class="text">{_text(reason)}</td></tr>'
            for path, reason in left_out[:_LARGEST_LIST]
        )
        more = len(left_out) - _LARGEST_LIST
        parts.append(
            f"<p>Left out: {counted(len(left_out), 'file')}.</p>"
            '<div class="wide"><table class="text"><thead><tr><th scope="col">file</th>'
            '<th scope="col">why</th>'
            f"</tr></thead><tbody>{rows}</tbody></table></div>"
            + (f"<p>And {more:,} more.</p>" if more > 0 else "")
        )
    else:
        parts.append("<p>No file was left out.</p>")
    return "".join(parts)
