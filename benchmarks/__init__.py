"""Ours beside a peer, in one run, on the same work."""

from idml_jax.cli import silence_xla

# Before any of them imports JAX.
silence_xla()
