"""Words for samples that are held out and samples that judge, which statistics and plans say."""

from __future__ import annotations

from typing import Literal

#: which samples of the data nothing was fitted to: none, or one piece in five
#: (edgeq/data/held_out.py)
HoldOut = Literal["none", "every_fifth"]
#: what a result is judged on: samples of the data that were held out, the samples that it was
#: fitted to, data given for that, or data that is not what a plan was made from
JudgedOn = Literal["held_out", "calibration", "validation", "other"]
