"""How a chapter shows a data frame, in place of pandas' own way.

pandas numbers the rows under an empty header, does not say which cells are headers of what, and
puts words on the right as it does numbers. Here a row is headed by the frame's index or, where the
rows are merely numbered, by their first column; words stand on the left and numbers on the right,
with commas between the thousands; where a value is missing, the cell is empty. The styles stand in
the cells themselves, because nothing else reaches Colab, JupyterLab, the page and the EPUB alike.
"""

import re
from html import escape
from numbers import Real

import pandas as pd
from IPython import get_ipython
from pandas.api import types

THOUSANDS = re.compile(r"(?<=\d)(?=(?:\d{3})+\.)")  # where a comma belongs in 1016.72
NUMBER = re.compile(r"[+−-]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?(?:e[+-]\d+)?(?: ?%)?")


def show_data_frames() -> None:
    """From here on, a data frame at the end of a cell is shown as a table of this book."""
    if shell := get_ipython():
        formatters = shell.display_formatter.formatters
        formatters["text/html"].for_type(pd.DataFrame, to_html)
        formatters["text/plain"].for_type(
            pd.DataFrame, lambda frame, printer, cycle: printer.text(to_text(frame))
        )


def to_html(frame: pd.DataFrame) -> str:
    """A data frame as a table whose headers say what they head: a column, or a row."""
    columns, heading = _columns(frame)
    sides = ["right" if _holds_numbers(written) else "left" for _, written in columns]

    def row(tags, cells):
        written = (
            f'<{tag} style="text-align: {side}">{escape(cell)}</{tag[:2]}>'
            for tag, side, cell in zip(tags, sides, cells, strict=True)
        )
        return f"<tr>{''.join(written)}</tr>"

    names = [name for name, _ in columns]
    # A header with nothing in it would head nothing: it is a plain cell.
    head = row(['th scope="col"' if name else "td" for name in names], names)
    tags = ['th scope="row"'] * heading + ["td"] * (len(columns) - heading)
    rows = [row(tags, cells) for cells in zip(*(written for _, written in columns), strict=True)]
    lines = ['<table class="dataframe">', "<thead>", head, "</thead>", "<tbody>", *rows]
    return "\n".join([*lines, "</tbody>", "</table>"])


def to_text(frame: pd.DataFrame) -> str:
    """The same table in plain characters, for terminals and for comparing outputs."""
    columns, _ = _columns(frame)
    lines = []
    for name, written in columns:
        width = max(map(len, [name, *written]))
        side = str.rjust if _holds_numbers(written) else str.ljust
        lines.append([side(cell, width) for cell in [name, *written]])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*lines, strict=True))


def _columns(frame) -> tuple[list[tuple[str, list[str]]], int]:
    """The columns to show, each with its name and its cells, and how many of them head the rows."""
    index = frame.index
    merely_numbered = index.names == [None] and types.is_integer_dtype(index.dtype)
    levels = [] if merely_numbered else range(index.nlevels)
    shown = [index.get_level_values(level).to_series() for level in levels]
    shown += [column for _, column in frame.items()]
    names = [*(index.names[level] for level in levels), *frame.columns]
    named = ["" if name is None else str(name) for name in names]
    return list(zip(named, map(_written, shown), strict=True)), len(levels) or 1


def _written(column: pd.Series) -> list[str]:
    """A column's cells: whole numbers with commas, other numbers with as many digits each."""
    if types.is_float_dtype(column.dtype) and len(column) and not _whole_with_gaps(column):
        # pandas gives all numbers of a column as many digits; adding 0 turns -0.0 into 0.0.
        numbers = (column + 0.0).reset_index(drop=True)
        text = numbers.to_string(index=False, na_rep="")
        return [THOUSANDS.sub(",", cell.strip()) for cell in text.split("\n")]
    return ["" if pd.isna(value) else _in_characters(value) for value in column]


def _whole_with_gaps(column) -> bool:
    """Whether these floats are whole numbers: pandas makes them floats beside a missing value."""
    return column.hasnans and bool((column.dropna() % 1 == 0).all())


def _in_characters(value) -> str:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return f"{value:,.0f}" if is_number and value % 1 == 0 else str(value)


def _holds_numbers(cells: list[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(NUMBER.fullmatch(cell) for cell in filled)
