"""Group what is said of many nodes by its cause, so that a thousand equal reasons are one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

CauseT = TypeVar("CauseT", bound=Hashable)

#: causes that people are shown, those with most nodes; more would hide the first
CAUSES_SHOWN = 12
#: number of names listed for one cause; of the others only the count is shown
NAMES_SHOWN = 4
#: the same for operator types
TYPES_SHOWN = 3


@dataclass(frozen=True)
class Group(Generic[CauseT]):
    """The nodes of one cause."""

    #: what they have in common: as a rule, a reason in words
    cause: CauseT
    #: names of the nodes, in the order given
    names: tuple[str, ...]
    #: their operator types, in the same order
    op_types: tuple[str, ...]

    @property
    def types(self) -> str:
        """The operator types with their counts, the most frequent first: "3 Add, Mul"."""
        counts = Counter(self.op_types).most_common()
        named = ", ".join(f"{count} {op_type}" if count > 1 else op_type for op_type, count in counts[:TYPES_SHOWN])
        more = len(self.names) - sum(count for _, count in counts[:TYPES_SHOWN])
        return named + (f" and {more} more" if more else "")

    @property
    def named(self) -> str:
        """The first names, and how many there are besides."""
        more = len(self.names) - NAMES_SHOWN
        return ", ".join(self.names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def grouped(rows: Iterable[tuple[str, str, CauseT]]) -> tuple[Group[CauseT], ...]:
    """Rows (name, operator type, cause), joined by cause; the cause of most nodes comes first.

    >>> rows = [("a", "Add", "too wide"), ("b", "Sin", "no kernel"), ("c", "Mul", "too wide")]
    >>> found = grouped(rows)
    >>> [(group.cause, group.types, group.named) for group in found]
    [('too wide', 'Add, Mul', 'a, c'), ('no kernel', 'Sin', 'b')]
    """
    members: dict[CauseT, list[tuple[str, str]]] = {}
    for name, op_type, cause in rows:
        members.setdefault(cause, []).append((name, op_type))
    found = [Group(cause, tuple(name for name, _ in own), tuple(op for _, op in own)) for cause, own in members.items()]
    return tuple(sorted(found, key=lambda group: -len(group.names)))


def shown(groups: tuple[Group[CauseT], ...]) -> tuple[tuple[Group[CauseT], ...], str]:
    """The groups that people are shown, and a line on the others; empty: there are none."""
    rest = groups[CAUSES_SHOWN:]
    told = f"{len(rest)} more causes, of {sum(len(group.names) for group in rest)} nodes" if rest else ""
    return groups[:CAUSES_SHOWN], told


def in_words(rows: Iterable[tuple[str, str, str]]) -> str:
    """Rows (name, operator type, reason) as one line, for errors: each reason with its nodes.

    >>> rows = [("a", "Add", "too wide"), ("b", "Sin", "no kernel"), ("c", "Mul", "too wide")]
    >>> in_words(rows)
    'too wide: Add, Mul (a, c); no kernel: Sin (b)'
    """
    groups, more = shown(grouped(rows))
    lines = [f"{group.cause}: {group.types} ({group.named})" for group in groups]
    return "; ".join([*lines, *([f"and {more}"] if more else [])])
