"""Lets only the owner's own browser in: a token, and requests that come from the board's own pages.

A browser sends the cookies of 127.0.0.1 to every port, and any site can make it send requests here. So each request must have
the session's cookie, name this host (against DNS rebinding), and come from this origin (Sec-Fetch-Site and Origin).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from dropreel_cli.web.access import Access

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Access", "Guard"]

_SAFE_METHODS = ("GET", "HEAD")
_OWN_SITES = (None, "same-origin", "none")
"""Values of Sec-Fetch-Site: `none` is an address that a person typed or opened. Old browsers send nothing."""
_MAX_QUERY = 8 * 1024
_MAX_PARAMETERS = 50


@dataclass(frozen=True)
class Guard:
    """ASGI middleware. `media_origins` are the origins of presigned addresses, from which videos are played."""

    app: ASGIApp
    access: Access
    media_origins: tuple[str, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 with the reason, exchange the token for a cookie, or hand the request on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            else:  # there is no WebSocket here
                await send({"type": "websocket.close", "code": 1008})
            return
        answer = self._answer(scope)
        await (self.app if answer is None else answer)(scope, receive, self._with_headers(send))

    def _answer(self, scope: Scope) -> Response | None:
        """Return the answer to a request that the board's pages do not get."""
        headers = Headers(scope=scope)
        if why := self._refusal(scope, headers):
            return PlainTextResponse(f"{why}\n", 403)
        try:
            if len(scope["query_string"]) > _MAX_QUERY:
                return PlainTextResponse("The address is too long.\n", 414)
            query = scope["query_string"].decode("latin-1")
            parameters = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
        except ValueError:
            return PlainTextResponse("The address has too many parameters.\n", 400)
        token = dict(parameters).get("token")
        if token is not None and scope["method"] in _SAFE_METHODS and self.access.opens(token):
            rest = urlencode([(name, value) for name, value in parameters if name != "token"])
            path = "/" + quote(scope["path"]).lstrip("/")  # `//name` would be another host
            answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(self.access.cookie, self.access.session, httponly=True, samesite="strict", path="/")
            return answer
        if not self.access.is_session(cookie_parser(headers.get("cookie", "")).get(self.access.cookie, "")):
            return PlainTextResponse(
                "Open the board by the whole address that `dropreel board` printed: it has a token at its end.\n", 403
            )
        return None

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        host = headers.get("host", "").lower()
        if not self.access.is_host(host, (scope.get("server") or (None,))[0]):
            return "The board does not answer to this host name. Open the address that `dropreel board` printed."
        if headers.get("sec-fetch-site") not in _OWN_SITES:
            return "Another site has sent this request. Nothing was done."
        origins = headers.getlist("origin")
        if any(origin != f"http://{host}" for origin in origins):
            return "Another site has sent this request. Nothing was done."
        if scope["method"] not in _SAFE_METHODS and not origins:
            return "A request that changes something needs the header Origin. Nothing was done."
        return None

    def _with_headers(self, send: Send) -> Send:
        async def sends(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        return sends

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer: no inline script or style, no frame, nothing from elsewhere but videos from S3."""
        media = " ".join(("'self'", *self.media_origins))
        policy = {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self'",
            "media-src": media,
            "connect-src": "'self'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        return {
            "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=()",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
        }
