"""Slices nobody had named: where the model is worse than elsewhere, found on one half of the labels, tried on the other."""
