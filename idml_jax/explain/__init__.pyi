from .saliency import saliency as saliency
