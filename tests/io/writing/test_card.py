"""Tests of edgeq.io.writing.card: results of public functions show themselves in one line and as a
table, whatever their names hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.io.writing.card import Card, Facts
from edgeq.proof.proof import Proof


@dataclass(frozen=True, repr=False)
class Result(Card):
    """A result with a name of a user's."""

    name: str

    def facts(self) -> Facts:
        return Facts(self.name, (("SQNR", "20.0 dB"), ("a<b>", "1 & 2")))


def test_a_result_is_one_line() -> None:
    assert repr(Result("m.onnx")) == "Result(m.onnx: SQNR 20.0 dB, a<b> 1 & 2)"
    assert repr(Proof((), 3, 1, 2, 0, 87.5)) == "Proof(0 nodes: in integers 3, in float 1, MACs in integers 88 %)"


def test_the_table_escapes_what_a_name_holds() -> None:
    html = Result("<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<th style='text-align:left'>a&lt;b&gt;</th><td>1 &amp; 2</td>" in html
