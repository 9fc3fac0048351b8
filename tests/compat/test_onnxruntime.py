"""Scripts written for onnxruntime.quantization run with the import changed, or are refused by name.

Each script is run as it is first, by onnxruntime: it has to be one that its users may have.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeq.compat.arguments import ARGUMENTS, table
from edgeq.errors import BadRecipe
from tests.docs.written import ROOT

NET = """<ir_version: 8, opset_import: ["": 17]>
net (float[N, 3, 12, 12] input) => (float[N, 5] output) {
  [conv_a] a = Conv<pads=[1, 1, 1, 1]>(input, wa, ba)
  [relu_a] ra = Relu(a)
  [conv_b] b = Conv(ra, wb, bb)
  [sig] rb = Sigmoid(b)
  [pool] p = GlobalAveragePool(rb)
  [flat] f = Flatten(p)
  [fc] output = Gemm(f, wc, bc)
}"""
HEAD = """
import numpy as np
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

PERCENTILE = CalibrationMethod.Percentile
OPERATORS = ["Conv", "Relu", "Sigmoid", "GlobalAveragePool", "Flatten", "MatMul", "Gemm"]

class Reader(CalibrationDataReader):
    def __init__(self):
        rng = np.random.default_rng(1)
        self.feeds = iter([{"input": rng.normal(size=(1, 3, 12, 12)).astype(np.float32)} for _ in range(24)])

    def get_next(self):
        return next(self.feeds, None)

    def rewind(self):
        self.__init__()
