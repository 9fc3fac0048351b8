"""How a result shows itself: one line in a terminal, a small table in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TypeVar


@dataclass(frozen=True)
class Facts:
    """What is shown of a result."""

    #: what it is, in one line
    title: str
    #: name and value of each figure
    rows: tuple[tuple[str, str], ...]


class Card:
    """A result that shows itself. Its dataclass has repr=False."""

    def facts(self) -> Facts:
        """What is shown."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """One line: models and plans are long."""
        facts = self.facts()
        figures = ", ".join(f"{name} {value}" for name, value in facts.rows)
        return f"{type(self).__name__}({facts.title}{': ' if facts.title and figures else ''}{figures})"

    def _repr_html_(self) -> str:
        """A table, which notebooks show in place of the line."""
        facts = self.facts()
        rows = "".join(f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.rows)
        return f"<table><caption>{escape(type(self).__name__)} {escape(facts.title)}</caption>{rows}</table>"


#: a kind of result
C = TypeVar("C", bound=Card)


class Cards(tuple[C, ...]):
    """Several results, which a notebook shows one below the other."""

    def _repr_html_(self) -> str:
        """The tables of all; that there is none is said."""
        return "".join(one._repr_html_() for one in self) or "<p>nothing</p>"
