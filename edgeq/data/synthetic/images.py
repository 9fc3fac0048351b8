"""Made-up images as data for a model: `--data synthetic:images`.

They serve where there is no data at all. Any real images, of whatever they show, serve better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgeq.data.checks import show_shape
from edgeq.data.given.spool import Spool, spooled
from edgeq.data.pixel_maps import as_said
from edgeq.data.set_toml import SetInput
from edgeq.data.sources import MADE_UP, DataSource, OpenedSource
from edgeq.data.synthetic.dead_leaves import dead_leaves
from edgeq.errors import BadData, BadRecipe
from edgeq.graph.signature import InputSpec
from edgeq.numerics.arrays import U8, AnyArray
from edgeq.schema.pixels import CHANNELS, OPTION, Preprocessing
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target

#: what --data calls it
IMAGES = f"{MADE_UP}images"
#: how many images are drawn where nobody says, at least and at most: in between, as many as hold
#: PIXELS. A small picture holds few surfaces: of 100 of 32x32 one seed's are unlike another's
COUNT, MOST, PIXELS = 100, 400, 1 << 19
#: pixels of the shortest side that images are drawn for: fewer are features, not images
LEAST_SIDE = 8
#: luma of RGB (ITU-R BT.601), for inputs of one channel
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, eq=False)
class SyntheticImages:
    """Made-up images for any model that takes images."""

    #: how pixels become the model's input
    preprocessing: Preprocessing
    #: of the images: the same number gives the same images
    seed: int
    #: number of images; None: as many as pictures of their size need
    count: int | None
    #: the pixels that were drawn, by the model's input and its layout
    drawn: dict[tuple[str, str, int, int, int], Spool] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What reports call the data."""
        return IMAGES

    def opened(self, inputs: Sequence[InputSpec], *, classes: bool = True) -> OpenedSource:  # noqa: ARG002  (there are no labels)
        """The samples for a model with these inputs.

        Raises BadData for inputs that are no images, or that pixels become in an unknown way.
        """
        spec = _image_input(inputs)
        how, shape = _how(spec, self.preprocessing), spec.shape or ()
        high, wide, channels = shape[1:] if how.layout == "NHWC" else (*shape[2:], shape[1])
        if not isinstance(high, int) or not isinstance(wide, int) or not isinstance(channels, int):
            fix = f"Freeze it: --shape {spec.name}=1,3,224,224."
            raise BadData("The size of the images is not known.", f"input {spec.name}: {show_shape(spec)}", fix)
        if min(high, wide) < LEAST_SIDE:
            raise no_images(spec, f"{high}x{wide} is no image")
        key = (spec.name, how.layout, high, wide, channels)
        if key not in self.drawn:
            self.drawn[key] = self._draw(how.layout, high, wide, channels)
        return OpenedSource(_Drawn(self.drawn[key], spec, how), made_up=True)

    def _draw(self, layout: str, height: int, width: int, channels: int) -> Spool:
        count = needed(height, width) if self.count is None else self.count
        pictures = (_with_channels(dead_leaves(self.seed, index, height, width), channels) for index in range(count))
        return spooled((one if layout == "NHWC" else one.transpose(2, 0, 1) for one in pictures), None, None)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Drawn images as a source of samples."""

    spool: Spool
    spec: InputSpec
    how: SetInput

    @property
    def count(self) -> int:
        return len(self.spool.items)

    def rows(self, start: int, stop: int) -> Iterator[Mapping[str, AnyArray]]:
        for index in range(start, stop):
            pixels = self.spool.read(index, 0)
            yield {self.spec.name: self.how.normalize(pixels, self.where(index)) if self.spec.dtype != "uint8" else pixels}

    def where(self, index: int) -> str:
        return f"made-up image {index}"


def with_images(data: DataSource, recipe: Recipe) -> DataSource:
    """The data; made-up images where it is their name. Raises BadData for other made-up data."""
    if not isinstance(data, str) or not data.startswith(MADE_UP):
        return data
    if data != IMAGES:
        what = f"There is no made-up data {data!r}: for sound, text and features it would tell nothing about a model's ranges."
        raise BadData(what, "--data", f"Give real data, or {IMAGES} for a model that takes images.")
    return SyntheticImages(recipe.preprocessing, recipe.seed, recipe.samples)


def needed(height: int, width: int) -> int:
    """How many pictures of this size are drawn where nobody says.

    >>> needed(32, 32), needed(60, 60), needed(224, 224)
    (400, 145, 100)
    """
    return min(MOST, max(COUNT, PIXELS // (height * width)))


def with_images_or_none(data: DataSource | None, recipe: Recipe) -> DataSource | None:
    """As with_images; None where there is no data."""
    return None if data is None else with_images(data, recipe)


def check_preprocessing(recipe: Recipe, data: DataSource | None) -> None:
    """Refuse preprocessing of pixels where there are none. Raises BadRecipe."""
    if recipe.preprocessing.given and recipe.inputs_as != "uint8" and not isinstance(data, SyntheticImages):
        what = f"It is stated how pixels become inputs, which only {OPTION} and made-up images use."
        raise BadRecipe(what, "--scale, --mean, --std", f"Leave it out, or add {OPTION}.")


def widened(recipe: Recipe, target: Target, *, made_up: bool) -> Recipe:
    """The recipe; for samples that were made up, one whose rule clips nothing that was seen.

    Where such samples end says too little of where real ones do. Grids of powers of two keep the
    rule: to avoid the clip would double their step.
    """
    return recipe.with_rule("minmax") if made_up and recipe.rule == "mse" and not target.activations.power_of_two else recipe


def no_images(spec: InputSpec, why: str) -> BadData:
    """The refusal of an input that takes no images."""
    what = f"Images can be made up, and input `{spec.name}` takes none: {why}. Sound, text and features that are made up tell nothing."
    return BadData(what, f"input {spec.name}: {spec.dtype} {show_shape(spec)}", "Give real data: 20 samples are enough to begin with.")


def _with_channels(picture: U8, channels: int) -> U8:
    """An RGB picture as gray pixels, or with a fourth channel, which says how opaque a pixel is."""
    if channels == 1:
        return np.asarray(np.rint(picture @ np.array(_LUMA))[..., None], np.uint8)
    return np.concatenate([picture, np.full((*picture.shape[:2], 1), 255, np.uint8)], axis=2) if channels == 4 else picture


def _image_input(inputs: Sequence[InputSpec]) -> InputSpec:
    """The model's only input, which takes images. Raises BadData."""
    if len(inputs) != 1:
        listed = ", ".join(spec.name for spec in inputs)
        what = f"Images can be made up for a model with one input, and this one has {len(inputs)}: {listed}."
        raise BadData(what, "--data", "Give real data: 20 samples are enough to begin with.")
    (spec,) = inputs
    if not spec.dtype.startswith("float") and spec.dtype != "uint8":
        raise no_images(spec, f"values of type {spec.dtype} are numbers of words or the like")
    if spec.shape is None or len(spec.shape) != 4:
        raise no_images(spec, "an image input has 4 dimensions")
    if spec.shape[1] not in CHANNELS and spec.shape[-1] not in CHANNELS:
        raise no_images(spec, "none of its dimensions is that of 1, 3 or 4 channels")
    return spec


def _how(spec: InputSpec, said: Preprocessing) -> SetInput:
    """How pixels become the input. Raises BadData where nobody says it."""
    if not said.given and spec.dtype != "uint8":
        fix = "Give --scale, --mean and --std as your application uses them: (pixel * scale - mean) / std, --scale 1 for pixels."
        raise BadData("How pixels become the model's input is not known.", f"input {spec.name}", fix)
    return as_said(spec, said)
