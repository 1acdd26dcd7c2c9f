"""Pure statistics on numpy arrays: no database, clock or framework."""
