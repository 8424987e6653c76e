"""Ours beside a peer, in one run, on the same work."""
