"""Reconstruction: rounding that is learned part by part ends on codes that the export has, and
never makes a part worse.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.data.dataset import Dataset  # noqa: E402
from edgeq.data.open import open_dataset  # noqa: E402
from edgeq.errors import BadTraining  # noqa: E402
from edgeq.graph.signature import input_specs  # noqa: E402
from edgeq.learn.simulation.executor import Executor  # noqa: E402
from edgeq.learn.simulation.simulation import Simulation  # noqa: E402
from edgeq.learn.training.block_lesson import FIRST_BETA, LAST_BETA, WARM_UP, BlockLesson, beta_at  # noqa: E402
from edgeq.learn.training.blocks import Block, blocks_of  # noqa: E402
from edgeq.learn.training.reconstruct import reconstruct  # noqa: E402
from edgeq.learn.training.soft_rounding import SoftRounding, inverse_sigmoid, rectified_sigmoid  # noqa: E402
from edgeq.numerics.arrays import AnyArray  # noqa: E402
from edgeq.progress import Silent  # noqa: E402
from edgeq.refine.draft import Draft  # noqa: E402
from edgeq.rewrite.pipeline import rewrite  # noqa: E402
from edgeq.runtimes.ort import open_session  # noqa: E402
from edgeq.schema.codebook import CodebookWish  # noqa: E402
from edgeq.schema.finetune import FineTuneWish  # noqa: E402
from edgeq.schema.plan import Plan  # noqa: E402
from edgeq.schema.recipe import Recipe  # noqa: E402
from edgeq.schema.weights import CodebookWeight  # noqa: E402
from tests.changed import changed  # noqa: E402
from tests.learn_room import Classroom, classroom, rich_net  # noqa: E402
from tests.small_models import text_model  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SHORT = FineTuneWish(reconstruct="layer", steps=60)
LONGER = FineTuneWish(reconstruct="layer", steps=150)
#: where much is wrong at the start
COARSE: dict[str, object] = {"weight_bits": 3, "effort": "fast", "finetune": LONGER}
HEAD = '<ir_version: 8, opset_import: ["": 17]>'
#: two plain layers, then one whose input goes around two others, then one of matrices without a
#: bias
RESIDUAL = f"""{HEAD} net (float[N, 4, 8, 8] x) => (float[N, 5] y) {{
  [a] a = Conv<pads = [1, 1, 1, 1]>(x, w, b)  [ra] ra = Relu(a)
  [c] c = Conv<pads = [1, 1, 1, 1], group = 8>(ra, v, b)  [rc] rc = Relu(c)
  [d] d = Conv(rc, u, b)  [e] e = Conv(d, t)  [add] s = Add(e, rc)  [rs] rs = Relu(s)
  [mean] g = GlobalAveragePool(rs)  [flat] f = Flatten(g)  [fc] y = Gemm(f, k) }}"""
#: layers of some thousand weights
WIDE = f"""{HEAD} net (float[N, 4, 8, 8] x) => (float[N, 5] y) {{
  [a] a = Conv<pads = [1, 1, 1, 1]>(x, w, b)  [ra] ra = Relu(a)  [d] d = Conv(ra, u, c)  [rd] rd = Relu(d)
  [mean] g = GlobalAveragePool(rd)  [flat] f = Flatten(g)  [fc] y = Gemm<transB = 1>(f, k) }}"""
#: one weight for two layers, an input beside, samples of several sizes
SHARED = f"""{HEAD} net (float[N, 4, H, W] x, float[N, 4, H, W] z) => (float[N, 4] y) {{
  [join] j = Add(x, z)  [a] a = Conv(j, u)  [ra] ra = Relu(a)  [c] c = Conv(ra, u)  [rc] rc = Relu(c)
  [mean] g = GlobalAveragePool(rc)  [flat] y = Flatten(g) }}"""
NO_WEIGHTS = (
    f"{HEAD} net (float[N, 4, 8, 8] x) => (float[N, 4, 4, 4] y) {{ [pool] y = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x) }}"
)


def draw(*shape: int) -> AnyArray:
    return np.asarray(np.random.default_rng(sum(shape)).normal(size=shape) * 1.5 / np.sqrt(np.prod(shape[1:])), np.float32)


def residual() -> onnx.ModelProto:
    weights = {"w": draw(8, 4, 3, 3), "v": draw(8, 1, 3, 3), "u": draw(8, 8, 1, 1), "t": draw(8, 8, 1, 1), "k": draw(8, 5)}
    return text_model(RESIDUAL, weights | {"b": np.linspace(-0.1, 0.1, 8, dtype=np.float32)})


@dataclass(frozen=True, eq=False)
class Bench:
    """What reconstruction starts from, and with what."""

    room: Classroom
    draft: Draft
    data: Dataset

    def learn(self) -> Plan:
        return reconstruct(self.draft, self.data, Silent())

    def run(self, plan: Plan) -> dict[str, AnyArray]:
        """What the exported model makes of the data."""
        with open_session(rewrite(self.room.model, plan, self.room.target), threads=1) as session:
            return dict(zip(session.outputs, session.run(self.room.feeds), strict=True))

    def simulate(self, plan: Plan) -> dict[str, AnyArray]:
        student = Simulation(Draft.of(self.draft.task, plan))
        with torch.no_grad():
            return {name: value.numpy() for name, value in student.forward(self.room.tensors()).items()}

    def blocks(self, layers: int) -> list[Block]:
        return blocks_of(self.room.student, Executor(self.draft.model), layers, set)


def wide_net() -> onnx.ModelProto:
    """Layers that are large enough to be smaller with a codebook."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> AnyArray:
        return np.asarray(rng.normal(size=shape) * 1.5 / np.sqrt(np.prod(shape[1:])), np.float32)

    return text_model(
        WIDE, {"w": draw(64, 4, 3, 3), "b": draw(64, 1)[:, 0], "u": draw(128, 64, 1, 1), "c": draw(128, 1)[:, 0], "k": draw(5, 128)}
    )


