"""Text from files and from users, made fit for a terminal.

A class is named by a folder, and a folder may be named with anything: an escape sequence that sets
the window's title or swallows what follows, a letter that turns the line round, bytes that are no
text. Such text is data; what a terminal would obey is written out instead.
"""

import json
import unicodedata

_LINES = "\n\t"
_JOINERS = "\u200c\u200d"
"""They join letters, as Persian and families of emoji want it, and do no harm."""


def printable(text: object, lines: bool = False) -> str:
    r"""A text without anything that a terminal obeys: `\x1b` is written as these four letters.

    Args:
        text: is turned into a string.
        lines: leave line breaks and tabs as they are.
    """
    kept = _JOINERS + (_LINES if lines else "")
    return "".join(
        one.encode("unicode_escape").decode("ascii") if one not in kept and _is_obeyed(one) else one
        for one in str(text)
    )


def counted(number: int, noun: str) -> str:
    """`1 crop`, `1,000 crops`: a number with its noun, which takes an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def json_text(value) -> str:
    """JSON with letters as they are, and everything that a terminal obeys escaped.

    Raises:
        ValueError: if a number is infinite or none, which JSON has not.
    """
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    # Such characters stand in strings alone, but for the line breaks between them.
    return "".join(
        json.dumps(one)[1:-1] if one != "\n" and _is_obeyed(one) else one for one in text
    )


def _is_obeyed(character: str) -> bool:
    # Controls, invisible marks such as those of direction, half a pair, breaks of lines.
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
