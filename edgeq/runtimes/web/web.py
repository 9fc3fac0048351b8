"""onnxruntime-web in Node and, where one is found, in a browser without a window.

Which kernels ran is read from its own profile of one run. The build for WebAssembly has no files,
so the profile has nowhere to go: a copy of its glue code is told to hand it to the console.
"""

from __future__ import annotations

import json
import os
import subprocess
import weakref
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np

from edgeq.errors import RuntimeRefused
from edgeq.graph.operators import INTEGER_KERNELS
from edgeq.io.temporaries import ScratchFolder
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.protocol import Port
from edgeq.runtimes.ran_operator import RanOperator
from edgeq.runtimes.runtime import Opened, Request, Runtime
from edgeq.runtimes.web.programs import PACKAGE, browser_program, node_program, package_folder, package_version
from edgeq.runtimes.web.server import Message, Server

#: where the glue code keeps what is written to each open file; none is open but those of a console
_CLOSED, _OPEN = "[null,[],[]]", "[[],[],[]]"
_CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")
_CODES = ("int8", "uint8")
#: the last word of the command of a browser
_PAGE = "{address}/"
_BROWSER = ("--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-background-networking")


class Web:
    """An ONNX model in one program: Node, or a browser."""

    def __init__(self, model: bytes, package: Path, words: Sequence[str]) -> None:
        """words: the program with its options, without the address. Raises RuntimeRefused."""
        self.inputs, self.outputs = _ports(model)
        self._in_page = words[-1] == _PAGE
        self._scratch = ScratchFolder()
        glue = self._scratch.path / "glue.mjs"
        written = (package / "ort-wasm-simd-threaded.mjs").read_text(encoding="utf-8")
        self._profiles = _CLOSED in written
        glue.write_text(written.replace(_CLOSED, _OPEN), encoding="utf-8")
        self._server = Server(model, package, glue)
        try:
            self._program = _started([one.format(address=self._server.address, scratch=self._scratch.path) for one in words])
        except RuntimeRefused:
            self._server.close()
            raise
        self._end = weakref.finalize(self, _ended, self._server, self._program, self._scratch)
        self._server.wait(self._runs)
        self.operators = _operators(self._zeros().header["profile"]) if self._profiles else ()

    def run(self, arrays: Sequence[AnyArray]) -> list[AnyArray]:
        return self._outputs(self._ask(arrays, profile=False))

    def close(self) -> None:
        """End the program, and remove its files."""
        self._end()

    def _zeros(self) -> Message:
        """One run on zeros, with a profile; sizes that nothing tells are 1."""
        shapes = (tuple(size or 1 for size in port.shape) for port in self.inputs)
        return self._ask([np.zeros(shape, port.dtype) for shape, port in zip(shapes, self.inputs, strict=True)], profile=True)

    def _ask(self, arrays: Sequence[AnyArray], *, profile: bool) -> Message:
        told = [
            {"name": port.name, "dtype": str(array.dtype), "dims": list(array.shape), "bytes": array.nbytes}
            for port, array in zip(self.inputs, arrays, strict=True)
        ]
        return self._server.ask(
            {"run": {"profile": profile, "inputs": told}}, [np.ascontiguousarray(array) for array in arrays], self._runs
        )

    def _runs(self) -> bool:
        """Whether the program may still answer: a browser may be started by a script that ends."""
        return self._in_page or self._program.poll() is None

    def _outputs(self, message: Message) -> list[AnyArray]:
        found, place = [], 0
        for told in message.header["outputs"]:
            raw = message.raw[place : place + told["bytes"]]
            found.append(np.frombuffer(raw, np.dtype(told["dtype"])).reshape(told["dims"]))
            place += told["bytes"]
        return found


def _started(words: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError as error:
        raise RuntimeRefused(f"{words[0]} does not start: {error.strerror}.", "web", "Look whether it runs by itself.") from error


def _ended(server: Server, program: subprocess.Popen[bytes], scratch: ScratchFolder) -> None:
    server.close()
    program.terminate()
    program.wait()
    scratch.close()


def _ports(model: bytes) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """Inputs without those that have an initializer, and outputs."""
    import onnx

    graph = onnx.load_from_string(model).graph
    constants = {tensor.name for tensor in graph.initializer}

    def port(value: onnx.ValueInfoProto) -> Port:
        tensor = value.type.tensor_type
        shape = tuple(dim.dim_value for dim in tensor.shape.dim)
        return Port(value.name, shape, str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)), 0.0, 0)

    return tuple(port(one) for one in graph.input if one.name not in constants), tuple(port(one) for one in graph.output)


def _operators(lines: Sequence[str]) -> tuple[RanOperator, ...]:
    """The kernels of a profile in the order in which they ran; no conversions, and none of those
    that work on neither real numbers nor codes.
    """
    found = []
    for line in lines:
        if '"cat" : "Node"' in line and "_kernel_time" in line:
            told = json.loads(line.strip().rstrip(","))["args"]
            types = [kind for key in ("input_type_shape", "output_type_shape") for one in told.get(key, ()) for kind in one]
            if told["op_name"] not in _CONVERSIONS and {"float", "double", "float16", *_CODES} & set(types):
                found.append(RanOperator(told["op_name"], _integer(told), told["provider"]))
    return tuple(found)


def _integer(told: dict[str, list[dict[str, object]]]) -> bool:
    """Whether a kernel computes on codes: by its name, or because it takes and gives them."""
    name = str(told["op_name"])
    ends = [next(iter(told[key][0]), "") for key in ("input_type_shape", "output_type_shape") if told.get(key)]
    return name.startswith("QLinear") or name in INTEGER_KERNELS or all(kind in _CODES for kind in ends)


def _sandbox() -> tuple[str, ...]:
    """Browsers refuse to sandbox what the administrator starts; the page is edgeq's own."""
    return ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()


def _open(request: Request) -> Generator[Opened, None, None]:
    folder, node = package_folder(), node_program()
    if folder is None or node is None:
        raise RUNTIME.missing()
    programs: dict[str, tuple[str, ...]] = {"Node": (node, str(Path(__file__).with_name("run.mjs")), "{address}")}
    if (browser := browser_program()) is not None:
        programs[Path(browser).name] = (browser, *_BROWSER, *_sandbox(), "--user-data-dir={scratch}/profile", _PAGE)
    for name, words in programs.items():
        opened = Web(request.model, folder / "dist", words)
        try:
            yield Opened(f"in {name}", opened.operators, opened)
        finally:
            opened.close()


RUNTIME = Runtime(
    name="web",
    package=PACKAGE,
    module="",
    takes="onnx",
    runs_parts=True,
    told="read from onnxruntime-web: the kernels of one run and their types, from its own profile",
    open=_open,
    found=package_version,
)