def bench(proto: onnx.ModelProto, target: str = "cpu", feeds: Mapping[str, AnyArray] | None = None, **settings: object) -> Bench:
    recipe = Recipe.model_validate({"finetune": SHORT, **settings})
    room = classroom(proto, target, changed(recipe, finetune=FineTuneWish()))
    draft = Draft.of(replace(room.task, recipe=recipe), room.plan)
    return Bench(room, draft, open_dataset(dict(feeds or room.feeds), input_specs(room.model)))


def test_the_rectified_sigmoid_reaches_its_ends_and_its_penalty_vanishes_there() -> None:
    h = rectified_sigmoid(torch.tensor([0.0, 2.0, -8.0, 8.0]))
    assert h.tolist() == pytest.approx([0.5, 1.2 / (1 + np.exp(-2)) - 0.1, 0, 1])
    given = np.array([0.0, 0.25, 0.5, 1.0], np.float32)
    assert rectified_sigmoid(torch.from_numpy(inverse_sigmoid(given))).numpy() == pytest.approx(given, abs=1e-6)
    soft = SoftRounding(classroom(residual(), "cpu").student.weights[0])
    for h_value, beta, each in ((0.5, 2.0, 1.0), (0.75, 2.0, 0.75), (0.75, 20.0, 1 - 0.5**20), (1.0, 2.0, 0.0)):
        with torch.no_grad():
            soft.v.fill_(float(inverse_sigmoid(np.array(h_value, np.float32))))
        assert float(soft.penalty(beta).detach()) == pytest.approx(each * soft.v.numel(), rel=1e-4, abs=1e-3)


def test_the_exponent_falls_after_the_warm_up() -> None:
    assert beta_at(WARM_UP - 0.01) is None
    assert [beta_at(share) for share in (WARM_UP, (1 + WARM_UP) / 2, 1.0)] == pytest.approx([FIRST_BETA, 11.0, LAST_BETA])


