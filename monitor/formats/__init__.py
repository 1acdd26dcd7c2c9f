"""One decoder per log format."""
