"""One file per drift detector, all working on mergeable sketches."""
