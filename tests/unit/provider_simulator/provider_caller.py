"""Calls the provider's endpoints as a customer would."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

KEY = "key-of-the-tests"
_SECONDS = 10.0


class ProviderCaller:
    """A customer with a key and an image."""

    def __init__(self, base_url: str, session: requests.Session, image_url: str) -> None:
        self.base_url = base_url
        self.image_url = image_url
        self._session = session
        self._session.headers["Authorization"] = f"Bearer {KEY}"

    def submit(self, timeout: float = _SECONDS, **fields: Any) -> requests.Response:
        """Submits the image with a plain prompt, changed by these fields."""
        body = {"prompt": "zoom in", "image_url": self.image_url, **fields}
        return self._session.post(f"{self.base_url}/v1/videos/generate", json=body, timeout=timeout)

    def submit_body(self, body: bytes, content_type: str = "application/json") -> requests.Response:
        """Submits these bytes as they are."""
        headers = {"Content-Type": content_type}
        return self._session.post(f"{self.base_url}/v1/videos/generate", data=body, headers=headers, timeout=_SECONDS)

    def submit_at_once(self, count: int, **fields: Any) -> list[requests.Response]:
        """Submits `count` times at the same moment."""
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: self._alone().submit(**fields), range(count)))

    def _alone(self) -> "ProviderCaller":
        # A session is not thread-safe.
        return ProviderCaller(self.base_url, requests.Session(), self.image_url)

    def poll(self, generation_id: str, timeout: float = _SECONDS) -> requests.Response:
        """Polls once."""
        return self._session.get(f"{self.base_url}/v1/videos/generations/{generation_id}", timeout=timeout)

    def wait_until_ended(self, generation_id: str) -> dict[str, Any]:
        """Polls until the generation has completed or failed."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            progress: dict[str, Any] = self.poll(generation_id).json()
            if progress["status"] in ("completed", "failed"):
                return progress
            time.sleep(0.05)
        raise AssertionError(f"{generation_id} has not ended in 15 seconds")

    @staticmethod
    def download(url: str, timeout: float = _SECONDS, **options: Any) -> requests.Response:
        """Fetches a result, without any key."""
        return requests.get(url, timeout=timeout, **options)
