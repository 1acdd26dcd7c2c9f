"""What is handed on as a file."""
