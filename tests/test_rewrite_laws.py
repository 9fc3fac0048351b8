"""The law of passes (`check_pass`) for the rewrite, step by step on every model of
edgeq.testing.pass_models and some of its own.

Values move by what a grid costs, and no more: a shared initializer changed under a float reader, or
a body not walked, shows there. Integer kernels compute what the grids say.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.calibration.observe import observe
from edgeq.data.open import open_dataset
from edgeq.graph.signature import input_specs
from edgeq.io.load import load_proto
from edgeq.planning.first_plan import MadeFrom, make_plan, values_to_observe
from edgeq.rewrite.lower import lower
from edgeq.rewrite.made_up_run import random_feeds
from edgeq.rewrite.pipeline import rewrite_passes
from edgeq.rewrite.prepare import prepare
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.testing import check_pass
from edgeq.testing.pass_laws import outputs
from edgeq.testing.pass_models import TEXTS
from tests.graph_text import eager

TARGET = eager()
RECIPE = Recipe(rule="minmax", weight_rule="minmax")
_HEAD = '<ir_version: 8, opset_import: ["" : 17]>'
_W = "float[2, 2, 1, 1] w = {1.0, -2.0, 0.5, 3.0}, float[2] b = {0.5, -1.0}"

OWN = {
    "shared_with_a_float_reader": f"""{_HEAD} net (float[N, 2, 4, 4] x) => (float[N, 2, 4, 4] y, float[2, 2, 1, 1] z) <{_W}> {{
        c = Conv(x, w, b)  y = Conv(c, w, b)  z = Erf(w) }}""",
    "constant_operands": f"""{_HEAD} net (float[N, 2, 4, 4] x) => (float[N, 2, 4, 4] y) <{_W}, float[2, 1, 1] k = {{0.5, -2.0}}> {{
        c = Conv(x, w, b)  d = Mul(c, k)  e = Add(k, d)  y = Conv(e, w) }}""",
    "movement": f"""{_HEAD} net (float[N, 2, 4, 4] x) => (float[N, 4, 8] y) <{_W}, float zero = {{0.0}}, float six = {{6.0}},
        int64[8] p = {{0, 0, 1, 1, 0, 0, 1, 1}}, int64[3] s = {{0, 4, 8}}> {{
        c = Conv(x, w, b)  r = Relu(c)  m = MaxPool<kernel_shape = [3, 3]>(r)  q = Pad(m, p)  t = Transpose<perm = [0, 2, 3, 1]>(q)
        a, d = Split<axis = 1>(t)  e = Concat<axis = 1>(d, a)  f = Clip(e, zero, six)  y = Reshape(f, s) }}""",
    "hard_sigmoid": f"""{_HEAD} net (float[N, 2, 4, 4] x) => (float[N, 2, 4, 4] y) <{_W}> {{
        c = Conv(x, w, b)  h = HardSwish(c)  g = HardSigmoid(h)  d = Mul(h, g)  y = Conv(d, w) }}""",
    "two_bodies": f"""{_HEAD} net (float[1, 2, 4, 4] x, bool c) => (float[1, 2, 4, 4] y) <{_W}> {{
        y = If (c) <
            then_branch = t () => (float[1, 2, 4, 4] tv) {{ ta = Conv(x, w, b)  tr = Relu(ta)  tb = Conv(tr, w, b)  tv = Conv(tb, w) }},
            else_branch = e () => (float[1, 2, 4, 4] ev) {{ ea = Conv(x, w)  eb = Conv(ea, w, b)  ev = Relu(eb) }}> }}""",
    "inputs_and_constants_are_outputs": f"""{_HEAD} net (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] x, float[1, 2, 4, 4] c,
        float[2, 2, 1, 1] w, float[1, 2, 4, 4] y) <{_W}> {{ c = Conv(x, w, b)  y = Relu(c) }}""",
}
ALL = {**TEXTS, **OWN}


def float_model(name: str) -> ir.Model:
    model = prepare(load_proto(ir.from_onnx_text(ALL[name])).model).model
    lower(model, TARGET)
    return model


def plan_for(model: ir.Model, feeds: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]) -> Plan:
    """Calibrated with the very feeds that the values are compared on."""
    whole = {name: array[None] for name, array in feeds.items()}
    statistics = observe(model, values_to_observe(model, TARGET, RECIPE), open_dataset(whole, input_specs(model)))
    return make_plan(model, statistics, TARGET, RECIPE, MadeFrom("", "", ""))


@pytest.mark.parametrize("name", ALL)
def test_laws_of_the_rewrite(name: str) -> None:
    start = float_model(name)
    feeds = random_feeds(start, size=4)
    wanted = outputs(start, feeds)
    model = start
    for graph_pass in rewrite_passes(plan_for(start, feeds), TARGET):
        model = check_pass(graph_pass, model, tolerance=None)
    slow, fast = outputs(model, feeds), outputs(model, feeds, optimize="all")
    for want, simulated, got in zip(wanted, slow, fast, strict=True):
        largest = np.abs(want.astype(np.float64)).max(initial=0.0)
        np.testing.assert_allclose(simulated.astype(np.float64), want.astype(np.float64), rtol=0, atol=0.1 * largest + 1e-6)
        np.testing.assert_allclose(got.astype(np.float64), simulated.astype(np.float64), rtol=0, atol=0.03 * largest + 1e-6)


def test_every_rewrite_pass_finds_work_in_some_model() -> None:
    idle: set[str] | None = None
    for name in OWN:
        model = float_model(name)
        still = {
            type(step).__name__ for step in rewrite_passes(plan_for(model, random_feeds(model, size=4)), TARGET) if not step(model).modified
        }
        idle = still if idle is None else idle & still
    assert idle is not None
    tested_alone = {
        *("CorrectBiases", "Equalize", "FoldCodebooks", "GatherIntegerRows", "GatherPackedRows", "HoldFloat"),
        *(
            "InsertBorders",
            "InsertDynamic",
            "QuantizeBehind",
            "QuantizeRecurrent",
            "ShareDequantized",
            "StoreFormats",
            "StoreWeights",
            "SumBeforeNorm",
            "TanhToSigmoid",
        ),
    }
    assert idle - tested_alone == {"TopologicalSortPass"}
