"""One file per task type: how a label scores an answer."""
