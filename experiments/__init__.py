"""Studies: one file each, with its command, what it claims and what it measured."""

from idml_jax.cli import silence_xla

# Before any of them imports JAX.
silence_xla()
