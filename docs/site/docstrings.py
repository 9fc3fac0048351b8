"""Docstrings for the site: examples of the prompt become blocks of code, and brackets in them no
links.
"""

from __future__ import annotations

import griffe


class Examples(griffe.Extension):
    """Sets what begins with >>> in a docstring, with what it prints, as a block of Python."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite the docstring of one module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """The text with a fence around each paragraph that begins with >>>."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(f"```pycon\n{one}\n```" if one.startswith(">>>") else one for one in paragraphs)
