"""Media that the computer makes: what they are is known, so they can test everything else."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
