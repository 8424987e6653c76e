"""Step 2, the data: micrographs from files, splits, crops, and media that the computer makes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
