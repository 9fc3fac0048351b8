"""Names for the types of arrays in this package."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
#: integers of some width: the codes of a grid
Ints = NDArray[np.integer]
#: positions in another array
Indices = NDArray[np.intp]
#: selects elements of another array
Mask = NDArray[np.bool_]
#: an array whose element type is known only at run time
AnyArray = NDArray[Any]
