"""Metrics, health and JSON logs."""
