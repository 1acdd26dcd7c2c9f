"""A made-up world to watch: drawn scenes, a small CLIP that sees them, and a service that uses it."""
