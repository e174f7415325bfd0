"""Where on the picture the units of a layer look, as front ends take it."""

from typing import NamedTuple

from ..architecture import LayerTrace


class Field(NamedTuple):
    """The squares of the picture that the units of a map depend on. All in pixels."""

    size: int
    """Side of each square."""
    jump: int
    """From one unit's square to its neighbour's; 0 where there is no grid."""
    start: int
    """First row (and column) of the first unit's square; negative where it begins in padding."""


def field_of(record: LayerTrace) -> Field:
    """The field of a layer."""
    return Field(record.receptive_field, record.jump, record.start)
