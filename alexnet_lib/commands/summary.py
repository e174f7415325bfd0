"""`alexnet summary`"""

import json
from typing import Annotated

import typer

from .. import architecture
from ..terminal import counted
from .shared import plain_errors


def summary(
    variant: Annotated[
        str, typer.Option(help=f"One of {', '.join(architecture.VARIANTS)}.")
    ] = "paper",
    input_size: Annotated[
        int | None,
        typer.Option(help="Pixels a side; by default what the variant was made for.", min=1),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON.")] = False,
) -> None:
    """Show every layer: its shape, what it learns, what it costs, what it sees."""
    with plain_errors("summary"):
        architecture.describe(variant)
        size = input_size or architecture.VARIANTS[variant].input_size
        records = architecture.trace(size, variant)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "variant": variant,
                    "input_size": size,
                    "parameters": sum(record.parameters for record in records),
                    "macs": sum(record.macs for record in records),
                    "layers": [record.as_dict() for record in records],
                },
                indent=2,
            )
        )
        return
    _print_summary(variant, size, records)


def _print_summary(variant: str, input_size: int, records: list[architecture.LayerTrace]) -> None:
    # rich takes a tenth of a second to load, which --json and --help need not pay.
    from rich import box
    from rich.console import Console
    from rich.table import Table

    parameters = sum(record.parameters for record in records)
    macs = sum(record.macs for record in records)
    table = Table(
        title=f"AlexNet ({variant}) on {input_size}×{input_size} RGB",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_footer=True,
    )
    table.add_column("layer", "all", style="bold")
    table.add_column("window")
    table.add_column("groups", justify="right")
    table.add_column("output", justify="right", no_wrap=True)
    table.add_column("sees", justify="right")
    table.add_column("parameters", f"{parameters:,}", justify="right", no_wrap=True)
    table.add_column("", style="cyan", no_wrap=True)
    table.add_column("MACs", f"{macs:,}", justify="right", no_wrap=True)
    table.add_column("", style="magenta", no_wrap=True)
    for record in records:
        if record.kind in ("flatten", "dropout", "activation"):
            continue
        table.add_row(
            record.name,
            _window(record),
            str(record.groups) if record.groups > 1 else "",
            "×".join(map(str, record.output_shape)),
            str(record.receptive_field),
            f"{record.parameters:,}" if record.parameters else "",
            _bar(record.parameters, parameters),
            f"{record.macs:,}" if record.macs else "",
            _bar(record.macs, macs),
        )
    console = Console(highlight=False)
    console.print(table)
    convolutions = [record for record in records if record.kind == "convolution"]
    console.print(
        f"Convolutions: {sum(r.parameters for r in convolutions) / parameters:.1%} of the "
        f"parameters, {sum(r.macs for r in convolutions) / macs:.1%} of the arithmetic.\n"
        f"In float32: {4 * parameters / 1e6:.0f} MB of parameters, "
        f"{sum(record.activation_bytes for record in records) / 1e6:.1f} MB of activations "
        "per image."
    )
    for record in records:
        map_size = "×".join(map(str, record.input_shape[:2]))
        if any(record.unseen):
            unseen = _rows_and_columns(record.unseen)
            console.print(f"{record.name} on {map_size}: the last {unseen} are in no window.")
        if any(record.overhang):
            overhang = _rows_and_columns(record.overhang)
            console.print(f"{record.name} on {map_size}: the last windows overhang by {overhang}.")


def _rows_and_columns(counts: tuple[int, int]) -> str:
    return " and ".join(
        counted(count, name) for count, name in zip(counts, ("row", "column"), strict=True)
    )


_BAR = 5


def _bar(part: int, whole: int) -> str:
    """A bar of up to `_BAR` cells, in eighths of a cell, so that small shares still show."""
    eighths = round(8 * _BAR * part / whole)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _window(record: architecture.LayerTrace) -> str:
    if not record.kernel:
        return ""
    step = f" /{record.stride}" if record.stride and record.stride > 1 else ""
    padding = f" pad {record.padding}" if record.padding else ""
    return f"{record.kernel}×{record.kernel}{step}{padding}"
