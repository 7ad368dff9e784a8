"""Notices as HTTP POST, in the manner of Standard Webhooks.

The address was typed in by a stranger, so calling it must not open our own house to him (T14): only
https, only addresses that anybody could call, resolved once and then connected to as a number,
so that a name which changes its mind between check and call gains nothing. Redirects are not
followed. Of the reply only the status is read: the rest can be endless, can drip for hours, and
could carry what an inner server says to a log that the stranger can see.

Hosts on the allowed list (ours, for the demo and for a customer's own network) are exempt from
https and from the check of the address, from nothing else.
"""

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from cloud.channels.base import ChannelSettings, Failed, Sent
from cloud.core.addresses import is_public
from cloud.core.notices import Notice, NoticeLine, Told
from cloud.core.orders import order_label
from cloud.core.signatures import SecretUnusableError, signed_headers

CONNECT_S_MAX = 5.0
TOTAL_S_MAX = 15.0
ADDRESSES_MAX = 3  # tried of one name, in the resolver's order
RETRY_AFTER_S_MAX = 86_400
PORTS = (443, 8443)

_HTTP_GONE = 410
_HTTP_FIRST_REDIRECT, _HTTP_FIRST_ERROR = 300, 400


@dataclass(frozen=True, kw_only=True)
class Target:
    url: httpx.URL
    addresses: tuple[str, ...]  # numeric, checked


class _RefusedError(Exception):
    """The address may not be called, and never will: why."""


class _NotResolvedError(Exception):
    """The name does not resolve now; it may later."""


class WebhookChannel:
    def __init__(self, settings: ChannelSettings) -> None:
        self._allowed_hosts = settings.webhook_allowed_hosts
        self._tls = httpx.create_ssl_context()  # once: reading all the roots takes a while

    def send(self, notice: Notice, now: datetime) -> Sent | Failed:
        body = body_of(notice)
        try:
            signed = signed_headers(str(notice.notice_id), now, body, notice.secret.split())
            target = resolved(notice.address, self._allowed_hosts)
        except SecretUnusableError:
            return Failed(because="the signing secret of this channel is not usable", retry=False)
        except _RefusedError as refused:
            return Failed(because=str(refused), retry=False)
        except _NotResolvedError:
            return Failed(because="the host name does not resolve", retry=True)
        headers = {**signed, "content-type": "application/json", "user-agent": "Binline-Webhooks/1"}
        return asyncio.run(self._deliver(target, body, headers, now))

    async def _deliver(
        self, target: Target, body: bytes, headers: dict[str, str], now: datetime
    ) -> Sent | Failed:
        try:
            async with asyncio.timeout(TOTAL_S_MAX):
                return await self._post_to_first(target, body, headers, now)
        except TimeoutError:
            return Failed(because=f"no answer within {TOTAL_S_MAX:.0f} s", retry=True)

    async def _post_to_first(
        self, target: Target, body: bytes, headers: dict[str, str], now: datetime
    ) -> Sent | Failed:
        """Go to the next address only while nothing was sent."""
        failed = Failed(because="cannot be reached", retry=True)
        timeout = httpx.Timeout(TOTAL_S_MAX, connect=CONNECT_S_MAX)
        # No proxy from the environment: it would resolve the name again, its own way.
        async with httpx.AsyncClient(verify=self._tls, timeout=timeout, trust_env=False) as client:
            for address in target.addresses:
                try:
                    return await _post(
                        client, target.url, address, body=body, headers=headers, now=now
                    )
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    failed = Failed(because=_in_words(error), retry=True)
                except httpx.HTTPError as error:
                    return Failed(because=_in_words(error), retry=True)
        return failed


TYPES = {
    Told.ORDER_PLACED: "order.placed",
    Told.CHANGE_ACCEPTED: "order.change_accepted",
    Told.CHANGE_REJECTED: "order.change_rejected",
    Told.ORDER_CANCELLED: "order.cancelled",
    Told.BIN_LOW: "bin.low",
}


