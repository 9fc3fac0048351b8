"""Damage to .npz files by their structure: data, statistics and checkpoints are such files."""

from __future__ import annotations

import io
import warnings
import zipfile
from random import Random

import numpy as np

from edgeq.numerics.arrays import AnyArray
from tests.fuzz import odd
from tests.fuzz.damage.raw_bytes import mutate_bytes
from tests.fuzz.damage.text import mutate_json

Members = dict[str, bytes]


def npy(array: AnyArray) -> bytes:
    """The bytes of a .npy file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=array.dtype.hasobject)
    return file.getvalue()


def npz(members: Members, *, deflated: bool = True, twice: str | None = None) -> bytes:
    """The bytes of an .npz file; twice: a member that is in it a second time."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as archive:
        warnings.simplefilter("ignore")  # that a member is there twice is the point
        for name in (*members, *([twice] if twice in members else [])):
            archive.writestr(zipfile.ZipInfo(name.replace("\x00", "0") or "0", (1980, 1, 1, 0, 0, 0)), members[name])
    return file.getvalue()


def mutate_npz(random: Random, data: bytes) -> bytes:
    """A damaged copy of an .npz file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(random.choice((1, 1, 1, 2))):
        if members:
            _change_member(random, members)
    twice = random.choice(list(members)) if members and random.random() < 0.05 else None
    return npz(members, deflated=random.random() < 0.7, twice=twice)


def _change_member(random: Random, members: Members) -> None:
    name = random.choice(list(members))
    action = random.randrange(10)
    if action == 0:
        del members[name]
    elif action == 1:
        members[f"{odd.name(random)}.npy"] = members.pop(name) if random.random() < 0.5 else members[name]
    elif action == 2:
        members[name] = mutate_bytes(random, members[name])
    elif action == 3:
        members[name] = _declared(random, members[name])
    else:
        members[name] = _other_array(random, members[name])


def _declared(random: Random, data: bytes) -> bytes:
    """Another header before the same elements."""
    shape = tuple(random.choice((0, 1, 2, 8, 10**6, 10**12, -1)) for _ in range(random.choice((0, 1, 2, 4, 40))))
    head = {
        "descr": random.choice(("<f4", "|u1", "<i8", ">f8", "|O", "<U5", "|S3", "<c8", "<M8[s]", "|V4")),
        "fortran_order": random.random() < 0.2,
        "shape": shape,
    }
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, head)
    return file.getvalue() + data[128:]


def _other_array(random: Random, data: bytes) -> bytes:
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError):
        return mutate_bytes(random, data)
    if array.dtype == np.uint8 and array.ndim == 1 and bytes(array[:1]) == b"{":
        return npy(np.frombuffer(mutate_json(random, array.tobytes().decode()).encode(), np.uint8))
    with np.errstate(all="ignore"):
        return npy(_changed(random, array))


def _changed(random: Random, array: AnyArray) -> AnyArray:
    flat = array.reshape(-1).copy()
    action = random.randrange(7)
    if action == 0 and flat.size and array.dtype.kind in "iuf":
        odd_number = odd.real(random) if array.dtype.kind == "f" else random.choice((0, 1, 100))
        flat[random.randrange(flat.size)] = odd_number
        return flat.reshape(array.shape)
    if action == 1:
        return array[..., None] if random.random() < 0.5 else flat
    if action == 2:
        return array[: random.choice((0, 1))] if array.ndim else array[None]
    if action == 3 and array.dtype.kind in "biuf":
        return array.astype(random.choice(("<f2", "<f8", ">f4", "<i8", "|u1", "<u8", "<c8", "|b1", "<U3", "|S2", "O")))
    if action == 4:
        return np.asfortranarray(array)
    if action == 5 and array.dtype.kind == "f":
        return array * array.dtype.type(random.choice((0, 1e-30, 1e30, 255)))
    return np.concatenate([array, array]) if array.ndim else array
