"""`edgeq prove --runtime`: the real runtimes run the emitted model; those that are not installed
are said to be missing.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from rich.console import Console

from edgeq.api import Quantized, quantize
from edgeq.cli.main import main
from edgeq.cli.prove_runtime import proofs_text
from edgeq.data.open import open_dataset
from edgeq.errors import BadRecipe, MissingExtra, RuntimeRefused
from edgeq.graph.signature import input_specs
from edgeq.integers.emit import emit_tflite
from edgeq.integers.legality.check import check_model
from edgeq.io.load import load_proto
from edgeq.numerics.fidelity import Agreement
from edgeq.proof.elsewhere.distance import Distance, OutputDistance
from edgeq.proof.elsewhere.handed import ProofSubject
from edgeq.proof.elsewhere.other_runtimes import RuntimeProof, prove_in
from edgeq.runtimes.table import RuntimeName, look_up
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target
from tests.graph_text import net as graph
from tests.graph_text import weights
from tests.small_models import text_model
from tests.targets.test_integer_only import net, samples


def needs(runtime: RuntimeName) -> None:
    if not look_up(runtime).installed:
        pytest.skip(f"{runtime} is not installed: pip install 'edgeq[backends]'")


def made(target: str) -> Quantized:
    return quantize(net(), samples(), target=target, recipe=Recipe(effort="fast"), prove=False)


@pytest.mark.parametrize("runtime", ["litert", "tflm"])
def test_tflite_runtimes_agree_with_onnx(runtime: RuntimeName) -> None:
    needs(runtime)
    data = open_dataset(samples(), input_specs(load_proto(net()).model))
    for proof in prove_in(runtime, ProofSubject(made("mcu_tflite").model), data):
        assert proof.integer == len(proof.operators) > 8
        assert proof.distance is not None
        (output,) = proof.distance.outputs
        assert (proof.distance.samples, output.max_lsb <= 8) == (16, True)
        assert output.agreement is not None and output.agreement >= 0.9


def test_ties_are_told_beside_agreement() -> None:
    """Only a row whose other class has the reference's very largest number counts as a tie."""
    reference = np.float32([[1, 3, 3], [1, 3, 3], [1, 3, 2], [5, 1, 1]])
    other = np.float32([[0, 1, 2], [0, 2, 1], [0, 1, 2], [3, 1, 1]])
    counted = Agreement()
    counted.add(reference, other)
    assert (counted.share, counted.ties) == (0.5, 0.25)
    assert Agreement().ties is None


def test_the_text_of_a_proof_tells_ties() -> None:
    output = OutputDistance("y", 1.0, 0.5, 0.9, 0.97, 0.02, 30.0)
    proof = RuntimeProof("tflm", "1", (), Distance((output,), 100, 1.0), "read")
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(proofs_text([proof, replace(proof, distance=Distance((replace(output, ties=0.0),), 100, 1.0))]))
    said = console.export_text()
    assert said.count("same arg-max 97.00 %") == 2
    assert said.count("2.00 % ties") == 1


def test_litert_says_what_xnnpack_took() -> None:
    needs("litert")
    reference, xnnpack = prove_in("litert", ProofSubject(made("mcu_tflite").model))
    assert {op.kernel for op in reference.operators} == {"LiteRT reference"}
    assert "XNNPACK" in {op.kernel for op in xnnpack.operators if op.op_type == "CONV_2D"}


@pytest.mark.parametrize("accelerator", ["ethos-u55-128", "ethos-u85-256"])
def test_vela_places_everything(accelerator: str) -> None:
    needs("vela")
    (proof,) = prove_in("vela", ProofSubject(made("ethos_u").model), accelerator=accelerator)
    assert proof.integer == len(proof.operators) > 8


def test_vela_names_an_unknown_accelerator() -> None:
    with pytest.raises(BadRecipe, match="ethos-u99"):
        prove_in("vela", ProofSubject(made("ethos_u").model), accelerator="ethos-u99")


def test_openvino_is_asked_for_float32() -> None:
    """Where a processor has bfloat16, OpenVINO would else take it, and hide errors of codes."""
    needs("openvino")
    from edgeq.runtimes.openvino import OpenVino

    opened = OpenVino(ir.to_proto(made("openvino").model).SerializeToString())
    told = opened._compiled.get_property("INFERENCE_PRECISION_HINT")
    assert "f32" in str(told) or "float32" in str(told)


