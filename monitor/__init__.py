"""Snellen: monitoring for vision-language models in production."""

__version__ = "0.1.0"
