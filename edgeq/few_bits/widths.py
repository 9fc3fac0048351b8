"""Codebooks of several widths: measure each as it is, and fine-tune those that miss a floor.

The flow is that of Han et al., arXiv:1510.00149: k-means first, then training in which the entries
of a table are shared weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from edgeq.calibration.independence import fed_rightly
from edgeq.data.dataset import Dataset
from edgeq.data.doubts import DataDoubts, check_data
from edgeq.data.open import open_dataset
from edgeq.data.roles import Roles, roles_of
from edgeq.data.sources import DataSource
from edgeq.errors import BadData
from edgeq.graph.signature import input_specs
from edgeq.io.load import Loaded
from edgeq.learn.door import Checkpoint
from edgeq.metrics.metric import Metric
from edgeq.progress import Silent
from edgeq.proof.task_accuracy import Accuracy
from edgeq.schema.recipe import Floors, Recipe
from edgeq.schema.task import Shapes

#: points of top-1 that may be lost where the data is labelled and no floor is given
MAX_DROP = 0.5


class Judged(Protocol):
    """A model that was measured, integer or float."""

    @property
    def accuracy(self) -> Accuracy | None:
        """The task accuracy; None where the data has no labels."""

    @property
    def missed(self) -> tuple[str, ...]:
        """One line for each floor that was missed."""


M = TypeVar("M", bound=Judged)


@dataclass(frozen=True, eq=False)
class Width(Generic[M]):
    """What came of one width."""

    #: of the index of the codebooks
    bits: int
    #: the model without training
    before: M
    #: the fine-tuned model; None where there was no need
    after: M | None

    @property
    def made(self) -> M:
        """The fine-tuned model, unless it names fewer labels than before training."""
        if self.after is None:
            return self.before
        return self.before if _names_fewer(self.after.accuracy, self.before.accuracy) else self.after


def _names_fewer(one: Accuracy | None, other: Accuracy | None) -> bool:
    """Whether a model is known to name fewer labels than another one."""
    return one is not None and other is not None and (one.int8 < other.int8 if other.higher_is_better else one.int8 > other.int8)


@dataclass(frozen=True, eq=False)
class WidthsTask:
    """What the models of several widths have in common."""

    #: the float model
    loaded: Loaded
    #: what is calibrated and trained on
    data: DataSource
    #: its codebook gives all but the bits; its fine-tuning says how training goes
    recipe: Recipe
    #: sizes of dynamic inputs
    shapes: Shapes | None = None
    #: what decides whether a width is trained; None: `data`
    validation: DataSource | None = None
    #: for the bits of a width, where its training keeps its state; None: nowhere
    checkpoint: Callable[[int], Checkpoint] | None = None
    #: what becomes of doubts about `data`
    data_doubts: DataDoubts = "refuse"
    #: the task metric; None: what the data says
    metric: Metric | None = None
    #: whether reports gather what a page draws
    detail: bool = False

    def calibration_set(self) -> Dataset:
        """The samples of `data` that the recipe takes. Raises BadData, for doubts too."""
        floats, samples = self.loaded.model, self.recipe.samples
        opened = open_dataset(self.data, input_specs(floats), samples=samples, shapes=self.shapes, float_model=floats, metric=self.metric)
        found = fed_rightly(opened, floats)
        check_data(found, floats, self.data_doubts, Silent())
        return found

    def validation_set(self) -> Dataset | None:
        """The samples of `validation`; None where there are none. Raises BadData."""
        if self.validation is None:
            return None
        floats = self.loaded.model
        data = open_dataset(
            self.validation, input_specs(floats), split="evaluation", shapes=self.shapes, float_model=floats, metric=self.metric
        )
        return fed_rightly(data, floats)

    def roles(self) -> Roles:
        """Which samples are calibrated and trained with, and which judge. Raises BadData."""
        return roles_of(self.calibration_set(), self.validation_set(), self.recipe, None, None)

    def checkpoint_of(self, bits: int) -> Checkpoint:
        """Where the training of one width keeps its state."""
        return Checkpoint() if self.checkpoint is None else self.checkpoint(bits)


def floors_of(given: Floors, validation: Dataset) -> Floors:
    """The floors that decide whether a width is fine-tuned; none given: MAX_DROP where the data is
    labelled.

    Raises BadData for a floor of accuracy on data without labels.
    """
    labelled = validation.metric is not None and validation.metric.share
    if validation.metric is None and (given.max_drop is not None or given.min_accuracy is not None):
        what = "An accuracy drop cannot be measured: the data has no labels."
        raise BadData(what, validation.name, "Give labelled data, or a floor that needs none, such as --min-sqnr.")
    return given.with_max_drop(MAX_DROP) if labelled and not given.wanted else given


def each_width(
    widths: Sequence[int], recipe: Recipe, plain: Callable[[Recipe], M], trained: Callable[[Recipe, int, M], M]
) -> Iterator[Width[M]]:
    """One width after the other, in the given order, as each is done.

    A width that misses a floor of the recipe is trained; without floors every one is.

    recipe: with the floors that decide. plain: makes the model of a recipe without training.
    trained: makes it with training, of a recipe, its bits and the model that `plain` made.
    """
    for bits in widths:
        wanted = recipe.with_codebook(recipe.codebook.with_bits(bits))
        before = plain(wanted)
        train = not recipe.floors.wanted or bool(before.missed)
        yield Width(bits, before, trained(wanted, bits, before) if train else None)
