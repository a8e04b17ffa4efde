"""Plain text on the console: square brackets in it are not read as rich's markup."""

from rich.console import Console


def print_text(console: Console, text: str) -> None:
    """Print text as it is."""
    console.print(text, markup=False, highlight=False)


def print_error(console: Console, text: str) -> None:
    """Print text as it is, in red."""
    console.print(text, style="red", markup=False, highlight=False)
