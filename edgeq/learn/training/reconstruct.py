"""Reconstruct a plan block by block: each block learns the output of the same float block.

The input of a block is the output of the integer blocks before it. Blocks are those of BRECQ
(arXiv:2102.05426); half of the input values are taken from the float model, as in QDrop
(arXiv:2203.05740).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import numpy as np
import torch
from torch import Tensor

from edgeq.data.dataset import Dataset
from edgeq.learn.deterministic import deterministic
from edgeq.learn.simulation.executor import Executor
from edgeq.learn.simulation.simulation import Simulation
from edgeq.learn.training.block_data import StoredSamples, drawn, runs_of_one_shape
from edgeq.learn.training.block_lesson import BlockLesson
from edgeq.learn.training.blocks import Block, blocks_of, in_codes, whole
from edgeq.learn.training.distill import SMALLEST
from edgeq.learn.training.lesson import as_tensors
from edgeq.progress import Progress
from edgeq.refine.draft import Draft
from edgeq.schema.finetune import FineTuneWish
from edgeq.schema.plan import Plan

#: granularity -> smallest number of layers with weights in a block
LAYERS = {"layer": 1, "block": 4}
#: share of a block's input values that come from the float model in training (arXiv:2203.05740)
DROP = 0.5


@deterministic()
def reconstruct(draft: Draft, data: Dataset, progress: Progress) -> Plan:
    """The draft's plan with rounding, biases, scales and table entries learned block by block.

    A block keeps what it learned only if its error became smaller. The given plan is returned if
    the error of the outputs did not: the whole may lose more than each block gains. All of the data
    is used. Raises UnsupportedOp, BadTraining, BadData (no room for temporary files).
    """
    progress.start("prepare reconstruction", None)
    recipe, tuning = draft.task.recipe, draft.task.recipe.finetune
    student, teacher = Simulation(draft), Executor(draft.model)
    if not student.weights:
        progress.note("reconstruction: no weight runs in integers: there is nothing to learn")
        return draft.plan
    parted = _parted(teacher, data)
    blocks = blocks_of(student, teacher, LAYERS[tuning.reconstruct], parted)
    size = tuning.batch if data.fixed_batch is None and parted(teacher.outputs) == set(teacher.outputs) else 1
    progress.start("reconstruct", len(blocks) * tuning.steps)
    with ExitStack() as files:
        flow = _Flow(student, teacher, tuning, size, recipe.seed, files)
        flow.fill(data)
        first = last = flow.missing(whole(student, teacher))
        for number, block in enumerate(blocks):
            before, after = flow.learn(block, number, progress)
            kept = f"relative error {before:.4g} -> {after:.4g}" if after < before else f"relative error {before:.4g}, kept as it was"
            progress.note(f"block {number + 1} of {len(blocks)} ({_named(block)}): {kept}")
            last = min(before, after)
            flow.go_on(block)
    kept = "" if last < first else ", the plan is kept as it was"
    progress.note(f"reconstruction: relative error of the outputs {first:.4g} -> {last:.4g}{kept}")
    return student.learned() if last < first else draft.plan


def _named(block: Block) -> str:
    return "no weights" if not block.layers else " .. ".join(dict.fromkeys((block.layers[0], block.layers[-1])))


def _parted(teacher: Executor, data: Dataset) -> Callable[[Sequence[str]], set[str]]:
    """A function that selects the values of the teacher whose axis 0 holds the samples.

    Axis 0 holds the samples when it doubles as the first sample is given twice.
    """
    first = next(iter(data.batches(1))).feeds

    def pick(values: Sequence[str]) -> set[str]:
        if data.fixed_batch is not None:
            return set(values)
        with torch.no_grad():
            once = teacher.forward(as_tensors(first), values)
            twice = teacher.forward(as_tensors({name: np.concatenate([array, array]) for name, array in first.items()}), values)
        shapes = {value: (tuple(once[value].shape), tuple(twice[value].shape)) for value in values}
        return {value for value, (one, two) in shapes.items() if one and two == (2 * one[0], *one[1:])}

    return pick


class _Flow:
    """The data that flows from block to block.

    size: number of samples that run at once. files: closes the temporary files.
    """

    def __init__(self, student: Simulation, teacher: Executor, tuning: FineTuneWish, size: int, seed: int, files: ExitStack) -> None:
        self._student, self._teacher, self._tuning, self._size, self._seed, self._files = student, teacher, tuning, size, seed, files
        self._learned: set[str] = set()
        self._fed = self._real = self._wanted = self._open()

    def _open(self) -> StoredSamples:
        return self._files.enter_context(StoredSamples())

    def fill(self, data: Dataset) -> None:
        """Store the inputs of the first block: the samples of the data."""
        for piece in data.batches(1):
            self._fed.append(as_tensors(piece.feeds))

    def _answer(self, block: Block) -> dict[str, float]:
        """Store the teacher's outputs for the block, its targets, and return their variances."""
        with torch.no_grad():
            self._wanted, sums = self._open(), {name: np.zeros(3) for name in block.targets}
            for places in runs_of_one_shape(self._real, self._size):
                made = self._teacher.run(block.teacher, self._real.read(places))
                self._wanted.append(made, len(places))
                for name, value in made.items():
                    numbers = value.double()
                    sums[name] += (numbers.numel(), float(numbers.sum()), float(numbers.square().sum()))
            return {name: max(squares / count - (total / count) ** 2, SMALLEST) for name, (count, total, squares) in sums.items()}

    def go_on(self, block: Block) -> None:
        """Compute the inputs of the next block.

        In the student they are the outputs of this block, in the teacher the targets of this block.
        """
        if block.made is None:
            return
        with torch.no_grad():
            handed, constants = self._open(), self._student.constants(block.student.read)
            for places in runs_of_one_shape(self._fed, self._size):
                made = self._student.executor.run(block.student, constants | self._fed.read(places))
                handed.append({block.made.codes: made[block.made.codes]}, len(places))
            for done in {self._fed, self._real}:
                done.close()
            self._fed, self._real = handed, self._wanted

    def missing(self, block: Block) -> float:
        """The relative error of a block on the current inputs."""
        return self._error(block, self._answer(block))

    def learn(self, block: Block, number: int, progress: Progress) -> tuple[float, float]:
        """Train the block, and undo it when its error did not become smaller.

        Returns its relative error before and after training, on all samples.
        """
        spread = self._answer(block)
        lesson = BlockLesson(self._student, block, self._learned, spread)
        self._learned |= block.student.read
        before = self._error(block, spread)
        if not lesson.learns:
            progress.advance(self._tuning.steps)
            return before, before
        chance = np.random.default_rng([self._seed, number])
        for step in range(self._tuning.steps):
            lesson.step(*self._batch(block, chance), step / self._tuning.steps)
            progress.advance()
        lesson.settle()
        after = self._error(block, spread)
        if not after < before:
            lesson.put_back()
        return before, after

    def _batch(self, block: Block, chance: np.random.Generator) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The inputs of the student in a step of training, and its targets."""
        places = drawn(self._fed, self._size, chance)
        fed, wanted = self._fed.read(places), self._wanted.read(places)
        if block.given is None:
            return fed, wanted
        codes = fed[block.given.codes]
        real = in_codes(block.given, self._student, self._real.read(places)[block.given.value])
        own = torch.from_numpy(chance.random(tuple(codes.shape), np.float32) >= DROP)
        return {block.given.codes: torch.where(own, codes, real)}, wanted

    def _error(self, block: Block, spread: Mapping[str, float]) -> float:
        """Mean square error over all samples divided by the variance, averaged over the targets."""
        with torch.no_grad():
            constants, sums = self._student.constants(block.student.read), {name: np.zeros(2) for name in spread}
            for places in runs_of_one_shape(self._fed, self._size):
                made = self._student.executor.run(block.student, constants | self._fed.read(places))
                for name, wanted in self._wanted.read(places).items():
                    value = made[block.targets[name]]
                    sums[name] += (value.numel(), float((value - wanted).double().square().sum()))
            return float(np.mean([squares / count / spread[name] for name, (count, squares) in sums.items()]))
