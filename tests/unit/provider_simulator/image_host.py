"""A web server on loopback that hosts images, as S3 would behind a presigned address."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class _Hosted:
    content: bytes
    status: int
    pause_seconds: float


class ImageHost:
    """Serves the given content, and records the target of every request."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.requested: list[str] = []
        self._hosted: dict[str, _Hosted] = {}

    def host(self, name: str, content: bytes, status: int = 200, pause_seconds: float = 0) -> str:
        """Serves this content from now on; returns its address."""
        self._hosted[f"/{name}"] = _Hosted(content, status, pause_seconds)
        return f"{self.base_url}/{name}"

    def look_up(self, target: str) -> _Hosted:
        """The content of a target. Its query, a signature, is ignored."""
        self.requested.append(target)
        return self._hosted.get(urlsplit(target).path, _Hosted(b"no such image", 404, 0))


@contextmanager
def image_host() -> Iterator[ImageHost]:
    """Runs a host for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosted = host.look_up(self.path)
            time.sleep(hosted.pause_seconds)
            self.send_response(hosted.status)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(hosted.content)))
            self.end_headers()
            self.wfile.write(hosted.content)

        def log_message(self, *_: object) -> None:
            """Says nothing: the tests' output is for failures."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host = ImageHost(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
