"""One file per service level indicator."""
