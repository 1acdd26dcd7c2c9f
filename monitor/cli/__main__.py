"""`python -m monitor.cli`, for processes that start others."""

from monitor.cli.main import main

main()
