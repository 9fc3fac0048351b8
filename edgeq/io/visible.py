"""Show text that others chose, such as names of nodes and files, without what it may hide.

Control and escape characters can rewrite a terminal, marks of direction can show one name as
another, and what a file system holds beyond UTF-8 cannot be encoded.
"""

from __future__ import annotations

import unicodedata


def visible(text: str, *, lines: bool = False) -> str:
    """The text with every character that is not shown written as Python writes it in a string.

    lines: keep line breaks and tabs; names have none.

    >>> visible("conv\x1b[2J\u202e1")
    'conv\\\\x1b[2J\\\\u202e1'
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(c if c.isprintable() or c in kept or unicodedata.category(c) == "Zs" else _written(c) for c in text)


def _written(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 1 << 8 else f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
