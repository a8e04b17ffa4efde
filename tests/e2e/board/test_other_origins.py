"""Pages of other origins, in the browser that has the board's cookie: nothing is read, nothing is changed, nothing is paid."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Response, expect

from dropreel.domain.job import Job
from dropreel_cli.submissions import Submissions
from dropreel_cli.web.server import BoardServer
from tests.e2e.board.other_origins import other_site
from tests.e2e.conftest import Account
from tests.e2e.made_jobs import CUT_AND_UNPAID, unknown_job

HOSTS = ("127.0.0.1", "localhost")
"""Another port of the board's own host, to which the browser sends the board's cookie; and another site."""
TRIES = """
async ({ board, job }) => {
  const outcome = {};
  const attempt = async (name, what) => {
    try { outcome[name] = await what(); } catch (error) { outcome[name] = "refused"; }
  };
  const body = JSON.stringify({ may_pay_twice: "yes" });
  const decision = `${board}/jobs/${job}/actions/resubmit`;
  const loaded = (element) => new Promise((resolve) => {
    element.addEventListener("load", () => resolve("loaded"));
    element.addEventListener("error", () => resolve("refused"));
    setTimeout(() => resolve("refused"), 3000);
    document.body.append(element);
  });
  const plain = { method: "POST", mode: "no-cors", credentials: "include", headers: { "content-type": "text/plain" }, body };
  await attempt("no-cors POST", async () => (await fetch(decision, plain)).type);
  await attempt("no-cors pause", async () => (await fetch(`${board}/submissions/pause`, plain)).type);
  await attempt("beacon", async () => { navigator.sendBeacon(decision, body); return "sent"; });
  await attempt("cors GET", async () => (await fetch(`${board}/`, { credentials: "include" })).text());
  await attempt("cors POST", async () => (await fetch(decision, {
    method: "POST", credentials: "include", headers: { "content-type": "application/json" }, body })).status);
  await attempt("EventSource", () => new Promise((resolve) => {
    const source = new EventSource(`${board}/updates?version=0`, { withCredentials: true });
    source.addEventListener("update", () => resolve("read"));
    source.addEventListener("error", () => { source.close(); resolve("refused"); });
  }));
  await attempt("image", () => loaded(Object.assign(new Image(), { src: `${board}/jobs/${job}/thumbnail` })));
  await attempt("icon", () => loaded(Object.assign(new Image(), { src: `${board}/static/icon.svg` })));
  await attempt("script", () => loaded(Object.assign(document.createElement("script"), { src: `${board}/static/board.js` })));
  await attempt("WebSocket", () => new Promise((resolve) => {
    const socket = new WebSocket(`${board.replace("http", "ws")}/updates`);
    socket.addEventListener("open", () => resolve("open"));
    socket.addEventListener("error", () => resolve("refused"));
  }));
  const frame = Object.assign(document.createElement("iframe"), { src: `${board}/`, name: "framed" });
  document.body.append(frame);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await attempt("frame", async () => frame.contentDocument?.body.textContent || "refused");
  return outcome;
}
"""
FORM = """<!doctype html><form method="post" enctype="text/plain" action="{action}">
<input name='{{"may_pay_twice":"yes","a":"' value='"}}'><button>Win</button></form>"""


@pytest.fixture(scope="module")
def job(account: Account) -> Job:
    """A job that could be paid a second time."""
    return unknown_job(account, CUT_AND_UNPAID)


@pytest.fixture(params=HOSTS)
def site(request: pytest.FixtureRequest, board: BoardServer, job: Job) -> Iterator[str]:
    """The origin of another site."""
    actions = {
        "/decide": f"http://127.0.0.1:{board.port}/jobs/{job.job_id}/actions/resubmit",
        "/pause": f"http://127.0.0.1:{board.port}/submissions/pause",
    }
    link = f'<!doctype html><a href="http://127.0.0.1:{board.port}/">See</a>'
    pages = {
        "/": "<!doctype html>",
        "/link": link,
        **{path: FORM.format(action=action) for path, action in actions.items()},
    }
    with other_site(pages) as port:
        yield f"http://{request.param}:{port}"


@pytest.fixture
def answers(page: Page) -> list[tuple[str, int]]:
    """What the board answers to this browser from here on: method and path, and the status."""
    found: list[tuple[str, int]] = []
    page.expected_faults = [""]  # type: ignore[attr-defined] # the browser reports each refusal
    page.goto("about:blank")

    def keep(response: Response) -> None:
        if "://127.0.0.1" in response.url:
            found.append((f"{response.request.method} {response.url}", response.status))

    page.context.on("response", keep)
    return found


@pytest.fixture
def unchanged(account: Account, job: Job) -> Iterator[None]:
    """At the end of the test the job, what was submitted and the switch are as they were at its start."""

    def state() -> Any:
        (now,) = account.jobs_of(job.image.key)
        paid = len(account.submitted(job.image.key))
        return now.status, now.attempt, now.requeues, now.charge, paid, Submissions.of(account.stack).is_paused

    before = state()
    assert not before[-1]
    yield
    assert state() == before


def of_the_board(board: BoardServer, answers: list[tuple[str, int]]) -> dict[str, int]:
    return {request: status for request, status in answers if f":{board.port}/" in request}


@pytest.mark.usefixtures("unchanged")
def test_no_request_of_another_origin_works(board: BoardServer, page: Page, job: Job, site: str, answers: Any) -> None:
    page.goto(site)

    outcome = page.evaluate(TRIES, {"board": f"http://127.0.0.1:{board.port}", "job": job.job_id})

    opaque = {"no-cors POST": "opaque", "no-cors pause": "opaque", "beacon": "sent"}  # sent, and answered with 403
    assert {name: found for name, found in outcome.items() if found != "refused" and found != opaque.get(name)} == {}
    found = of_the_board(board, answers)
    assert found
    assert set(found.values()) == {403}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", ["/decide", "/pause"])
def test_a_form_of_another_origin_changes_nothing(
    board: BoardServer, page: Page, site: str, path: str, answers: Any
) -> None:
    page.goto(site + path)

    page.locator("button").click()

    expect(page.locator("body")).to_contain_text("Another site has sent this request. Nothing was done.")
    assert set(of_the_board(board, answers).values()) == {403}


def test_another_site_can_open_the_board_neither_as_a_window_nor_by_a_link(
    board: BoardServer, page: Page, site: str, answers: Any
) -> None:
    page.goto(f"{site}/link")

    with page.expect_popup() as opened:
        page.evaluate(f"() => {{ window.board = window.open('http://127.0.0.1:{board.port}/'); }}")
    popup = opened.value
    popup.wait_for_load_state()
    page.locator("a").click()

    for each in (popup, page):
        expect(each.locator("body")).to_contain_text("Another site has sent this request.")
        expect(each.locator("h1")).to_have_count(0)
    assert set(of_the_board(board, answers).values()) == {403}


def test_a_name_that_is_pointed_at_this_machine_is_not_answered(board: BoardServer, page: Page, answers: Any) -> None:
    answer = page.goto(f"http://rebound.localhost:{board.port}/?token={board.access.token}")

    assert answer is not None
    assert answer.status == 403
    expect(page.locator("body")).to_contain_text("does not answer to this host name")


def test_the_own_page_still_works_beside_them(board: BoardServer, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{board.port}/")

    expect(page.locator("h1")).to_have_text("Jobs")