"""
U8S8 = "activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8"
LAYERS = {"conv_a", "conv_b", "fc"}
#: what a script calls -> the layers that it leaves float
RUN: dict[str, set[str]] = {
    "quantize_static('m.onnx', 'q.onnx', Reader())": set(),
    "quantize_static(model_input='m.onnx', model_output='q.onnx', calibration_data_reader=Reader(), quant_format=QuantFormat.QDQ)": set(),
    f"quantize_static('m.onnx', 'q.onnx', Reader(), {U8S8})": set(),
    f"quantize_static('m.onnx', 'q.onnx', Reader(), per_channel=True, reduce_range=True, {U8S8})": set(),
    f"quantize_static('m.onnx', 'q.onnx', Reader(), calibrate_method=CalibrationMethod.Entropy, {U8S8})": set(),
    f"quantize_static('m.onnx', 'q.onnx', Reader(), calibrate_method=CalibrationMethod.Percentile, {U8S8})": set(),
    "quantize_static('m.onnx', 'q.onnx', Reader(), calibrate_method=PERCENTILE, extra_options={'CalibPercentile': 99})": set(),
    "quantize_static('m.onnx', 'q.onnx', Reader(), nodes_to_exclude=['conv_a'])": {"conv_a"},
    "quantize_static('m.onnx', 'q.onnx', Reader(), nodes_to_exclude=['conv_a', 'not there'])": {"conv_a"},
    "quantize_static('m.onnx', 'q.onnx', Reader(), nodes_to_quantize=['conv_b'])": {"conv_a", "fc"},
    "quantize_static('m.onnx', 'q.onnx', Reader(), op_types_to_quantize=['Gemm'])": {"conv_a", "conv_b"},
    "quantize_static('m.onnx', 'q.onnx', Reader(), op_types_to_quantize=OPERATORS)": set(),
    "quantize_static('m.onnx', 'q.onnx', Reader(), extra_options={'WeightSymmetric': True, 'EnableSubgraph': True})": set(),
    "quantize_static('m.onnx', 'q.onnx', Reader(), extra_options={'CalibMovingAverage': True, 'CalibMovingAverageConstant': 0.05})": set(),
    "quantize_static('m.onnx', 'q.onnx', Reader(), extra_options={'CalibMaxIntermediateOutputs': 7, 'DedicatedQDQPair': True})": set(),
    "quantize_static('m.onnx', 'q.onnx', Reader(), extra_options={'MatMulConstBOnly': True, 'ForceQuantizeNoInputCheck': True})": set(),
    "quantize_static('m.onnx', 'q.onnx', Reader(), calibration_providers=['CPUExecutionProvider'], use_external_data_format=False)": set(),
    "import onnx; quantize_static(onnx.load('m.onnx'), 'q.onnx', Reader())": set(),
}
#: what a script calls -> the argument that the refusal names
REFUSED = {
    "quantize_static('m.onnx', 'q.onnx', Reader(), quant_format=QuantFormat.QOperator)": "quant_format",
    "quantize_static('m.onnx', 'q.onnx', Reader(), activation_type=QuantType.QUInt16)": "activation_type",
    f"quantize_static('m.onnx', 'q.onnx', Reader(), extra_options={{'AddQDQPairToWeight': True}}, {U8S8})": "AddQDQPairToWeight",
    "quantize_static('m.onnx', 'q.onnx', Reader(), extra_options={'WeightSymmetric': False})": "WeightSymmetric",
    "quantize_static('m.onnx', 'q.onnx', Reader(), extra_options={'QDQKeepRemovableActivations': True})": "QDQKeepRemovableActivations",
    "quantize_static('m.onnx', 'q.onnx', Reader(), extra_options={'MinimumRealRange': 0.01})": "MinimumRealRange",
    "quantize_static('m.onnx', 'q.onnx', Reader(), extra_options={'OpTypesToExcludeOutputQuantization': ['Conv']})": "OpTypesToExclude",
    "quantize_static('m.onnx', 'q.onnx', Reader(), extra_options={'TensorQuantOverrides': {'ra': [{'symmetric': True}]}})": "TensorQuant",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(0)
    model = onnx.parser.parse_model(NET)
    for name, shape in {"wa": (8, 3, 3, 3), "ba": (8,), "wb": (16, 8, 3, 3), "bb": (16,), "wc": (16, 5), "bc": (5,)}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name))
    onnx.save(model, tmp_path / "m.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(call: str, module: str) -> dict[str, object]:
    names: dict[str, object] = {}
    first, _, last = call.rpartition("; ")
    script = f"{HEAD}\n{first}\nresult = {last}\n"
    exec(compile(script.replace("onnxruntime.quantization", module), "script", "exec"), names)
    return names


@pytest.mark.parametrize("call", RUN)
def test_a_script_runs_with_the_import_changed(call: str, folder: Path) -> None:
    run(call, "onnxruntime.quantization")
    (folder / "q.onnx").unlink()
    made = run(call, "edgeq.compat.onnxruntime")["result"]
    onnx.checker.check_model(onnx.load("q.onnx"))
    nodes = made.report.placement.nodes  # type: ignore[attr-defined]
    integers = {node.name for node in nodes if node.runs_as == "int8" and node.name in LAYERS}
    assert integers & RUN[call] == set()
    assert RUN[call] or integers == LAYERS


@pytest.mark.parametrize("call", REFUSED)
def test_what_has_no_counterpart_is_refused_by_name(call: str, folder: Path) -> None:
    run(call, "onnxruntime.quantization")
    (folder / "q.onnx").unlink()
    with pytest.raises(BadRecipe) as refused:
        run(call, "edgeq.compat.onnxruntime")
    assert REFUSED[call] in refused.value.where
    assert refused.value.fix
    assert not (folder / "q.onnx").exists()


def test_the_enumerations_of_onnxruntime_are_taken_as_well(folder: Path) -> None:  # noqa: ARG001  (the folder with the model)
    from onnxruntime.quantization import QuantType

    from edgeq.compat.onnxruntime import quantize_static

    data = np.random.default_rng(1).normal(size=(24, 3, 12, 12)).astype(np.float32)
    quantize_static("m.onnx", "q.onnx", data, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt4)
    weights = [onnx.numpy_helper.to_array(one) for one in onnx.load("q.onnx").graph.initializer]
    codes = [one for one in weights if one.dtype == np.int8 and one.ndim > 1]
    assert codes and all(np.abs(one).max() <= 8 for one in codes)


def test_symmetric_activations_choose_the_target(folder: Path) -> None:  # noqa: ARG001  (the folder with the model)
    made = run("quantize_static('m.onnx', 'q.onnx', Reader(), extra_options={'ActivationSymmetric': True})", "edgeq.compat.onnxruntime")
    assert made["result"].plan.target == "tensorrt"  # type: ignore[attr-defined]


def test_a_misspelled_option_is_found(folder: Path) -> None:  # noqa: ARG001  (the folder with the model)
    with pytest.raises(BadRecipe, match="ActivationSymmetric"):
        run("quantize_static('m.onnx', 'q.onnx', Reader(), extra_options={'ActivationSymetric': True})", "edgeq.compat.onnxruntime")


def test_dynamic_quantization_is_refused_with_what_to_use() -> None:
    from edgeq.compat.onnxruntime import quantize_dynamic

    with pytest.raises(BadRecipe, match="quantize_static"):
        quantize_dynamic("m.onnx", "q.onnx")


def test_pre_processing_writes_the_model(folder: Path) -> None:
    from edgeq.compat.onnxruntime import quant_pre_process

    quant_pre_process("m.onnx", "p.onnx", skip_symbolic_shape=True)
    assert {node.name for node in onnx.load(folder / "p.onnx").graph.node} == {
        node.name for node in onnx.load(folder / "m.onnx").graph.node
    }


def test_every_option_of_onnxruntime_has_a_row() -> None:
    """They are read from its signature and its documentation, so that a new one is seen."""
    import inspect
    import re

    from onnxruntime.quantization import quantize_static

    documented = set(re.findall(r"^ {16}([A-Z]\w+) =", quantize_static.__doc__ or "", re.MULTILINE))
    arguments = {*inspect.signature(quantize_static).parameters} - {"extra_options"}
    rows = {one.name for one in ARGUMENTS}
    assert documented and sorted((documented | arguments) - rows) == []


def test_the_migration_guide_shows_the_table() -> None:
    text = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")
    assert "\n".join(table()) in text
