from .correlation import radial_average as radial_average
from .correlation import two_point_correlation as two_point_correlation
from .phases import bright_phase as bright_phase
from .phases import soft_phase as soft_phase
from .phases import volume_fraction as volume_fraction
