"""The small CLIP of the demo: how it was trained, how good it is, and its weights."""
