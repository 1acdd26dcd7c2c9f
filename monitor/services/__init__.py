"""One verb per file: what the processes do."""
