"""Every form of an operator that is tried on the emulator of the Hexagon HTP."""

from __future__ import annotations

from benchmarks.hexagon.arithmetic_forms import arithmetic
from benchmarks.hexagon.function_forms import functions
from benchmarks.hexagon.layer_forms import layers
from benchmarks.hexagon.moving_forms import moving
from benchmarks.hexagon.norm_forms import norms

FORMS = (*norms(), *functions(), *arithmetic(), *layers(), *moving())