def test_openvino_computes_layers_in_integers() -> None:
    needs("openvino")
    data = open_dataset(samples(), input_specs(load_proto(net()).model))
    (proof,) = prove_in("openvino", ProofSubject(made("openvino").model), data)
    layers = [op for op in proof.operators if op.op_type in ("Convolution", "FullyConnected", "MatMul")]
    assert len(layers) == 3
    assert all(op.integer for op in layers), layers


def test_qnn_takes_every_node() -> None:
    needs("qnn")
    data = open_dataset(samples(), input_specs(load_proto(net()).model))
    (proof,) = prove_in("qnn", ProofSubject(made("qnn_htp").model), data)
    assert proof.distance is not None
    (output,) = proof.distance.outputs
    assert output.agreement is not None and output.agreement >= 0.9


CLAMPED = """<ir_version: 8, opset_import: ["": 17]>
net (float[N, 3, 8, 8] x) => (float[N, 8, 8, 8] y) {
  [a] a = Conv<pads = [1, 1, 1, 1]>(x, w)
  [six] p = Clip(a, zero, six)
  [b] b = Conv<pads = [1, 1, 1, 1]>(x, v)
  [relu] q = Relu(b)
  [cat] y = Concat<axis = 1>(p, q)
}"""


def clamped(target: Target) -> Quantized:
    """Relu6 of one branch lives in its grid; the other branch reaches further, and both start
    at 0.
    """
    rng = np.random.default_rng(3)
    constants = {"zero": np.array(0, np.float32), "six": np.array(6, np.float32)}
    constants |= {"w": rng.normal(size=(4, 3, 3, 3)).astype(np.float32), "v": 4 * rng.normal(size=(4, 3, 3, 3)).astype(np.float32)}
    return quantize(text_model(CLAMPED, constants), samples(), target=target, recipe=Recipe(effort="fast", rule="minmax"), prove=False)


def test_no_clamp_is_lost_by_construction() -> None:
    target = load_target("qnn_htp")
    model = clamped(target).model
    assert [violation for violation in check_model(model, target) if violation.rule == "lost_clamp"] == []


def test_no_clamp_is_lost_on_the_emulator() -> None:
    """The target keeps clear of saturation: onnxruntime, which is compared with, saturates on x86
    without VNNI.
    """
    needs("qnn")
    result = clamped(load_target("qnn_htp").without_vnni())
    inputs = input_specs(result.model)
    (proof,) = prove_in("qnn", ProofSubject(result.model), open_dataset(samples(), inputs))
    assert proof.distance is not None
    assert proof.distance.outputs[0].max_lsb <= 3


def test_a_missing_runtime_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tflite_micro.python.tflite_micro", None)
    with pytest.raises(MissingExtra) as missing:
        prove_in("tflm", ProofSubject(None, emit_tflite(made("mcu_tflite").model)))
    assert "pip install tflite-micro" in missing.value.fix


