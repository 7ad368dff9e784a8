"""What holds for every request, whatever it is for: size, origin, what the browser is told.

Plain ASGI, because a wrapper that collects the response would hold back the live stream.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.http import problems

BODY_BYTES_MAX = 1024 * 1024
# A file, and once more in the page that shows what it would change (in base 64, so a third more).
FILE_BYTES_MAX = 12 * 1024 * 1024
FILE_PATHS = ("/import", "/api/import")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LINK_PATH = "/a/"

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Guards:
    def __init__(self, app: ASGIApp, *, public_url: str) -> None:
        self._app = app
        self._public_url = public_url
        self._https = public_url.startswith("https://")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._tell_browser(scope["path"], MutableHeaders(scope=message))
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        body = _Counted(receive, _bytes_max(scope))

        async def send_unless_too_large(message: Message) -> None:
            if not body.too_large:
                await send_guarded(message)

        await self._app(scope, body.receive, send_unless_too_large)
        if body.too_large:
            await problems.answer(scope, problems.TOO_LARGE)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > _bytes_max(scope):
            return problems.answer(scope, problems.TOO_LARGE)
        if scope["method"] not in SAFE_METHODS and not self._from_here(scope, headers):
            return problems.answer(scope, problems.FROM_ELSEWHERE)
        return None

    def _from_here(self, scope: Scope, headers: Headers) -> bool:
        """Whether a change was asked for by one of our own pages.

        The page behind a mail link sends no referrer, so its browser says `Origin: null`. It needs
        no more: no cookie is read there, and the link itself is what a forger would lack.
        """
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = headers.get("origin")
        if scope["path"].startswith(LINK_PATH) and origin in (None, "null"):
            return True
        return origin is not None and (
            origin == self._public_url or urlsplit(origin).netloc == headers.get("host")
        )

    def _tell_browser(self, path: str, headers: MutableHeaders) -> None:
        headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        # The address of such a page is its key: it is told to nobody.
        headers["Referrer-Policy"] = "no-referrer" if path.startswith(LINK_PATH) else "same-origin"
        headers.setdefault("Cache-Control", "no-store")
        if self._https:
            headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"


def _bytes_max(scope: Scope) -> int:
    return FILE_BYTES_MAX if scope["path"] in FILE_PATHS else BODY_BYTES_MAX


class _Counted:
    """Counts a body while it comes, for it may come without a stated length.

    Whoever reads a body that is too large is told that the client is gone; what it answers to
    that is not sent.
    """

    def __init__(self, receive: Receive, bytes_max: int) -> None:
        self._receive = receive
        self._bytes_max = bytes_max
        self._bytes = 0

    @property
    def too_large(self) -> bool:
        return self._bytes > self._bytes_max

    async def receive(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.too_large else message
