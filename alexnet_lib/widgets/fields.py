"""Where on the picture the units of a layer look."""

from typing import NamedTuple

from .. import architecture


class Field(NamedTuple):
    """The squares of the picture that the units of a map depend on. All in pixels."""

    size: int
    """Side of each square."""
    jump: int
    """From one unit's square to its neighbour's; 0 where there is no grid."""
    start: int
    """First row (and column) of the first unit's square; negative where it begins in padding."""


def receptive_fields(variant: str, input_size: int | None = None) -> dict[str, Field]:
    """The field of each layer of a variant, by name. `input_size` is the variant's own if None."""
    fields, start, jump = {}, 0, 1
    for record in architecture.trace(
        input_size or architecture.NATIVE_INPUT_SIZE[variant], variant
    ):
        if len(record.output_shape) == 1:
            start = 0
        elif record.kind == "map normalization":
            start -= record.kernel // 2 * jump  # its square is centred, and stays on the map
        elif record.kernel:
            start -= record.padding * jump
        jump = record.jump
        fields[record.name] = Field(record.receptive_field, record.jump, start)
    return fields
