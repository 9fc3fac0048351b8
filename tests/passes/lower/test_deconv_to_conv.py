"""DeconvToConv: windows that do not overlap become a Conv and DepthToSpace; others stay."""

from __future__ import annotations

import pytest

from edgeq.passes.lower.deconv_to_conv import DeconvToConv
from edgeq.rewrite.lower import lower
from edgeq.rewrite.prepare import prepare
from edgeq.schema.target import load_target
from edgeq.testing import check_pass
from edgeq.testing.pass_models import named_model
from tests.graph_text import Constants, lines, net, weights

NUMBERS: Constants = {"w": weights(4, 2, 2, 2), "three": weights(4, 2, 3, 3), "line": weights(4, 2, 2), "b": weights(2)}
TWICE = "strides = [2, 2]"


def test_with_bias_and_groups() -> None:
    after = check_pass(DeconvToConv(), named_model("deconvs"))
    assert [line.split("(")[0] for line in lines(after)] == [
        "y_channels = Conv",
        "y = DepthToSpace",
        "z_channels = Conv",
        "z = DepthToSpace",
    ]


@pytest.mark.parametrize(
    ("group", "out", "bias"),
    [(1, 3, ""), (2, 1, ""), (2, 3, "bias"), (4, 2, "bias")],
)
def test_every_group_keeps_its_channels(group: int, out: int, bias: str) -> None:
    constants = {"v": weights(8, out, 3, 3), "bias": weights(group * out)}
    body = f"y = ConvTranspose<strides = [3, 3], group = {group}>(x, v{', bias' if bias else ''})"
    check_pass(DeconvToConv(), net(body, inputs="float[N, 8, 2, 3] x", constants=constants))


@pytest.mark.parametrize(
    "body",
    [
        f"y = ConvTranspose<{TWICE}>(x, three)",  # windows overlap
        "y = ConvTranspose<strides = [3, 2]>(x, w)",
        "y = ConvTranspose(x, w)",
        f"y = ConvTranspose<{TWICE}, pads = [1, 0, 1, 0]>(x, w)",
        f"y = ConvTranspose<{TWICE}, output_padding = [1, 1]>(x, w)",
        f'y = ConvTranspose<{TWICE}, auto_pad = "SAME_UPPER">(x, w)',
        f"y = ConvTranspose<{TWICE}, output_shape = [9, 9]>(x, w)",
        f"y = ConvTranspose<{TWICE}, dilations = [2, 2]>(x, w)",
        f"y = ConvTranspose<{TWICE}>(x, v)",  # weights that are computed
    ],
)
def test_others_stay(body: str) -> None:
    model = net(body, inputs="float[N, 4, 5, 5] x, float[4, 2, 2, 2] v", constants=NUMBERS)
    assert not DeconvToConv()(model).modified


def test_of_one_axis_stays() -> None:
    model = net("y = ConvTranspose<strides = [2]>(x, line)", inputs="float[N, 4, 5] x", constants=NUMBERS)
    assert not DeconvToConv()(model).modified


@pytest.mark.parametrize(("channels", "group", "wanted"), [(128, 1, "Conv"), (96, 1, "ConvTranspose"), (128, 2, "ConvTranspose")])
def test_cpu_takes_it_where_it_is_faster(channels: int, group: int, wanted: str) -> None:
    body = f"y = ConvTranspose<{TWICE}, group = {group}>(x, v)"
    model = net(body, inputs=f"float[N, {channels}, 3, 3] x", constants={"v": weights(channels, 2, 2, 2)})
    prepared = prepare(model).model
    lower(prepared, load_target("cpu"))
    assert prepared.graph.node(0).op_type == wanted


def test_a_node_that_is_kept_float_stays() -> None:
    model = named_model("deconvs")
    name = str(next(iter(model.graph)).name)
    assert DeconvToConv(frozenset({name}))(model).modified
    assert next(node.op_type for node in model.graph) == "ConvTranspose"