def body_of(notice: Notice) -> bytes:
    """The same bytes at every try. Beside `lines` the first of them stands on its own, as ever."""
    lines = [_line(line) for line in notice.lines]
    first = {key: lines[0][key] for key in ("item", "bin", "level", "evidence")}
    body = {
        "type": TYPES[notice.told],
        "timestamp": _text(notice.told_at),
        "data": {
            **({"order": _order(notice)} if notice.order_id else {}),
            **({"change": notice.about} if notice.about else {}),
            **first,
            "site": notice.site,
            "lines": lines,
        },
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _order(notice: Notice) -> dict[str, object]:
    assert notice.order_number is not None
    return {
        "id": str(notice.order_id),
        "number": order_label(notice.order_number),
        "quantity": sum(line.quantity for line in notice.lines),
        "packs": sum(line.packs for line in notice.lines),
        "because": notice.because,
        "link": notice.link,
    }


def _line(line: NoticeLine) -> dict[str, object]:
    promised = line.promised_at
    return {
        "item": {"sku": line.sku, "supplier_sku": line.supplier_sku, "name": line.item},
        "bin": {"code": line.bin_code, "place": line.place},
        "quantity": line.quantity,
        "packs": line.packs,
        "promised_at": None if promised is None else _text(promised),
        "level": {
            "pieces": line.pieces,
            "minimum": line.minimum,
            "capacity": line.capacity,
            "measured_at": None if line.measured_at is None else _text(line.measured_at),
        },
        "evidence": line.evidence,
    }


def resolved(address: str, allowed_hosts: frozenset[str]) -> Target:
    """Check a webhook's address and turn its name into numbers, once."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise _RefusedError("not a web address") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise _RefusedError("not a web address")
    if url.userinfo:
        raise _RefusedError("a name or password in the address is not sent")
    port = url.port or (443 if url.scheme == "https" else 80)
    exempt = bool({url.host.lower(), f"{url.host.lower()}:{port}"} & allowed_hosts)
    if not exempt and url.scheme != "https":
        raise _RefusedError("only https is called")
    if not exempt and port not in PORTS:
        raise _RefusedError("only the ports 443 and 8443 are called")
    addresses = _lookup(url.raw_host.decode(), port)
    if not exempt and not all(is_public(found) for found in addresses):
        raise _RefusedError("the host is not on the public internet")
    return Target(url=url, addresses=addresses[:ADDRESSES_MAX])


def _lookup(host: str, port: int) -> tuple[str, ...]:
    """All addresses of a name. How long that may take is the resolver's setting."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _NotResolvedError from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _post(
    client: httpx.AsyncClient,
    url: httpx.URL,
    address: str,
    *,
    body: bytes,
    headers: dict[str, str],
    now: datetime,
) -> Sent | Failed:
    request = client.build_request(
        "POST",
        url.copy_with(host=address),
        content=body,
        headers={**headers, "host": url.netloc.decode()},
        # The certificate is checked against the name, though the number is called.
        extensions={"sni_hostname": url.raw_host.decode()},
    )
    response = await client.send(request, stream=True)
    try:
        return _verdict(response, now)
    finally:
        # Whatever is still to come is not waited for.
        with contextlib.suppress(httpx.HTTPError):
            await response.aclose()


def _verdict(response: httpx.Response, now: datetime) -> Sent | Failed:
    status = response.status_code
    said = f"HTTP {status}"
    if response.is_success:
        return Sent(detail=said)
    if status == _HTTP_GONE:
        return Failed(because=f"{said}: the receiver wants no more of these", retry=False)
    if _HTTP_FIRST_REDIRECT <= status < _HTTP_FIRST_ERROR:
        return Failed(because=f"{said}: redirects are not followed", retry=True)
    return Failed(because=said, retry=True, wait_s=_wait_s(response, now))


def _wait_s(response: httpx.Response, now: datetime) -> int:
    """`Retry-After`, in seconds or as a date; what cannot be read counts as absent."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < len("1000000000"):
        return min(int(text), RETRY_AFTER_S_MAX)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0, int((until - now).total_seconds())), RETRY_AFTER_S_MAX)


def _in_words(error: httpx.HTTPError) -> str:
    """Words of ours: what the library quotes may come from the other side."""
    match error:
        case httpx.ConnectTimeout():
            return f"no connection within {CONNECT_S_MAX:.0f} s"
        case httpx.ConnectError() if "CERTIFICATE" in str(error).upper():
            return "the certificate of the host is not valid for it"
        case httpx.ConnectError():
            return "the connection is refused or the host is not reached"
        case httpx.TimeoutException():
            return f"no answer within {TOTAL_S_MAX:.0f} s"
        case _:
            return "the answer is not HTTP, or the connection was cut"


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
