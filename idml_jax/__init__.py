"""idml_jax: from micrographs to a microstructure with a wanted property.

The rooms are the steps of a study: `data`, `models`, `training`, `statistics`,
`properties`, `evaluation`, `design`, `report` and, from files to a report, `workflows`.
Import them by name; each loads what it needs when it is first used.
"""

__version__ = "0.1.0"
