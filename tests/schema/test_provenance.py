"""What an int8 model says about itself: hashes, and the fate of each node of the float model."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import onnx_ir as ir
import pytest

from edgeq import __version__
from edgeq.api import quantize
from edgeq.schema.grids import GridPlan
from edgeq.schema.origins import NODES_KEY, Origin, pack_origins, read_origins
from edgeq.schema.plan import NodePlan, Plan
from edgeq.schema.provenance import mark_gate, shorten_provenance, write_provenance
from edgeq.schema.target import load_target
from tests.graph_text import net, weights

HASHES = {"model": "m" * 64, "data": "d" * 64, "recipe": "r" * 64}


def plan() -> Plan:
    place = {
        "conv": NodePlan(op_type="Conv", runs="int8", because="kernel", reason=""),
        "relu": NodePlan(op_type="Relu", runs="absorbed", because="absorbed", reason="grid"),
        "move": NodePlan(op_type="Flatten", runs="integer", because="movement", reason=""),
        "exp": NodePlan(op_type="Exp", runs="float", because="obstacle", reason="no kernel"),
        "made_by_prepare": NodePlan(op_type="Mul", runs="float", because="obstacle", reason="new"),
    }
    grid = GridPlan(dtype="uint8", scale=0.5, zero_point=0, rule="mse", reason="")
    return Plan(**HASHES, target="cpu", settings="s", opset=None, nodes=place, grids={"x": grid}, weights={})


def marked() -> ir.Model:
    body = "[conv] a = Conv(x, w) [bn] b = Identity(a) [gone] g = Identity(b) [relu] r = Relu(g) [move] f = Flatten(r) [exp] y = Exp(f)"
    floating = net(body, constants={"w": weights(8, 8, 1, 1)})
    result = floating.clone()
    write_provenance(result, floating, {"bn": "folded into conv"}, plan(), load_target("cpu"))
    return ir.from_proto(ir.to_proto(result))  # as it is read back from a file


def packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode())).decode()


def test_hashes_and_versions() -> None:
    found = marked().metadata_props
    wanted = {f"edgeq.{name}": text for name, text in HASHES.items()}
    wanted |= {"edgeq.version": __version__, "edgeq.target": "cpu", "edgeq.plan": plan().hash, "edgeq.gate": "none"}
    assert {name: found[name] for name in wanted} == wanted
    assert (marked().producer_name, marked().producer_version) == ("edgeq", __version__)


def test_every_node_of_the_float_model_has_a_fate() -> None:
    found = read_origins(marked())
    assert {name: (origin.runs, origin.node) for name, origin in found.items() if origin.runs == "int8"} == {
        "conv": ("int8", "conv"),
        "move": ("int8", "move"),
    }
    assert {name: origin for name, origin in found.items() if origin.runs != "int8"} == {
        "bn": Origin("folded", None, "folded into conv"),
        "gone": Origin("folded", None, "merged with its neighbours in preparation"),
        "relu": Origin("absorbed", None, "grid"),
        "exp": Origin("float", "exp", "no kernel"),
    }


def test_the_record_is_packed_canonical_json() -> None:
    text = zlib.decompress(base64.b64decode(marked().metadata_props[NODES_KEY])).decode()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def test_the_gate_is_marked() -> None:
    model = marked()
    mark_gate(model, "failed")
    assert model.metadata_props["edgeq.gate"] == "failed"


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '{"a": 1}', '{"a": {"runs": "fast"}}', '{"a": {"runs": "int8", "as": 3}}'])
def test_a_damaged_record_is_no_record(text: str) -> None:
    model = marked()
    model.metadata_props[NODES_KEY] = packed(text)
    assert read_origins(model) == {}


def test_a_half_damaged_record_keeps_its_other_half() -> None:
    model = marked()
    model.metadata_props[NODES_KEY] = packed('{"a": {"runs": "float", "as": "a", "reason": "r"}, "b": {"runs": []}}')
    assert read_origins(model) == {"a": Origin("float", "a", "r")}


def test_what_lowering_takes_away_has_its_own_reason() -> None:
    floating = net("h = MatMul(x, w)  y = Add(h, b)", inputs="float[4, 5, 2] x", constants={"w": weights(2, 3), "b": weights(3)})
    made = quantize(floating, {"x": np.random.default_rng(0).normal(size=(8, 4, 5, 2)).astype(np.float32)}, prove=False)
    assert read_origins(made.model)["Add_1"].reason == "merged into MatMul_0"


def crowded(nodes: int, weight: int) -> ir.Model:
    """An int8 model of many float nodes with long reasons, and one weight of so many bytes."""
    rng = np.random.default_rng(0)
    names = ["".join(rng.choice(list("abcdefgh"), 12)) for _ in range(nodes)]
    model = net("y = Relu(x)", constants={"w": np.zeros(max(weight, 4) // 4, np.float32)})
    told = {name: Origin("float", name, "".join(rng.choice(list("abcdefgh "), 80))) for name in names}
    told["merged"] = Origin("absorbed", None, "grid")
    model.metadata_props.update({NODES_KEY: pack_origins(told), "edgeq.plan": "p" * 64, "names": "n" * 5000})
    return model


def own_bytes(model: ir.Model) -> int:
    return sum(len(key) + len(text) for key, text in model.metadata_props.items() if key.startswith("edgeq."))


@pytest.mark.parametrize(("nodes", "weight", "left"), [(3, 0, 4), (200, 0, 1), (200, 400_000, 1), (200, 4_000_000, 201)])
def test_the_record_takes_no_more_than_its_share(nodes: int, weight: int, left: int) -> None:
    model = crowded(nodes, weight)
    shorten_provenance(model)
    assert own_bytes(model) <= max(1024, 0.02 * weight)
    assert model.metadata_props["edgeq.plan"] == "p" * 64
    assert model.metadata_props["names"] == "n" * 5000
    assert len(read_origins(model)) == left


def test_what_does_not_fit_at_all_is_left_to_the_plan() -> None:
    model = crowded(1, 0)
    rng = np.random.default_rng(1)
    model.metadata_props[NODES_KEY] = pack_origins(
        {"".join(rng.choice(list("abcdefgh"), 9)): Origin("folded", None, "") for _ in range(900)}
    )
    shorten_provenance(model)
    assert NODES_KEY not in model.metadata_props
    assert read_origins(model) == {}
    assert own_bytes(model) <= 1024


def test_a_quantized_model_is_not_much_larger_than_its_parts() -> None:
    chain = "  ".join(f"v{n + 1} = {('Exp', 'Neg', 'Abs')[n % 3]}(v{n})" for n in range(60))
    floating = net(f"v0 = MatMul(x, w)  {chain}  y = Relu(v60)", inputs="float[4, 8] x", constants={"w": weights(8, 8)})
    made = quantize(floating, {"x": np.random.default_rng(0).normal(size=(8, 4, 8)).astype(np.float32)}, prove=False)
    assert own_bytes(made.model) <= 1024