def test_the_whole_way_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs("litert")
    import onnx

    onnx.save(net(), tmp_path / "net.onnx")
    np.savez(tmp_path / "data.npz", **samples())
    words = ["quantize", str(tmp_path / "net.onnx"), "-d", str(tmp_path / "data.npz"), "--target", "mcu_tflite", "--effort", "fast", "-q"]
    assert main([*words, "-o", str(tmp_path / "net.tflite"), "--golden", "2"]) == 0
    assert main([*words, "-o", str(tmp_path / "net.int8.onnx")]) == 0
    golden = np.load(tmp_path / "net.golden.npz")
    assert {name: golden[name].shape for name in golden.files} == {"in_x": (2, 8, 8, 3), "out_y": (2, 4)}
    proven = ["prove", str(tmp_path / "net.tflite"), "--runtime", "litert", "--json", "-q"]
    assert main([*proven, "--reference", str(tmp_path / "net.int8.onnx"), "-d", str(tmp_path / "data.npz")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [proof["runtime"] for proof in said["proofs"]] == ["litert reference", "litert xnnpack"]
    assert said["proofs"][0]["distance"]["samples"] == 16
    assert 0 <= said["proofs"][0]["distance"]["outputs"][0]["ties"] <= 1
    assert main(["check", str(tmp_path / "net.int8.onnx"), "--target", "mcu_tflite", "-q"]) == 0
    assert main(["check", str(tmp_path / "net.int8.onnx"), "--target", "dsp_int8", "-q"]) == 3
    assert main(["prove", str(tmp_path / "net.tflite"), "--runtime", "qnn", "-q"]) == 2


def test_nothing_is_written_when_tflite_cannot_express_the_model(tmp_path: Path) -> None:
    import onnx

    dilated = "a = Conv(x, w)  y = MaxPool<kernel_shape = [2, 2], dilations = [2, 2]>(a)"
    onnx.save(ir.to_proto(graph(dilated, inputs="float[N, 3, 8, 8] x", constants={"w": weights(4, 3, 3, 3)})), tmp_path / "net.onnx")
    np.savez(tmp_path / "data.npz", **samples())
    words = ["quantize", str(tmp_path / "net.onnx"), "-d", str(tmp_path / "data.npz"), "--target", "npu_int8", "--effort", "fast", "-q"]
    (tmp_path / "as_onnx").mkdir()
    assert main([*words, "-o", str(tmp_path / "as_onnx" / "net.int8.onnx")]) == 0
    assert main([*words, "-o", str(tmp_path / "net.tflite")]) == 2  # TFLite has no dilated pools
    assert sorted(path.name for path in tmp_path.iterdir()) == ["as_onnx", "data.npz", "net.onnx"]


def test_c_source_holds_the_file_and_what_firmware_must_know(tmp_path: Path) -> None:
    needs("tflm")
    import onnx

    from edgeq.runtimes.tflite.arena import ARENA_STEP
    from edgeq.runtimes.tflite.tflm import TfLiteMicro

    onnx.save(net(), tmp_path / "net.onnx")
    np.savez(tmp_path / "data.npz", **samples())
    words = ["quantize", str(tmp_path / "net.onnx"), "-d", str(tmp_path / "data.npz"), "--target", "mcu_tflite", "--effort", "fast", "-q"]
    assert main([*words, "-o", str(tmp_path / "gate net.tflite"), "--emit", "c", "--no-plan"]) == 0
    source, header = (tmp_path / "gate net.c").read_text(), (tmp_path / "gate net.h").read_text()
    model = (tmp_path / "gate net.tflite").read_bytes()
    assert bytes(int(word, 16) for word in source.split("{")[1].split("}")[0].split(",")) == model
    defined = dict(line.split(" ", 2)[1:] for line in header.splitlines() if line.startswith("#define GATE_NET_") and line.count(" ") == 2)
    assert (defined["GATE_NET_INPUT_0_ELEMENTS"], defined["GATE_NET_OUTPUT_0_ZERO_POINT"]) == ("192", "(-128)")
    arena = int(defined["GATE_NET_ARENA_BYTES"])
    TfLiteMicro(model, arena=arena)
    with pytest.raises(RuntimeRefused):
        TfLiteMicro(model, arena=arena - 2 * ARENA_STEP)


def test_c_source_wants_a_tflite_file(tmp_path: Path) -> None:
    words = ["quantize", str(tmp_path / "net.onnx"), "-d", "x.npz", "-q", "--emit"]
    assert main([*words, "c", "-o", str(tmp_path / "net.int8.onnx")]) == 2
    assert main([*words, "cpp", "-o", str(tmp_path / "net.tflite")]) == 2


def test_a_file_that_crashes_litert_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model without any graph is valid as a flatbuffer, and LiteRT reads behind its end."""
    needs("litert")
    import flatbuffers

    builder = flatbuffers.Builder(0)
    builder.StartObject(5)
    builder.PrependUint32Slot(0, 3, 0)
    builder.Finish(builder.EndObject(), b"TFL3")
    path = tmp_path / "empty.tflite"
    path.write_bytes(bytes(builder.Output()))
    assert main(["prove", str(path), "--runtime", "litert"]) == 2
    assert "ends with signal 11" in capsys.readouterr().err


def test_a_file_that_tflite_micro_cannot_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs("tflm")
    path = tmp_path / "cut.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(64))
    assert main(["prove", str(path), "--runtime", "tflm"]) == 2
    assert "TFLite Micro refuses the model" in capsys.readouterr().err
