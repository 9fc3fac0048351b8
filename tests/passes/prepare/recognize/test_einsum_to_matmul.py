"""EinsumToMatMul: products of two operands become MatMul and Mul, of one Transpose; others stay."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.passes.prepare.recognize.einsum_to_matmul import EinsumToMatMul
from edgeq.testing import check_pass
from tests.graph_text import Constants, net, weights

WEIGHTS: Constants = {
    "matrix": weights(4, 6),
    "heads": weights(4, 2, 3),
    "cut": weights(2, 3, 5),
    "first": weights(5, 4),
    "scales": weights(3),
}
#: equation, operands, their declaration, wanted operators
FORMS: dict[str, tuple[str, str, str, list[str]]] = {
    "weight": ("bld,dk->blk", "x, matrix", "float[N, L, 4] x", ["MatMul", "Identity"]),
    "weight of an ellipsis": ("...d,dk->...k", "x, matrix", "float[N, L, 4] x", ["MatMul", "Identity"]),
    "weight first": ("oc,bct->bot", "first, x", "float[N, 4, L] x", ["Transpose", "MatMul", "Transpose"]),
    "weight into heads": ("bld,dhk->blhk", "x, heads", "float[N, L, 4] x", ["MatMul", "Reshape", "Identity"]),
    "weight from heads": ("blhk,hkd->bld", "x, cut", "float[N, L, 2, 3] x", ["Reshape", "MatMul", "Identity"]),
    "scores": ("bhqd,bhkd->bhqk", "x, y0", "float[N, 2, L, 3] x, float[N, 2, M, 3] y0", ["Transpose", "MatMul", "Identity"]),
    "scores, heads behind": (
        "bqhd,bkhd->bhqk",
        "x, y0",
        "float[N, L, 2, 3] x, float[N, M, 2, 3] y0",
        ["Transpose", "Transpose", "MatMul", "Identity"],
    ),
    "values": ("bhqk,bkhd->bqhd", "x, y0", "float[N, 2, L, M] x, float[N, M, 2, 3] y0", ["Transpose", "MatMul", "Transpose"]),
    "implicit result": ("ij,jk", "x, matrix", "float[N, 4] x", ["MatMul", "Identity"]),
    "gate per channel": ("bchw,bc->bchw", "x, y0", "float[N, 3, H, W] x, float[N, 3] y0", ["Unsqueeze", "Mul"]),
    "constant per channel": ("bchw,c->bchw", "x, scales", "float[N, 3, H, W] x", ["Mul"]),
    "outer product": ("i,j->ij", "x, y0", "float[A] x, float[B] y0", ["Unsqueeze", "Mul"]),
    "inner product": ("bi,bi->b", "x, y0", "float[N, 3] x, float[N, 3] y0", ["Reshape", "Reshape", "MatMul", "Reshape", "Identity"]),
    "free axes on both sides": (
        "nctv,ncuv->nctu",
        "x, y0",
        "float[N, 2, T, 3] x, float[N, 2, U, 3] y0",
        ["Transpose", "MatMul", "Identity"],
    ),
    "two summed axes": (
        "nabc,nbcd->nad",
        "x, y0",
        "float[N, A, 2, 3] x, float[N, 2, 3, D] y0",
        ["Reshape", "Reshape", "MatMul", "Identity"],
    ),
    "joined rows": (
        "nabc,ncd->nabd",
        "x, y0",
        "float[N, 2, 5, 3] x, float[N, 3, D] y0",
        ["Reshape", "MatMul", "Reshape", "Identity"],
    ),
    "one operand": ("b...c->bc...", "x", "float[N, H, W, 3] x", ["Transpose"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form(form: str) -> None:
    text, operands, inputs, wanted = FORMS[form]
    model = net(f'y = Einsum<equation = "{text}">({operands})', inputs=inputs, constants=WEIGHTS)
    after = check_pass(EinsumToMatMul(), model)
    assert [node.op_type for node in after.graph] == wanted


@pytest.mark.parametrize(
    ("text", "operands", "inputs"),
    [
        ("ij->i", "x", "float[N, 3] x"),  # a sum of one operand
        ("ii->i", "x", "float[3, 3] x"),  # a diagonal
        ("ij,jk->k", "x, matrix", "float[N, 4] x"),  # one operand is summed alone
        ("i,i,i->i", "x, x, x", "float[N] x"),
        ("nabc,ncd->nabd", "x, z", "float[N, A, B, 3] x, float[N, 3, 4] z"),  # two sizes unknown
    ],
)
def test_others_stay(text: str, operands: str, inputs: str) -> None:
    model = net(f'y = Einsum<equation = "{text}">({operands})', inputs=inputs, constants=WEIGHTS)
    assert not EinsumToMatMul()(model).modified


def test_integers_stay() -> None:
    model = net('y = Einsum<equation = "ij,jk->ik">(x, x)', inputs="int64[3, 3] x", constants={"unused": np.ones(1)})
    assert not EinsumToMatMul()(model).modified
