from .objects import vote_over_objects as vote_over_objects
from .tiff import tiff_bytes as tiff_bytes
from .tiles import predict_in_tiles as predict_in_tiles
from .vtk import vtk_text as vtk_text
