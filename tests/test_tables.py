"""How data frames look in a chapter, read back by parsers that are not ours."""

import html
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from IPython.core.interactiveshell import InteractiveShell

from alexnet_lib.teaching import tables

LAYERS = pd.DataFrame(
    {
        "layer": ["conv1", "norm1", "fc6"],
        "parameters": [34_944, None, 37_752_832],
        "size": [2.3, 0.434, -0.0],
        "share": ["+4.6%", "0.1%", "−95.4%"],
        "tried": ["9, 9, 9", "never", "10"],
    }
)


def parsed(frame):
    return BeautifulSoup(tables.to_html(frame), "html.parser")


def texts(cells):
    return [cell.get_text() for cell in cells]


def sides(cells):
    return [cell["style"].removeprefix("text-align: ") for cell in cells]


def column(values):
    """A column's cells as they are written."""
    frame = pd.DataFrame({"row": range(len(values)), "values": values})
    return texts(parsed(frame).select("tbody td"))


def test_every_number_can_be_read_back():
    """By pandas' reader of columns of characters."""
    numbers = pd.DataFrame(
        {
            "all": [1, 60_965_224, -7],
            "gaps": [34_944, None, 12],
            "large": [1016.72, -1_234_567.5, 0.25],
            "small": np.float32([0.5, 0.25, 2]),
        }
    )
    again = pd.read_fwf(StringIO(tables.to_text(numbers)), thousands=",")
    pd.testing.assert_frame_equal(again, numbers, check_dtype=False)


def test_numbers_of_a_column_have_as_many_digits():
    assert column([2.3, 0.43]) == ["2.30", "0.43"]
    assert column(["2.30", "0.4"]) == ["2.30", "0.4"]  # what is text already stays as it is
    assert column([-0.0, 1.5]) == ["0.0", "1.5"]
    assert column([1e-4, 2e-5]) == ["0.00010", "0.00002"]
    assert column([0.5, np.nan]) == ["0.5", ""]


def test_thousands_are_separated():
    assert column([9216, 60_965_224]) == ["9,216", "60,965,224"]
    assert column([1016.72, 0.001]) == ["1,016.720", "0.001"]
    assert column([9216, "none"]) == ["9,216", "none"]
    assert column(["2012", "2014"]) == ["2012", "2014"]
    assert column([True, False]) == ["True", "False"]
    assert column(pd.Series([9216, 0.45], dtype=object)) == [
        "9,216",
        "0.45",
    ]  # rows that were columns


def test_missing_values_are_empty_cells():
    assert column([34_944, None]) == ["34,944", ""]
    assert column(["norm1", None]) == ["norm1", ""]
    assert column(pd.array([1000, None], dtype="Int64")) == ["1,000", ""]
    assert column(np.float32([1000, np.nan])) == ["1,000", ""]


def test_numbers_stand_on_the_right_and_words_on_the_left():
    page = parsed(LAYERS)
    expected = ["left", "right", "right", "right", "left"]
    assert sides(page.select("thead th")) == expected
    for row in page.select("tbody tr"):
        assert sides(row.select("th, td")) == expected


def test_headers_say_what_they_head():
    page = parsed(LAYERS)
    assert texts(page.select("thead th[scope=col]")) == list(LAYERS.columns)
    assert texts(page.select("tbody th[scope=row]")) == ["conv1", "norm1", "fc6"]
    assert texts(page.select("tbody tr:first-child td")) == ["34,944", "2.300", "+4.6%", "9, 9, 9"]


@pytest.mark.parametrize(
    ("frame", "names", "headed"),
    [
        (LAYERS.set_index("layer")[["size"]], ["layer", "size"], ["conv1", "norm1", "fc6"]),
        (LAYERS[["tried"]].iloc[1:], ["tried"], ["never", "10"]),  # numbers left by a selection
        (LAYERS[["size"]].rename_axis("row"), ["row", "size"], ["0", "1", "2"]),
        (
            pd.DataFrame(
                {"n": [1]}, index=pd.MultiIndex.from_tuples([("a", "b")], names=["x", "y"])
            ),
            ["x", "y", "n"],
            ["a", "b"],
        ),
    ],
    ids=["an index", "numbered rows", "a named numbering", "two levels"],
)
def test_a_row_is_headed_by_its_index_or_its_first_column(frame, names, headed):
    page = parsed(frame)
    assert texts(page.select("thead th")) == names
    assert texts(page.select("tbody th")) == headed


def test_no_header_is_empty():
    page = parsed(LAYERS.set_index("layer")[["size"]].rename_axis(None))
    assert texts(page.select("thead tr > *")) == ["", "size"]
    assert texts(page.select("thead th")) == ["size"]


def test_what_looks_like_markup_is_text():
    frame = pd.DataFrame({"<b>": ["a < b & c", '"x"']})
    assert html.escape("a < b & c") in tables.to_html(frame)
    assert texts(parsed(frame).select("th")) == ["<b>", "a < b & c", '"x"']


def test_a_table_without_rows_has_its_headers():
    page = parsed(LAYERS[:0])
    assert texts(page.select("th")) == list(LAYERS.columns)


def test_characters_stand_in_columns():
    assert tables.to_text(LAYERS[["layer", "parameters", "tried"]]).splitlines() == [
        "layer  parameters  tried",
        "conv1      34,944  9, 9, 9",
        "norm1              never",
        "fc6    37,752,832  10",
    ]


def test_frames_are_shown_so_after_prepare():
    shell = InteractiveShell.instance()
    tables.show_data_frames()
    data, _ = shell.display_formatter.format(LAYERS)
    assert data == {"text/plain": tables.to_text(LAYERS), "text/html": tables.to_html(LAYERS)}


def test_outside_of_a_notebook_nothing_changes(monkeypatch):
    """A script may call `notebook.prepare` as well."""
    monkeypatch.setattr(tables, "get_ipython", lambda: None)
    tables.show_data_frames()
