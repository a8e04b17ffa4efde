"""A receiver of webhooks on loopback: keeps what arrives, and refuses the webhooks of some images."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Webhook:
    """One delivery as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def key(self) -> str:
        """The key of the image that it is about."""
        found: str = self.content["data"]["image"]["key"]
        return found


@dataclass
class WebhookReceiver:
    """Answers 204, or the next status of `answers` for the image's key."""

    url: str
    received: list[Webhook] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)

    def take(self, webhook: Webhook) -> int:
        """Keep a webhook; return the status of the answer."""
        statuses = self.answers.get(webhook.key, [])
        self.received.append(webhook)
        return statuses.pop(0) if statuses else 204

    def of(self, key: str, count: int = 1, seconds: float = 30) -> list[Webhook]:
        """Return the webhooks about an image, once there are `count`. Raises AssertionError after `seconds`."""
        end = time.monotonic() + seconds
        while len(found := [one for one in self.received if one.key == key]) < count:
            assert time.monotonic() < end, f"{len(found)} of {count} webhooks about {key} after {seconds} s"
            time.sleep(0.1)
        return found


@contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """Run a receiver for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(Webhook(self.path, headers, body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = WebhookReceiver(f"http://127.0.0.1:{server.server_address[1]}/dropreel?shop=1")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
