"""The page of charges in a browser."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from dropreel.domain.job import Job
from tests.e2e.conftest import Account
from tests.support.browser import contrast_schemes

PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def charged(account: Account) -> Job:
    key = account.new_key("charged.jpg")
    account.put(key)
    return account.ended(key)


@pytest.mark.parametrize("page", contrast_schemes(), indirect=True, ids=str)
def test_the_charges_are_drawn_and_in_a_table(page: Page, charged: Job) -> None:
    page.get_by_role("link", name="Charges").click()

    chart = page.locator("svg.chart")
    expect(chart.locator("rect.charged").first).to_be_attached(timeout=20_000)
    page.get_by_text("Every day, as a table").click()
    expect(page.locator(".days tbody tr")).to_have_count(31, timeout=20_000)
    expect(page.locator(".days .total")).to_contain_text("$")
    folder = charged.image.key.rpartition("/")[0] + "/"
    expect(page.locator(".sums")).to_contain_text("fast 5 s")
    expect(page.get_by_role("link", name=folder, exact=True)).to_be_visible()
    expect(page.locator(".today")).to_contain_text("There is no cap.")
    assert Axe().run(page).response["violations"] == []
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
