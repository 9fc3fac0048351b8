"""`inspect` foretells what `quantize` does: nodes, places, causes, reasons and shares of the work
are the same, but for what the data object to, and what that entails next to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.api import quantize
from edgeq.graph.signature import input_specs
from edgeq.io.load import Loaded, load_model, load_proto
from edgeq.numerics.arrays import AnyArray
from edgeq.report.inspection import inspect_model
from edgeq.rewrite.set_up import set_up
from edgeq.schema.plan import NodePlan, Plan
from edgeq.schema.plan_parts.because import FROM_DATA
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.search.candidates import integer_share
from edgeq.testing.case import Case
from edgeq.testing.operator_cases import LIGHT
from edgeq.testing.operator_nets import build, data_for
from edgeq.testing.pass_models import TEXTS
from tests.detectors import DETECTORS, Detector, images
from tests.graph_text import net, weights
from tests.zoo import zoo_model

SAMPLES = 10
QUICK = Recipe(effort="fast", rescue=False)
ZOO = (
    "dscnn_kws", "fc_autoencoder_toycar", "kwt1_kws", "mobilenetv1_025_vww", "ppocr_cls_mbv3se", "resnet8_cifar10", "rfb320_face",
)  # fmt: skip
#: float[N, 8, 16, 16] x in, y out
TOYS: Mapping[str, str] = {
    "lowered": "a = Conv(x, w) b = HardSwish(a) c = HardSigmoid(b) d = Mul(b, c) y = Conv(d, w)",
    "mask": "a = Conv(x, w) b = Add(a, far) c = Softmax(b) y = Mul(c, a)",
    "norm": "m = ReduceMean<axes = [-1]>(x) d = Sub(x, m) q = Mul(d, d) v = ReduceMean<axes = [-1]>(q) e = Add(v, tiny) s = Sqrt(e) "
    "n = Div(d, s) o = Mul(n, far) y = Conv(o, w)",
    "branches": "a = Conv(x, w) s, t = Split<axis = 1>(a) u = Erf(s) v = Transpose<perm = [0, 1, 3, 2]>(t) y = Concat<axis = 1>(u, v)",
    "resized": 'a = Conv(x, w) b = Resize<mode = "nearest">(a, , sizes) c = Relu(b) d = GlobalAveragePool(c) y = Flatten(d)',
    "gelu": "a = Conv(x, w) b = Div(a, two) c = Erf(b) d = Add(c, one) e = Mul(a, d) f = Mul(e, half) y = Conv(f, w)",
    "double": "a = Conv(x, w) b = Cast<to = 11>(a) c = Exp(b) d = Cast<to = 1>(c) y = Conv(d, w)",
}
FAR = np.where(np.arange(16) > 12, np.float32(-1e9), np.float32(0.0))


def toy(body: str) -> ir.Model:
    constants = {"w": weights(8, 8, 1, 1), "far": FAR, "tiny": 1e-5, "two": 2.0, "one": 1.0, "half": 0.5}
    used = {name: value for name, value in constants.items() if name in body.replace("(", " ").replace(")", " ").replace(",", " ").split()}
    if "sizes" in body:
        used["sizes"] = np.array([1, 1, 2, 2], np.float32)
    return net(body, inputs="float[N, 8, 16, 16] x", constants=used)


def with_function() -> ir.Model:
    text = """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
        net (float[N, 256] x) => (float[N, 256] y) { a = MatMul(x, w) b = own.twice(a) y = MatMul(b, w) }
        <domain: "own", opset_import: ["" : 17, "own" : 1]> twice (p) => (q) { r = own.once(p) q = own.once(r) }
        <domain: "own", opset_import: ["" : 17]> once (p) => (q) { s = Sigmoid(p) q = Mul(s, p) }"""
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weights(256, 256), "w"))
    return load_proto(proto).model


def recurrent() -> ir.Model:
    body = "[rnn] s, h, c = LSTM<hidden_size = 128>(x, w, r) [flat] m = Reshape(s, to) [out] y = MatMul(m, v)"
    constants = {"w": weights(1, 512, 8), "r": weights(1, 512, 128), "v": weights(128, 4), "to": np.array([0, -1, 128], np.int64)}
    return net(body, inputs="float[5, N, 8] x", outputs="float[5, N, 4] y", constants=constants)


def embedded() -> ir.Model:
    constants = {"table": weights(256, 32), "w": weights(32, 8)}
    return net("e = Gather(table, i) y = MatMul(e, w)", inputs="int64[N, 6] i", outputs="float[N, 6, 8] y", constants=constants)


def fed(loaded: Loaded) -> dict[str, AnyArray]:
    """Normal samples for each input, and small counts for integers."""
    rng = np.random.default_rng(0)
    feeds: dict[str, AnyArray] = {}
    for spec in input_specs(loaded.model):
        shape = (SAMPLES, *(size if isinstance(size, int) else 16 for size in (spec.shape or ())[1:]))
        floats = "float" in spec.holds
        feeds[spec.name] = rng.normal(size=shape).astype(spec.holds) if floats else rng.integers(0, 2, shape).astype(spec.holds)
    return feeds


def check(loaded: Loaded, data: Mapping[str, AnyArray], target: str = "cpu", recipe: Recipe = QUICK) -> Plan:
    """Hold the inspection to the plan, and return the plan."""
    facts = load_target(target)
    found = inspect_model(loaded, facts, recipe=recipe)
    made = quantize(loaded, data, target=facts, recipe=recipe, prove=False, data_doubts="accept")
    foretold = {node.name: (node.op_type, node.runs, node.because, node.reason) for node in found.nodes}
    planned = {name: (node.op_type, node.runs, node.because, node.reason) for name, node in made.plan.nodes.items()}
    assert list(foretold) == list(planned)
    different = {name for name in planned if foretold[name] != planned[name]}
    assert different <= entailed(made.plan.nodes, different)
    assert set(found.notes) <= set(made.report.notes)
    if not different:
        assert found.macs_int8_pct == integer_share(ir_of(loaded, made.plan, recipe), made.plan)
        counts = Counter(node.op_type for node in made.plan.nodes.values() if node.runs != "float")
        assert {row.op_type: row.int8 for row in found.operators if row.int8} == counts
    return made.plan


def ir_of(loaded: Loaded, plan: Plan, recipe: Recipe) -> ir.Model:
    """The model that the plan is for."""
    return set_up(loaded, load_target(plan.target), recipe, None, None).task.model


def entailed(nodes: Mapping[str, NodePlan], different: Iterable[str]) -> set[str]:
    """What the data object to, and the nodes that differ and are joined to it by such nodes."""
    reached = {name for name, node in nodes.items() if node.because in FROM_DATA}
    waiting = list(reached)
    while waiting:
        here = nodes[waiting.pop()]
        touched = {value for value in (*here.inputs, *here.outputs) if value}
        near = {name for name in different if touched & {*nodes[name].inputs, *nodes[name].outputs}} - reached
        reached |= near
        waiting += near
    return reached


@pytest.mark.parametrize("target", ["cpu", "cpu_arm"])
@pytest.mark.parametrize("name", TOYS)
def test_toys(name: str, target: str) -> None:
    loaded = load_proto(toy(TOYS[name]))
    check(loaded, fed(loaded), target)


@pytest.mark.parametrize("build_model", [with_function, recurrent, embedded])
def test_functions_layers_and_tables(build_model: Callable[[], ir.Model]) -> None:
    loaded = load_proto(build_model())
    feeds = fed(loaded)
    if build_model is recurrent:  # its samples lie along axis 1
        feeds = {"x": np.random.default_rng(0).normal(size=(5, 1, 8)).astype(np.float32)}
    plan = check(loaded, feeds)
    wanted = {with_function: "kernel", recurrent: "measured", embedded: "embedding"}[build_model]
    assert wanted in {node.because for node in plan.nodes.values()}


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.__name__)
def test_detectors_whose_parts_only_the_data_tell_apart(detector: Detector) -> None:
    check(load_proto(detector()[0]), {"image": images(SAMPLES, 0)})


@pytest.mark.parametrize("name", ["lines", "norm_forms", "gelu_forms", "affine_chain_rank_3", "conv_bn_relu", "deconvs", "einsums"])
def test_what_exporters_write(name: str) -> None:
    loaded = load_proto(ir.to_proto(ir.from_onnx_text(TEXTS[name])))
    check(loaded, fed(loaded))


@pytest.mark.parametrize("case", LIGHT[::5], ids=str)
def test_operators_between_layers(case: Case) -> None:
    check(load_proto(build(case)), data_for(case))


@pytest.mark.parametrize("recipe", [Recipe(effort="fast", keep_float=("Conv",)), Recipe(effort="fast", standard_operators=True)])
def test_settings_that_place_nodes_are_foretold_too(recipe: Recipe) -> None:
    loaded = load_proto(toy(TOYS["lowered"]))
    plan = check(loaded, fed(loaded), recipe=recipe)
    assert bool(recipe.keep_float) == any(node.because == "kept" for node in plan.nodes.values())


def test_what_the_data_object_to_is_the_only_difference() -> None:
    """A value that never varies keeps its readers float: nothing in the graph tells."""
    loaded = load_proto(toy(TOYS["branches"]))
    plan = check(loaded, {"x": np.zeros((SAMPLES, 8, 16, 16), np.float32)})
    assert any(node.because == "constant" for node in plan.nodes.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_the_zoo(name: str) -> None:
    loaded = load_model(zoo_model(name))
    check(loaded, fed(loaded))
