"""Write a commented set.toml for a model: which of its inputs take images, and how."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgeq.data.checks import show_shape
from edgeq.graph.signature import InputSpec

#: whether an input takes images. Three channels: yes. One: perhaps, since features of sound, such
#: as MFCC, have the same shape
TakesImages = Literal["yes", "perhaps", "no"]


@dataclass(frozen=True)
class ImageShape:
    """The form of an input that can take images."""

    #: where the channels are
    layout: Literal["NCHW", "NHWC"]
    #: rows of the image; no int: dynamic
    height: int | str | None
    #: columns of the image; no int: dynamic
    width: int | str | None
    #: number of channels: 1 or 3
    channels: int


def image_shape(spec: InputSpec) -> ImageShape | None:
    """The form of an input of rank 4 with one or three channels; None: it takes no images.

    >>> image_shape(InputSpec("x", "float32", ("N", 24, 32, 3)))
    ImageShape(layout='NHWC', height=24, width=32, channels=3)
    >>> image_shape(InputSpec("sound", "float32", ("N", 1, 16000, 1))) is None
    True
    """
    shape = spec.shape or ()
    if spec.form != "tensor" or len(shape) != 4 or not (spec.dtype.startswith("float") or spec.dtype == "uint8"):
        return None
    forms = ImageShape("NCHW", *shape[2:], channels=_channels(shape[1])), ImageShape("NHWC", *shape[1:3], channels=_channels(shape[3]))
    found = [one for one in forms if one.channels and 1 not in (one.height, one.width)]
    # three channels at one place say more than a single one at the other
    return max(found, key=lambda one: one.channels) if found else None


def _channels(size: int | str | None) -> int:
    return size if isinstance(size, int) and size in (1, 3) else 0


def takes_images(spec: InputSpec) -> TakesImages:
    """Whether the shape of an input says that it takes images."""
    form = image_shape(spec)
    return "no" if form is None else "yes" if form.channels == 3 else "perhaps"


def set_template(inputs: Sequence[InputSpec], *, images: bool = False) -> str:
    """The text of a commented set.toml for a model with these inputs, valid as it stands.

    Only inputs that take images get keys for images; those that perhaps do get them as comments,
    unless `images` says that the samples are images.
    """
    return _TEMPLATE + "".join(_input(spec, images) for spec in inputs)


def _input(spec: InputSpec, images: bool) -> str:
    takes, form = takes_images(spec), image_shape(spec)
    head = f"[[input]]\nname = {json.dumps(spec.name)}  # {spec.dtype} {show_shape(spec)}\n"
    if form is None:
        return f"\n{head}"
    table = head + _image_keys(form, floats=spec.dtype.startswith("float"))
    if takes == "yes" or images:
        return f"\n{table}"
    why = "# One channel: gray images, or features such as MFCC? For images, take the # off these lines:\n"
    return f"\n{why}" + "".join(f"#{line}\n" if line.startswith("#") else f"# {line}\n" for line in table.splitlines())


def _image_keys(form: ImageShape, *, floats: bool) -> str:
    fixed = isinstance(form.height, int) and isinstance(form.width, int)
    keys = (
        (f"resize = [{form.height}, {form.width}]  # or one number: the shorter side\n" if fixed else "# resize = [224, 224]\n")
        + "# crop = [224, 224]  # the middle, after resize\n"
        + f'layout = "{form.layout}"\nchannels = "{"gray" if form.channels == 1 else "RGB"}"  # RGB, BGR or gray\n'
    )
    return keys + _VALUES if floats else keys


_VALUES = """\
# Pixels and other integers become (x * scale - mean) / std; arrays of floats stay as they are. mean
# and std: one number, or one per channel. CHECK: they must be those of training
scale = 0.00392156862745098  # 1/255
mean = 0.0
std = 1.0
"""

_TEMPLATE = """\
# A data set for edgeq: this file and the data in one folder; use it as --data FOLDER.
schema_version = 1
name = "my_set"
# licence = "..."
# metric = "top1"

# What is in the folder: files of one sample each (.npy, .npz with one array per input, or images),
# or one .npz or .npy file that holds all samples, axis 0 = sample ...
files = ["*"]
# labels = "labels.csv"  # lines `file,label`, or one class number per line in the order of the file
# names
# ... or splits, instead of `files` and `labels` (file: an .npz with axis 0 = sample):
# [split.calibration]
# files = ["calibration/*.png"]
# [split.evaluation]
# file = "evaluation.npz"
"""
