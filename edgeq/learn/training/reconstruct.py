"""Reconstruct a plan block by block: each learns to give what the float model gives, fed what the
integer blocks before it hand on.

Blocks as in BRECQ (arXiv:2102.05426); half of the numbers that a block is fed are the float
model's, as in QDrop (arXiv:2203.05740).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import numpy as np
import torch
from torch import Tensor

from edgeq.data.dataset import Dataset
from edgeq.learn.simulation.executor import Executor
from edgeq.learn.simulation.simulation import Simulation
from edgeq.learn.training.block_data import Samples, drawn, runs
from edgeq.learn.training.block_lesson import BlockLesson
from edgeq.learn.training.blocks import Block, blocks_of, in_codes, whole
from edgeq.learn.training.lesson import SMALLEST, tensors
from edgeq.learn.training.training import deterministic
from edgeq.progress import Progress
from edgeq.refine.draft import Draft
from edgeq.schema.finetune import FineTuneWish
from edgeq.schema.plan import Plan

#: layers with weights that a block has at least
LAYERS = {"layer": 1, "block": 4}
#: share of the numbers that a block is fed in training which are the float model's
#: (arXiv:2203.05740)
DROP = 0.5


def reconstruct(draft: Draft, data: Dataset, progress: Progress) -> Plan:
    """The draft's plan with rounding, biases, scales and table entries learned block by block, each
    as far as it came nearer to the float model; the given plan where the outputs did not: parts
    that were fitted to what was before them may lose more than each part gains.

    The whole of the data is used. Raises UnsupportedOp, BadTraining, BadData (no room for temporary
    files).
    """
    progress.start("prepare reconstruction", None)
    recipe, wish = draft.task.recipe, draft.task.recipe.finetune
    student, teacher = Simulation(draft), Executor(draft.model)
    if not student.weights:
        progress.note("reconstruction: no weight runs in integers, nothing to learn")
        return draft.plan
    parted = _parted(teacher, data)
    blocks = blocks_of(student, teacher, LAYERS[wish.reconstruct], parted)
    size = wish.batch if data.fixed_batch is None and parted(teacher.outputs) == set(teacher.outputs) else 1
    progress.start("reconstruct", len(blocks) * wish.steps)
    with deterministic(), ExitStack() as files:
        flow = _Flow(student, teacher, wish, size, recipe.seed, files)
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
    """Picks values of the teacher whose axis 0 holds the samples, as seen when the first one is
    given twice.
    """
    first = next(iter(data.batches(1))).feeds

    def pick(values: Sequence[str]) -> set[str]:
        if data.fixed_batch is not None:
            return set(values)
        with torch.no_grad():
            once = teacher.forward(tensors(first), values)
            twice = teacher.forward(tensors({name: np.concatenate([array, array]) for name, array in first.items()}), values)
        shapes = {value: (tuple(once[value].shape), tuple(twice[value].shape)) for value in values}
        return {value for value, (one, two) in shapes.items() if one and two == (2 * one[0], *one[1:])}

    return pick


class _Flow:
    """What flows from block to block. size: samples that are joined. files: closes what it
    opened.
    """

    def __init__(self, student: Simulation, teacher: Executor, wish: FineTuneWish, size: int, seed: int, files: ExitStack) -> None:
        self._student, self._teacher, self._wish, self._size, self._seed, self._files = student, teacher, wish, size, seed, files
        self._learned: set[str] = set()
        self._fed = self._real = self._wanted = self._open()

    def _open(self) -> Samples:
        return self._files.enter_context(Samples())

    def fill(self, data: Dataset) -> None:
        """What the first block is fed."""
        for piece in data.batches(1):
            self._fed.append(tensors(piece.feeds))

    def _answer(self, block: Block) -> dict[str, float]:
        """Keep what the teacher makes of what it is fed: the block's targets. Gives how much each
        of them varies.
        """
        with torch.no_grad():
            self._wanted, sums = self._open(), {name: np.zeros(3) for name in block.targets}
            for places in runs(self._real, self._size):
                made = self._teacher.run(block.teacher, self._real.read(places))
                self._wanted.append(made, len(places))
                for name, value in made.items():
                    numbers = value.double()
                    sums[name] += (numbers.numel(), float(numbers.sum()), float(numbers.square().sum()))
            return {name: max(squares / count - (total / count) ** 2, SMALLEST) for name, (count, total, squares) in sums.items()}

    def go_on(self, block: Block) -> None:
        """What was wanted of this block is what the next one of the teacher is fed; the student's
        is fed what this one makes.
        """
        if block.made is None:
            return
        with torch.no_grad():
            handed, constants = self._open(), self._student.constants(block.student.read)
            for places in runs(self._fed, self._size):
                made = self._student.executor.run(block.student, constants | self._fed.read(places))
                handed.append({block.made.codes: made[block.made.codes]}, len(places))
            for done in {self._fed, self._real}:
                done.close()
            self._fed, self._real = handed, self._wanted

    def missing(self, block: Block) -> float:
        """The relative error of a block that is fed what the next one is."""
        return self._error(block, self._answer(block))

    def learn(self, block: Block, number: int, progress: Progress) -> tuple[float, float]:
        """Train the block; put it back where that brought nothing. Its relative error before and
        after, on all samples.
        """
        spread = self._answer(block)
        lesson = BlockLesson(self._student, block, self._learned, spread)
        self._learned |= block.student.read
        before = self._error(block, spread)
        if not lesson.learns:
            progress.advance(self._wish.steps)
            return before, before
        chance = np.random.default_rng([self._seed, number])
        for step in range(self._wish.steps):
            lesson.step(*self._batch(block, chance), step / self._wish.steps)
            progress.advance()
        lesson.settle()
        after = self._error(block, spread)
        if not after < before:
            lesson.put_back()
        return before, after

    def _batch(self, block: Block, chance: np.random.Generator) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What to feed the student in a step of training, and what is wanted of it."""
        places = drawn(self._fed, self._size, chance)
        fed, wanted = self._fed.read(places), self._wanted.read(places)
        if block.given is None:
            return fed, wanted
        codes = fed[block.given.codes]
        real = in_codes(block.given, self._student, self._real.read(places)[block.given.value])
        own = torch.from_numpy(chance.random(tuple(codes.shape), np.float32) >= DROP)
        return {block.given.codes: torch.where(own, codes, real)}, wanted

    def _error(self, block: Block, spread: Mapping[str, float]) -> float:
        """Mean square of what is missing, over the variance, over all samples; the mean over the
        targets.
        """
        with torch.no_grad():
            constants, sums = self._student.constants(block.student.read), {name: np.zeros(2) for name in spread}
            for places in runs(self._fed, self._size):
                made = self._student.executor.run(block.student, constants | self._fed.read(places))
                for name, wanted in self._wanted.read(places).items():
                    value = made[block.targets[name]]
                    sums[name] += (value.numel(), float((value - wanted).double().square().sum()))
            return float(np.mean([squares / count / spread[name] for name, (count, squares) in sums.items()]))
