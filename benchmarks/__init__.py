"""Benchmarks: each prints JSON; speed is told as a ratio to a bare limit measured in the same run."""
