from .expected_improvement import ExpectedImprovement as ExpectedImprovement
from .hedge import Hedge as Hedge
from .trust_region import TrustRegion as TrustRegion
