"""The kinds of arrays that edgeq hands around, one name each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
#: whole numbers of some width: the codes of a grid
Ints = NDArray[np.integer]
#: positions in another array
Indices = NDArray[np.intp]
#: which elements of another array are meant
Mask = NDArray[np.bool_]
#: an array whose element type is known at run time only
AnyArray = NDArray[Any]
