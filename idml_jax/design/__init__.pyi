from .objectives import Objective as Objective
from .search import Design as Design
from .search import GeneratorOfLatents as GeneratorOfLatents
from .search import History as History
from .search import optimize_latents as optimize_latents
from .search import to_latents as to_latents
