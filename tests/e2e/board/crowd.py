"""Helpers for pages of the crowded stack."""

from playwright.sync_api import Page

NO_OVERFLOW = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


def job_id(number: int) -> str:
    """Return the id of a job of the crowded stack: its status' place, or 100 and more for a hostile name."""
    return f"{number:024x}"


def fits(page: Page) -> bool:
    """Return whether the page needs no horizontal scrolling."""
    return bool(page.evaluate(NO_OVERFLOW))
