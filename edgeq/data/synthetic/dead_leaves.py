"""Draw pictures that have the statistics of photographs: dead leaves, a pure function of a seed.

Opaque shapes of one colour hide each other; their radii r follow a law of r^-3, so that the picture
looks alike at every scale. Edges, even areas and the spectrum of 1/f^2 are then those of
photographs, which noise of any spectrum lacks: its filter responses are normal, theirs have long
tails. Sources: Lee, Mumford, Huang, Occlusion models for natural images, IJCV 41 (2001); Baradad et
al., Learning to see by looking at noise, arXiv:2106.05963.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, U8

#: shapes of the emptiest and of the fullest picture; pictures lie evenly between, by ratio
LEAST_SHAPES, MOST_SHAPES = 40, 640
#: radii as shares of the shorter side: below the least, a shape is a pixel or two of most inputs
LEAST_RADIUS, MOST_RADIUS = 1 / 60, 1 / 2
#: photographs vary far more in lightness than in colour: the largest ratio of the two
COLOURFUL = 0.5
#: standard deviations of lightness between the shapes of the dullest and of the starkest picture
LEAST_CONTRAST, MOST_CONTRAST = 0.1, 0.4
#: mean lightness of the darkest and of the lightest picture
DARKEST, LIGHTEST = 0.2, 0.8
#: by how much the looks of a picture differ from the one before: powers of the root of x^6 = x + 1,
#: whose multiples fill the unit cube evenly (Roberts, The unreasonable effectiveness of
#: quasirandom sequences, 2018). Looks by chance make some sets far duller than others
_STEPS = 1.1347241384015194 ** -np.arange(1.0, 6.0)
#: the strongest texture and the strongest noise of a sensor, in shares of the range of pixels
TEXTURE, NOISE = 0.12, 0.01


def dead_leaves(seed: int, index: int, height: int, width: int) -> U8:
    """Picture number `index` of a seed: RGB pixels, uint8 [height, width, 3].

    >>> picture = dead_leaves(0, 0, 16, 24)
    >>> picture.shape, bool((picture == dead_leaves(0, 0, 16, 24)).all())
    ((16, 24, 3), True)
    """
    chance = np.random.default_rng([seed, index])
    clutter, light, contrast, colour, texture = (np.random.default_rng(seed).random(len(_STEPS)) + index * _STEPS) % 1
    picture = _shapes(chance, height, width, _Look(clutter, light, contrast, colour))
    picture += (TEXTURE * texture * _fractal(chance, height, width))[..., None]
    picture += NOISE * chance.random() * chance.standard_normal(picture.shape)
    return np.asarray(np.rint(np.clip(picture, 0, 1) * 255), np.uint8)


@dataclass(frozen=True)
class _Look:
    """What a picture looks like, in shares of 0..1 of what there is."""

    #: how many shapes it has
    clutter: float
    #: how light it is
    light: float
    #: how much lightness differs from shape to shape
    contrast: float
    #: how much colour does, beside lightness
    colour: float


def _shapes(chance: np.random.Generator, height: int, width: int, look: _Look) -> F64:
    """Ellipses and boxes over each other, each with a light and a dark side: [height, width, 3]."""
    count = int(LEAST_SHAPES * (MOST_SHAPES / LEAST_SHAPES) ** look.clutter)
    mean = DARKEST + (LIGHTEST - DARKEST) * look.light + 0.06 * chance.standard_normal(3)
    contrast = LEAST_CONTRAST + (MOST_CONTRAST - LEAST_CONTRAST) * look.contrast
    colourful = contrast * COLOURFUL * look.colour
    colours = mean + contrast * chance.standard_normal((count, 1)) + colourful * chance.standard_normal((count, 3))
    # the share of radii above r falls as r^-2
    least, most = (float(min(height, width)) * share for share in (LEAST_RADIUS, MOST_RADIUS))
    radii = (least**-2 + chance.random(count) * (most**-2 - least**-2)) ** -0.5
    places, turns = chance.random((count, 2)) * (height, width), chance.random(count) * np.pi
    long, round_ = np.exp(0.4 * chance.standard_normal(count)), chance.random(count) < 0.5
    slopes = 0.2 * contrast * chance.standard_normal(count)
    picture = np.empty((height, width, 3))
    picture[:] = mean
    for k in range(count):
        reach = radii[k] * max(long[k], 1 / long[k]) * 1.5 + 1
        rows, columns = (slice(max(0, int(at - reach)), int(at + reach) + 2) for at in places[k])
        part = picture[rows, columns]
        down = (np.arange(rows.start, rows.start + part.shape[0]) - places[k, 0])[:, None]
        right = (np.arange(columns.start, columns.start + part.shape[1]) - places[k, 1])[None]
        along = (right * np.cos(turns[k]) + down * np.sin(turns[k])) / (radii[k] * long[k])
        across = (down * np.cos(turns[k]) - right * np.sin(turns[k])) * long[k] / radii[k]
        inside = along**2 + across**2 < 1 if round_[k] else np.maximum(np.abs(along), np.abs(across)) < 0.9
        part[inside] = colours[k] + slopes[k] * along[inside][:, None]
    return picture


def _fractal(chance: np.random.Generator, height: int, width: int) -> F32:
    """Noise whose amplitudes fall as 1 / frequency, with mean 0 and standard deviation 1."""
    waves = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    waves[0, 0] = np.inf
    noise = np.fft.irfft2(np.fft.rfft2(chance.standard_normal((height, width))) / waves, (height, width))
    return np.asarray(noise / max(float(noise.std()), 1e-9), np.float32)
