"""What `make bench` measures: every figure is a count, or a ratio against a named rival or floor of the same run."""
