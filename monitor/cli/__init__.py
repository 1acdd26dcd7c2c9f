"""`snellen ...`: one file per group of commands, put together in `main`."""

from monitor.cli.main import app, main

__all__ = ["app", "main"]
