"""One file per notification channel."""
