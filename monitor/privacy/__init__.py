"""What leaves a record before it is stored: personal data in texts."""