@pytest.mark.parametrize(
    "settings", [{}, {"codebook": CodebookWish(bits=4)}, {"codebook": CodebookWish(bits=3, granularity="channel", prune="0.5")}]
)
def test_rounding_begins_and_settles_at_the_codes_of_the_plan(settings: dict[str, object]) -> None:
    for weight in bench(residual(), **settings).room.student.weights:
        began = weight.whole().detach()
        soft = SoftRounding(weight)
        assert float((soft.whole() - began).detach().abs().max()) <= (1.0 if weight.table is None else float(np.ptp(began.numpy())))
        soft.settle()
        assert torch.equal(weight.whole().detach(), began)
        assert not torch.equal(soft.whole().detach(), began)


def test_blocks_end_where_a_single_value_leads_on() -> None:
    found = bench(residual())
    assert [block.layers for block in found.blocks(1)] == [("a",), ("c",), ("d", "e"), ("fc",)]
    assert [block.layers for block in found.blocks(2)] == [("a", "c"), ("d", "e"), ("fc",)]
    assert [block.layers for block in found.blocks(3)] == [("a", "c", "d", "e"), ("fc",)]  # the last one is short
    whole = found.blocks(9)
    assert [block.layers for block in whole] == [("a", "c", "d", "e"), ("fc",)]
    assert (whole[0].given, whole[1].made, whole[1].targets) == (None, None, {"y": "y"})
    made = [block.made for block in found.blocks(1)]
    assert [None if one is None else one.value for one in made] == ["ra", "rc", "rs", None]


@pytest.mark.parametrize("net", [residual, rich_net])
def test_blocks_one_after_the_other_are_the_model(net: Callable[[], onnx.ModelProto]) -> None:
    found = bench(net())
    student, values = found.room.student, found.room.tensors()
    with torch.no_grad():
        for block in found.blocks(1):
            values = student.executor.run(block.student, {**student.constants(block.student.read), **values})
        whole = student.forward(found.room.tensors())
    assert all(torch.equal(values[name], whole[name]) for name in whole)


@pytest.mark.parametrize("parts", [pytest.param("layer", marks=pytest.mark.slow), "block"])
def test_bad_rounding_is_improved_and_the_export_is_what_was_learned(parts: str) -> None:
    found = bench(residual(), weight_bits=3, effort="fast", finetune=FineTuneWish.model_validate({"reconstruct": parts, "steps": 150}))
    floats = Executor(found.draft.model).forward(found.room.tensors())["y"].numpy()
    learned = found.learn()
    before, after = (float(np.square(found.run(plan)["y"] - floats).mean()) for plan in (found.room.plan, learned))
    assert after < 0.7 * before
    assert np.array_equal(found.run(learned)["y"], found.simulate(learned)["y"])
    tuned = [", fine-tuned" in grid.rule for grid in learned.weights.values()]
    assert sum(tuned) >= len(tuned) - 1


def exported_bit_for_bit(found: Bench) -> Plan:
    """What is learned, which is something, and runs as it was simulated."""
    learned = found.learn()
    exported, simulated = found.run(learned), found.simulate(learned)
    assert learned.weights != found.room.plan.weights
    assert all(np.array_equal(exported[name], simulated[name]) for name in exported)
    return learned


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cpu", "npu_pow2", "dsp_int8"])
def test_what_is_learned_is_exported_bit_for_bit(target: str) -> None:
    exported_bit_for_bit(bench(rich_net(), target, **COARSE))


def test_learned_codebooks_are_exported_bit_for_bit() -> None:
    feeds = {"x": np.random.default_rng(1).normal(size=(40, 4, 8, 8)).astype(np.float32)}
    wish = CodebookWish(bits=3, granularity="channel", prune="0.5")
    learned = exported_bit_for_bit(bench(wide_net(), "cpu", feeds, codebook=wish, finetune=LONGER))
    assert sum(isinstance(weight, CodebookWeight) for weight in learned.weights.values()) == 2


def test_a_part_that_does_not_gain_stays_as_it_was() -> None:
    """After one step weights settle where they began, and what is learned beside them has moved by
    chance.
    """
    found = bench(residual(), finetune=FineTuneWish(reconstruct="layer", steps=1))
    data = open_dataset({"x": np.zeros((6, 4, 8, 8), np.float32)}, input_specs(found.room.model))
    learned = reconstruct(found.draft, data, Silent())
    assert learned.weights == found.room.plan.weights


