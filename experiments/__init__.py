"""Studies: one file each, with its command, what it claims and what it measured."""
