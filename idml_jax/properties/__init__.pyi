from .conductivity import Conductivity as Conductivity
from .conductivity import effective_conductivity as effective_conductivity
from .conjugate_gradient import conjugate_gradient as conjugate_gradient
