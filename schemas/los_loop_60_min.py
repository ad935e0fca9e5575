"""The loop detectors of Los Angeles once more: how fast is the traffic 60 minutes from now?"""

from schemas.los_loop_15_min import at_horizon

# the file is that of los_loop_15_min, fetched once for all
SPEC = at_horizon(60)
