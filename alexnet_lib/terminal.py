"""Text from files and from users, made fit for a terminal.

A class is named by a folder, and a folder may be named with anything: an escape sequence that sets
the window's title or swallows what follows, a letter that turns the line round, bytes that are no
text. Such text is data; what a terminal would obey is written out instead.
"""

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
    return "".join(one if one in kept else _written_out(one) for one in str(text))


def _written_out(character: str) -> str:
    # Controls, invisible marks such as those of direction, half a pair, breaks of lines.
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character.encode("unicode_escape").decode("ascii")
    return character
