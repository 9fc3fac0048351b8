"""The letters of an Einsum, sorted by what they do in a product of two operands."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

DOTS = "..."


@dataclass(frozen=True)
class Equation:
    """An Einsum of one or two operands; every letter stands for one axis of an operand."""

    #: the letters of each operand
    operands: tuple[str, ...]
    #: those of the result
    result: str

    @property
    def batch(self) -> str:
        """Letters of both operands and of the result."""
        return "".join(c for c in self.result if all(c in operand for operand in self.operands))

    @property
    def contracted(self) -> str:
        """Letters of both operands that the result lacks: products are summed over them."""
        return "".join(c for c in self.operands[0] if c in self.operands[1] and c not in self.result)

    def free(self, index: int) -> str:
        """Letters of one operand alone."""
        return "".join(c for c in self.operands[index] if c not in self.operands[1 - index])

    @property
    def is_product(self) -> bool:
        """Whether all that is summed are products: no sum of one operand, and no diagonal."""
        given = set("".join(self.operands))
        once = all(len(set(term)) == len(term) for term in (*self.operands, self.result))
        summed = given - set(self.result)
        return once and set(self.result) <= given and all(all(c in operand for operand in self.operands) for c in summed)

    @property
    def swapped(self) -> Equation:
        """The same with the operands in the other order."""
        return Equation(self.operands[::-1], self.result)


def equation(text: str, ranks: Sequence[int | None]) -> Equation | None:
    """The equation of an Einsum, an ellipsis spelled out in letters; None where that is unknown.

    ranks: the numbers of dimensions of the operands.

    >>> equation("b...d, dk -> b...k", (4, 2))
    Equation(operands=('bABd', 'dk'), result='bABk')
    >>> equation("ij,jk", (2, 2))
    Equation(operands=('ij', 'jk'), result='ik')
    """
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks) or len(terms) > 2:
        return None
    spare = [c for c in string.ascii_uppercase if c not in text]
    widths = [0 if rank is None else rank - len(term.replace(DOTS, "")) for term, rank in zip(terms, ranks, strict=True)]
    dots = "".join(spare[: max(widths, default=0)])
    spelled = []
    for term, rank, width in zip(terms, ranks, widths, strict=True):
        if DOTS in term and (rank is None or width < 0):
            return None
        spelled.append(term.replace(DOTS, dots[len(dots) - width :] if DOTS in term else ""))
        if rank is not None and len(spelled[-1]) != rank:
            return None
    if not arrow:
        all_letters = "".join(term.replace(DOTS, "") for term in terms)
        right = (DOTS if DOTS in left else "") + "".join(sorted(c for c in set(all_letters) if all_letters.count(c) == 1))
    return Equation(tuple(spelled), right.replace(DOTS, dots))
