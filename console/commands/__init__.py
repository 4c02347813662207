"""The commands of ``rollcall``."""
