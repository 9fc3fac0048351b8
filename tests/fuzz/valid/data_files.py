"""Data for a model: .npz, .npy, folders of samples and of images, with a set.toml and labels."""

from __future__ import annotations

import io
from random import Random

import numpy as np

from edgeq.numerics.arrays import AnyArray
from tests.fuzz.damage.npz import npy, npz

#: element type and sizes of one feed, by the name of the input
Feeds = dict[str, tuple[np.dtype[np.generic], tuple[int, ...]]]
#: content by path inside a folder
Files = dict[str, bytes]


def arrays_for(random: Random, feeds: Feeds, samples: int) -> dict[str, AnyArray]:
    """Samples that fit: axis 0 takes the place of the batch, or whole feeds one after the other."""
    numbers = np.random.default_rng(random.getrandbits(64))
    whole = random.random() < 0.2 or any(not sizes for _, sizes in feeds.values())
    found: dict[str, AnyArray] = {}
    for name, (element, sizes) in feeds.items():
        shape = (samples, *(sizes if whole else sizes[1:]))
        if element.kind == "f":
            found[name] = numbers.normal(size=shape).astype(element)
        else:
            found[name] = numbers.integers(0, 2 if element.kind == "b" else 4, size=shape).astype(element)
    return found


def npz_for(random: Random, feeds: Feeds, samples: int) -> bytes:
    """An .npz with an array for each input, and labels now and then."""
    members = {f"{name}.npy": npy(array) for name, array in arrays_for(random, feeds, samples).items()}
    if random.random() < 0.07:
        members["labels.npy"] = npy(np.arange(samples) % 2)
    return npz(members, deflated=random.random() < 0.5)


def folder_for(random: Random, feeds: Feeds) -> Files:
    """A folder with a set.toml: files of one sample each, or images, and labels now and then."""
    count = random.choice((2, 4, 6))
    first = next(iter(feeds), "x")
    sizes = feeds[first][1] if first in feeds else ()
    files: Files = {}
    is_image = len(sizes) == 4 and sizes[1] in (1, 3) and len(feeds) == 1 and random.random() < 0.6
    for index in range(count):
        if is_image:
            files[f"{index}.{random.choice(('png', 'png', 'bmp', 'jpg'))}"] = image(random)
        elif len(feeds) == 1:
            files[f"{index}.npy"] = npy(next(iter(arrays_for(random, feeds, 1).values()))[0])
        else:
            files[f"{index}.npz"] = npz({f"{name}.npy": npy(array[0]) for name, array in arrays_for(random, feeds, 1).items()})
    lines = [
        "schema_version = 1",
        'name = "set"',
        f'files = ["*.{"*" if is_image else "np[yz]"}"]' if not is_image else 'files = ["[0-9]*.*"]',
    ]
    if random.random() < 0.3:
        name = random.choice(("labels.txt", "labels.csv"))
        files[name] = labels(random, sorted(files))
        lines.append(f'labels = "{name}"')
    if is_image:
        lines += [
            "[[input]]",
            f'name = "{first}"',
            f"resize = [{sizes[2]}, {sizes[3]}]",
            f'channels = "{"RGB" if sizes[1] == 3 else "gray"}"',
        ]
        lines += ["scale = 0.00392", "mean = 0.5", "std = 0.25"]
    files["set.toml"] = ("\n".join(lines) + "\n").encode()
    return files


def labels(random: Random, names: list[str]) -> bytes:
    """Class numbers, one a line or beside file names; now and then odd ones."""
    numbers = [
        random.choice(("0", "1", "2", "0", "1", "-1", "+1", "--1", "1.0", "x", "\u0663", "9" * 30)) if random.random() < 0.1 else "1"
        for _ in names
    ]
    lines = numbers if random.random() < 0.5 else [f"{name},{number}" for name, number in zip(names, numbers, strict=True)]
    return ("\n".join([*random.choice(([], ["file,label"])), *lines]) + "\n").encode()


def image(random: Random) -> bytes:
    """A small picture in one of the modes and formats that users have."""
    from PIL import Image

    mode = random.choice(("RGB", "RGB", "L", "RGBA", "1", "P", "I;16", "CMYK"))
    size = random.choice(((8, 8), (9, 7), (1, 1), (64, 3), (20, 20)))
    picture = Image.new(mode, size, random.choice((0, 1)))
    file = io.BytesIO()
    kinds = {"CMYK": ("JPEG", "TIFF"), "I;16": ("PNG", "TIFF"), "P": ("PNG", "GIF"), "RGBA": ("PNG", "WEBP"), "1": ("PNG", "BMP")}
    picture.save(file, random.choice(kinds.get(mode, ("PNG", "BMP", "JPEG", "GIF"))))
    return file.getvalue()