def test_a_plan_stays_where_its_outputs_do_not_gain() -> None:
    """Layers that were fitted to those before them: a coarse first one that gains by itself is not
    what they make up for.
    """
    found = bench(rich_net(), "npu_pow2", weight_bits=4)
    said = Listens()
    assert reconstruct(found.draft, found.data, said) is found.room.plan
    assert any(line.startswith("block 2") and "->" in line for line in said.lines)
    assert said.lines[-1].endswith("the plan is kept as it was")


@pytest.mark.slow
def test_it_repeats_and_another_seed_differs() -> None:
    found, other = bench(residual(), weight_bits=3), bench(residual(), weight_bits=3, seed=1)
    assert found.learn() == found.learn()
    assert found.learn().weights != other.learn().weights


def test_shared_weights_several_inputs_and_samples_of_several_sizes(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    found = bench(text_model(SHARED, {"u": draw(4, 4, 1, 1)}), weight_bits=3)
    for at, size in enumerate([(4, 6, 6), (4, 6, 6), (4, 9, 5), (4, 6, 6)]):
        np.savez(tmp_path / f"{at}.npz", x=rng.normal(size=size).astype(np.float32), z=rng.normal(size=size).astype(np.float32))
    assert len(found.blocks(1)) == 1  # the weight's second layer has nothing of its own to learn
    for data in (found.data, open_dataset(tmp_path, input_specs(found.room.model))):
        learned = reconstruct(found.draft, data, Silent())
        assert learned.weights != found.room.plan.weights
        assert np.array_equal(found.run(learned)["y"], found.simulate(learned)["y"])


def test_a_model_without_weights_stays_as_it_is() -> None:
    found = bench(text_model(NO_WEIGHTS, {}))
    assert found.learn() is found.room.plan


def test_the_penalty_drives_every_weight_to_a_code() -> None:
    found = bench(residual(), weight_bits=4)
    block = found.blocks(1)[0]
    lesson = BlockLesson(found.room.student, block, set(), {"ra": 1.0})
    feeds = found.room.tensors()
    with torch.no_grad():
        wanted = Executor(found.draft.model).run(block.teacher, feeds)

    def between() -> float:
        h = torch.cat([rectified_sigmoid(one.v.detach()).reshape(-1) for one in lesson.soft.values()])
        return float(((h > 0) & (h < 1)).float().mean())

    assert between() > 0.9
    for step in range(200):
        lesson.step(feeds, wanted, step / 200)
    assert between() < 0.02
    lesson.settle()
    weight = lesson.soft["w_quantized"].weight
    assert torch.equal(weight.whole(), lesson.soft["w_quantized"].whole().round())


def test_a_loss_that_is_not_finite_is_said() -> None:
    found = bench(residual())
    block = found.blocks(1)[0]
    lesson = BlockLesson(found.room.student, block, set(), {"ra": 1.0})
    with pytest.raises(BadTraining, match="loss of a block is nan"):
        lesson.step({"x": torch.full((1, 4, 8, 8), torch.nan)}, {"ra": torch.zeros(1, 8, 8, 8)}, 0.0)


class Listens(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


class Stops(Silent):
    """Somebody who loses patience after the second block."""

    def note(self, text: str) -> None:
        if text.startswith("block 2"):
            raise KeyboardInterrupt


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are only listed in /proc")
def test_nothing_is_left_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = bench(residual(), finetune=FineTuneWish(reconstruct="layer", steps=2))

    def left() -> list[str]:
        links = [os.path.realpath(fd) for fd in Path("/proc/self/fd").iterdir()]
        return [*map(str, tmp_path.iterdir()), *(link for link in links if str(tmp_path) in link)]

    class Looks(Silent):
        seen = 0

        def note(self, text: str) -> None:
            assert "relative error" in text
            Looks.seen = max(Looks.seen, len(left()))

    reconstruct(found.draft, found.data, Looks())
    assert Looks.seen > 0 and left() == []
    with pytest.raises(KeyboardInterrupt):
        reconstruct(found.draft, found.data, Stops())
    assert left() == []
