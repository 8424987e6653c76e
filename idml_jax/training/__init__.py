"""Step 4, the training: steps and losses, growth, the loop, checkpoints, records."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
