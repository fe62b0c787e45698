# How long one kernel, or one collective, takes on a device. Three named tiers, best known first, and every answer
# says which it is and from which constants, so that a prediction can be traced back to what was measured.
"""`op_time(hw, kind, dtype, **sizes)` and `collective(hw, op, bytes, ranks)`; numpy only."""

from cutaway.predict.time.families import FEW
from cutaway.predict.time.links import collective
from cutaway.predict.time.tiers import CALIBRATED, MEASURED, SPEED_OF_LIGHT, TIERS, beside_prompts, op_time

__all__ = ["CALIBRATED", "FEW", "MEASURED", "SPEED_OF_LIGHT", "TIERS", "beside_prompts", "collective", "op_time"]
