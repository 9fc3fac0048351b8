"""The code that a report prints runs as it is printed, in a Python of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

from edgeq.api import quantize
from edgeq.report.port import Port
from edgeq.report.report import Report
from edgeq.report.snippet import snippet, variables
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target, shipped_targets
from tests.graph_text import net, weights
from tests.reports import full_report

FAST = Recipe(effort="fast")
#: options of onnxruntime's execution providers, as its documentation lists them (onnxruntime.ai,
#: Execution Providers; QNN: SessionOptionsAppendExecutionProvider of the C API)
DOCUMENTED = {
    "TensorrtExecutionProvider": {"trt_int8_enable", "trt_fp16_enable", "trt_engine_cache_enable"},
    "NnapiExecutionProvider": set[str](),
    "QNNExecutionProvider": {"backend_path", "backend_type", "htp_performance_mode"},
    "OpenVINOExecutionProvider": {"device_type", "precision", "num_of_threads"},
}
PROVIDED = [name for name in shipped_targets() if load_target(name).provider is not None]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def ran(code: str, folder: Path, *more: str) -> list[str]:
    """Run the code in a child, and then print what its outputs are."""
    tail = "\nprint([(str(one.dtype), list(one.shape)) for one in outputs])\n" + "\n".join(more)
    done = subprocess.run([sys.executable, "-c", code + tail], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, code + "\n" + done.stderr
    return done.stdout.splitlines()


def printed(model: ir.Model, data: dict[str, np.ndarray], folder: Path, name: str = "it's here.onnx", target: str = "cpu") -> str:
    """The code for a model that was quantized with this data, and written."""
    made = quantize(model, data, target=target, recipe=FAST, prove=False)
    made.save(folder / name)
    return snippet(made.report, name)


# ------------------------------------------------------------------ onnxruntime


def test_an_onnx_model_of_dynamic_sizes_runs_on_a_sample_of_the_data(tmp_path: Path) -> None:
    model = net("y = Conv(x, w)", inputs="float[N, 3, H, W] x", outputs="float[N, 4, P, Q] y", constants={"w": weights(4, 3, 5, 5)})
    assert ran(printed(model, {"x": normal(9, 3, 12, 14)}, tmp_path), tmp_path) == ["[('float32', [1, 4, 8, 10])]"]


def test_names_that_are_no_identifiers(tmp_path: Path) -> None:
    """A keyword, a name of the code's own, a digit first, and two that look alike in Python."""
    names = ("class", "session", "1st.in", "a.b", "a b", "größe")
    inputs = ", ".join(f"float[N, 8] i{place}" for place in range(len(names)))
    sums = "s0 = Add(i0, i1) s1 = Add(s0, i2) s2 = Add(s1, i3) s3 = Add(s2, i4) s4 = Add(s3, i5) y = MatMul(s4, w)"
    model = net(sums, inputs=inputs, outputs="float[N, 4] y", constants={"w": weights(8, 4)})
    for value, name in zip(model.graph.inputs, names, strict=True):
        value.name = name
    code = printed(model, {name: normal(9, 8, seed=place) for place, name in enumerate(names)}, tmp_path)
    assert ran(code, tmp_path) == ["[('float32', [1, 4])]"]


def test_whole_numbers_and_truth_values_are_fed_as_such(tmp_path: Path) -> None:
    """A rate that is checked has to be the data's own, not 0."""
    body = "g = Gather<axis = 0>(t, ids) f = Cast<to = 1>(rate) d = Div(g, f) m = Where(flags, d, z) y = MatMul(m, w)"
    constants = {"t": weights(9, 8), "w": weights(8, 4), "z": np.zeros(1, np.float32)}
    model = net(body, inputs="int64[N] ids, int64 rate, bool[N, 8] flags", outputs="float[N, 4] y", constants=constants)
    data = {
        "ids": np.arange(27).reshape(9, 3) % 9,
        "rate": np.full(9, 16000),
        "flags": np.random.default_rng(0).random((9, 3, 8)) > 0.2,
    }
    code = printed(model, data, tmp_path)
    assert "16000" in code
    assert ran(code, tmp_path, "print(bool(np.isfinite(outputs[0]).all()))") == ["[('float32', [3, 4])]", "True"]


def test_text_and_sequences_are_fed_as_such(tmp_path: Path) -> None:
    body = "c = ConcatFromSequence<axis = 0>(s) m = MatMul(c, w) y = Relu(m)"
    model = net(body, inputs="seq(float[N, 4]) s", outputs="float[M, 2] y", constants={"w": weights(4, 2)})
    assert ran(printed(model, {"s": normal(9, 3, 2, 4)}, tmp_path), tmp_path) == ["[('float32', [6, 2])]"]
    port = Port("t", "text", ("N",), sample=(2,))
    assert 'np.full((2,), "text", object)' in snippet(_report_of(port), "m.onnx")


