"""Which prediction is embedded or labelled, and with which probability."""
