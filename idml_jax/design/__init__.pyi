from .latents import on_sphere as on_sphere
from .latents import random_latents as random_latents
from .latents import sobol_latents as sobol_latents
from .objectives import Objective as Objective
from .search import Design as Design
from .search import GeneratorOfLatents as GeneratorOfLatents
from .search import History as History
from .search import optimize_latents as optimize_latents