def test_types_that_numpy_lacks(tmp_path: Path) -> None:
    """The model keeps its type: values of onnxruntime go in and come out."""
    body = "c = Cast<to = 1>(x) m = MatMul(c, w) y = Cast<to = 16>(m)"
    model = net(body, inputs="bfloat16[N, 4] x", outputs="bfloat16[N, 3] y", constants={"w": weights(4, 3)})
    code = printed(model, {"x": normal(9, 4)}, tmp_path)
    shown = "\nprint([(one.element_type(), list(one.shape())) for one in outputs])\noutputs = []"
    assert ran(code + shown, tmp_path) == ["[(16, [1, 3])]", "[]"]


def test_a_name_cannot_leave_its_comment() -> None:
    code = snippet(_report_of(Port("x\nimport os", "float32", ("N\nimport os", 4))), "m.onnx")
    assert "\nimport os" not in code


def test_names_of_python_stay_what_they_are() -> None:
    found = variables(["np", "dict", "x", "X", "None", "", "*", "a", "a"])
    assert len(set(found)) == len(found)
    assert not {"np", "dict", "None"} & set(found)
    assert all(name.isidentifier() for name in found)


# ------------------------------------------------------------------ providers


@pytest.mark.parametrize("target", PROVIDED)
def test_providers_and_their_options_are_onnxruntimes(target: str) -> None:
    provider = load_target(target).provider
    assert provider is not None
    assert provider.name in ort.get_all_providers()
    assert set(provider.options) <= DOCUMENTED[provider.name]


@pytest.mark.parametrize("target", PROVIDED)
@pytest.mark.filterwarnings("ignore")
def test_the_code_of_a_provider_runs_on_the_cpu_where_it_is_not_installed(target: str, tmp_path: Path) -> None:
    model = net(
        "c = Conv(x, w) y = Relu(c)", inputs="float[1, 3, 8, 8] x", outputs="float[1, 8, 6, 6] y", constants={"w": weights(8, 3, 3, 3)}
    )
    code, provider = printed(model, {"x": normal(9, 3, 8, 8)}, tmp_path, target=target), load_target(target).provider
    compile(code, "snippet", "exec")
    assert provider is not None
    assert provider.name in code
    if provider.package is None or find_spec(provider.package):
        assert ran(code, tmp_path) == ["[('float32', [1, 8, 6, 6])]"]


def test_other_targets_run_on_the_cpu_provider() -> None:
    assert all("Provider" not in snippet(_report_of(Port("x", "float32", (1, 4))), out) for out in ("m.onnx", "m.tflite"))


# ------------------------------------------------------------------ LiteRT


@pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="needs LiteRT (extra backends)")
@pytest.mark.parametrize("float_io", [False, True])
@pytest.mark.parametrize(
    ("inputs", "shape", "body", "outputs"),
    [
        ("float[N, 3, 8, 10] x", (3, 8, 10), "y = Conv(x, w)", "float[N, 4, 6, 8] y"),
        ("float[N, 8, 10, 3] x", (8, 10, 3), "t = Transpose<perm = [0, 3, 1, 2]>(x) y = Conv(t, w)", "float[N, 4, 6, 8] y"),
        ("float[N, 3, 20] x", (3, 20), "y = Conv(x, v)", "float[N, 4, 18] y"),
        ("float[N, 6] x", (6,), "y = MatMul(x, k)", "float[N, 4] y"),
    ],
    ids=["channels first", "channels last", "sound", "features"],
)
def test_a_tflite_file_takes_what_is_printed(
    inputs: str, shape: tuple[int, ...], body: str, outputs: str, float_io: bool, tmp_path: Path
) -> None:
    constants = {"w": weights(4, 3, 3, 3), "v": weights(4, 3, 3), "k": weights(6, 4)}
    used = {name: array for name, array in constants.items() if f" {name})" in body}
    target = load_target("mcu_tflite", float_io=float_io)
    made = quantize(
        net(body, inputs=inputs, outputs=outputs, constants=used), {"x": normal(9, *shape)}, target=target, recipe=FAST, prove=False
    )
    made.save(tmp_path / "m.tflite")
    kind = "float32" if float_io else "int8"
    (told,) = ran(snippet(made.report, "m.tflite"), tmp_path)
    assert told.startswith(f"[('{kind}', [1, ")


@pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="needs LiteRT (extra backends)")
def test_unsigned_codes_become_signed_ones_in_a_tflite_file(tmp_path: Path) -> None:
    model = net("y = Conv(x, w)", inputs="float[1, 3, 8, 8] x", outputs="float[1, 4, 6, 6] y", constants={"w": weights(4, 3, 3, 3)})
    made = quantize(model, {"x": normal(9, 3, 8, 8)}, target="dsp_int8", recipe=FAST, prove=False)
    (port,) = made.report.inputs
    if port.dtype != "uint8" or port.zero_point is None:
        pytest.skip("the target has no unsigned codes")
    made.save(tmp_path / "m.tflite")
    code = snippet(made.report, "m.tflite")
    assert f"+ {port.zero_point - 128})" in code
    ran(code, tmp_path)


def _report_of(*ports: Port) -> Report:
    """A report with another input, and other outputs."""
    return replace(full_report(), inputs=ports[:1], outputs=ports[1:])
