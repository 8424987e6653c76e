from .vtk import vtk_text as vtk_text
