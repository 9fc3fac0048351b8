"""A student made of a small model as fine-tuning makes it, for tests of edgeq.learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
import torch
from numpy.typing import NDArray

from edgeq.api import quantize
from edgeq.graph.signature import input_specs
from edgeq.io.load import load_proto
from edgeq.learn.simulation.simulation import Simulation
from edgeq.numerics.arrays import AnyArray
from edgeq.refine.draft import Draft
from edgeq.rewrite.pipeline import rewrite
from edgeq.rewrite.set_up import set_up
from edgeq.runtimes.ort import open_session
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target, load_target
from edgeq.schema.task import Task
from tests.small_models import text_model

#: clipped, depthwise, a residual, a gate of sigmoids, one grid for a Concat, fixed ranges; logits
#: beside probabilities, of one weight
RICH_NET = """<ir_version: 8, opset_import: ["": 17]>
net (float[N, 4, 12, 12] x) => (float[N, 10] y, float[N, 10] l)
<float low = {0.0}, float high = {1.0}> {
  [conv] c = Conv<pads = [1, 1, 1, 1]>(x, w, b)  [clip] k = Clip(c, low, high)
  [deep] d = Conv<pads = [1, 1, 1, 1], group = 16>(k, v, b)  [swish] h = HardSwish(d)
  [point] p = Conv(h, u, b)  [add] a = Add(p, k)  [relu] r = Relu(a)
  [pool] m = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r)
  [mean] g = GlobalAveragePool(m)  [gate] s = Sigmoid(g)  [mul] q = Mul(m, s)
  [join] j = Concat<axis = 1>(q, m)  [mean2] e = GlobalAveragePool(j)  [flat] f = Flatten(e)
  [fc] z = Gemm<transB = 1>(f, t, o)  [soft] y = Softmax(z)  [fc2] l = Gemm<transB = 1>(f, t, o) }"""


def rich_net() -> onnx.ModelProto:
    """One of everything that an edge network has."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> AnyArray:
        return np.asarray(rng.normal(size=shape) * 1.5 / np.sqrt(np.prod(shape[1:])), np.float32)

    biases = {"b": (rng.normal(size=16) * 0.1).astype(np.float32), "o": (rng.normal(size=10) * 0.1).astype(np.float32)}
    return text_model(RICH_NET, {"w": draw(16, 4, 3, 3), "v": draw(16, 1, 3, 3), "u": draw(16, 16, 1, 1), "t": draw(10, 32), **biases})


@dataclass(frozen=True, eq=False)
class Classroom:
    """A student and what it was made of. feeds: what it learns from."""

    student: Simulation
    plan: Plan
    task: Task
    feeds: Mapping[str, AnyArray]

    @property
    def model(self) -> ir.Model:
        """The prepared float model."""
        return self.task.model

    @property
    def target(self) -> Target:
        """What it was quantized for."""
        return self.task.target

    def tensors(self) -> dict[str, torch.Tensor]:
        """The feeds in torch."""
        return {name: torch.from_numpy(np.array(array)) for name, array in self.feeds.items()}

    def learn(self, steps: int, rate: float) -> None:
        """Train towards noise: what matters is that everything moves, and far."""
        if not len(self.student.learnable):
            return
        optimizer = torch.optim.Adam(self.student.learnable.parameters(), lr=rate)
        generator = torch.Generator().manual_seed(0)
        for _ in range(steps):
            optimizer.zero_grad()
            outputs = self.student.forward(self.tensors()).values()
            loss = torch.stack([(one - torch.randn(one.shape, generator=generator)).square().mean() for one in outputs]).sum()
            torch.autograd.backward(loss)
            optimizer.step()
            self.student.refit()

    def differences(self) -> dict[str, NDArray[np.floating]]:
        """Output -> how far the exported model is from the student: in codes; without a grid
        relative to the largest number.
        """
        plan = self.student.learned()
        with open_session(rewrite(self.model, plan, self.target), threads=1) as session:
            exported = dict(zip(session.outputs, session.run(self.feeds), strict=True))
        with torch.no_grad():
            simulated = self.student.forward(self.tensors())
        found = {}
        for name, array in exported.items():
            unit = plan.grids[name].scale if name in plan.grids else max(float(np.abs(array).max()), 1e-9)
            found[name] = np.abs(array - simulated[name].numpy()) / unit
        return found


def classroom(proto: onnx.ModelProto, target: str, recipe: Recipe | None = None, *, refits: bool = False) -> Classroom:
    """Quantize without training, and sit down. Raises EdgeqError where the target or torch
    cannot.
    """
    loaded, recipe = load_proto(proto), recipe or Recipe()
    # onnxruntime is the reference, also where the processor lacks VNNI: without this limit its
    # sums would saturate there
    facts = load_target(target).without_vnni()
    rng = np.random.default_rng(0)
    sizes = {spec.name: tuple(d if isinstance(d, int) else 8 for d in spec.shape or ()) for spec in input_specs(loaded.model)}
    feeds = {name: rng.normal(size=shape).astype(np.float32) for name, shape in sizes.items()}
    fixed = any(isinstance((spec.shape or ("N",))[0], int) for spec in input_specs(loaded.model))
    data = {name: array[None] for name, array in feeds.items()} if fixed else feeds
    made = quantize(loaded, data, target=facts, recipe=recipe, prove=False)
    task = set_up(loaded, facts, recipe, None, data, made.plan).task
    return Classroom(Simulation(Draft.of(task, made.plan), refits=refits), made.plan, task, feeds)
