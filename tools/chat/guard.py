"""Let only this machine's own page use the window, and let that page load nothing from elsewhere.

A page of another site can send requests to 127.0.0.1, too: they are refused by their Origin, and by
a Host that is not this machine (DNS rebinding). The policy in every answer keeps a browser from
fetching anything from another address, whatever a model writes.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

HOSTS = ("127.0.0.1", "localhost")
# Gradio's own page has inline scripts and makes functions of its templates (unsafe-eval).
POLICY = "; ".join((
    "default-src 'self'",
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "worker-src 'self' blob:",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self' blob: data:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'self'",
))  # fmt: skip
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Guard:
    """An ASGI application around another one: refuses strangers, adds the policy."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        if not is_own(dict(scope["headers"])):
            text = b"refused: this window answers its own page on this machine alone\n"
            head = [(b"content-type", b"text/plain; charset=utf-8")]
            await sending({"type": "http.response.start", "status": 403, "headers": head})
            await sending({"type": "http.response.body", "body": text})
            return
        await self.app(scope, receive, sending)


def is_own(headers: dict[bytes, bytes]) -> bool:
    """Tell whether a request comes from this machine's own page, or from no page at all."""
    host = headers.get(b"host", b"").decode("latin-1")
    origin = headers.get(b"origin")
    try:
        if urlsplit(f"//{host}").hostname not in HOSTS:
            return False
        return origin is None or urlsplit(origin.decode("latin-1")).netloc == host
    except ValueError:  # no address at all
        return False
