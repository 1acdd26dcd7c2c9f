"""Frozen values shared by every layer: events, windows, results. No I/O."""
