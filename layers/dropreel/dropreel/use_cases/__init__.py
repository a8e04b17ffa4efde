"""The steps, one file each. They take everything outside as arguments and return outcomes as data."""
