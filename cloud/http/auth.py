"""Who is behind a request: log-in, session cookie, and the transaction that says who is asking.

The cookie holds 32 random bytes and the database their SHA-256. At most two passwords are checked
at a time, each try is counted before it is looked at, and a mail address that nobody has takes
as long as a wrong password.
"""

import hashlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Annotated

import argon2
import psycopg
from fastapi import Depends, Request
from fastapi.security import APIKeyCookie
from starlette.responses import Response

from cloud.http import problems
from cloud.http.parts import Parts, parts_of
from cloud.postgres import asking, sessions, users
from cloud.postgres.sessions import Session

TOKEN_BYTES = 32
TRIES_MAX = 5
TRIES_WITHIN = timedelta(minutes=1)
HASHES_AT_ONCE_MAX = 2
HASH_WAIT_S_MAX = 5.0
EMAIL_CHARS_MAX = 254
PASSWORD_CHARS_MAX = 128

_hashing = threading.BoundedSemaphore(HASHES_AT_ONCE_MAX)

# Only tells the API's description that there is a cookie; the session itself is looked up below.
_cookie_in_docs = APIKeyCookie(name="binline", auto_error=False, description="set by POST /login")


@dataclass(frozen=True, kw_only=True)
class WrongLogin:
    """No such mail address, or not this password: which of the two is nobody's business."""


@dataclass(frozen=True, kw_only=True)
class TooManyTries:
    retry_s: int


def log_in(parts: Parts, email: str, password: str) -> str | WrongLogin | TooManyTries:
    """The token of a new session. Each step is a transaction, so that a try counts at once."""
    now = parts.now()
    email = email.strip().lower()[:EMAIL_CHARS_MAX]
    if not email.isprintable():
        return WrongLogin()
    with parts.auth_pool.connection() as conn:
        this_try = users.note_try(conn, email, now)
    with parts.auth_pool.connection() as conn:
        tries = users.tries_since(conn, email, now - TRIES_WITHIN)
        if len(tries) > TRIES_MAX:
            users.forget_try(conn, email, this_try)
            wait = tries[0] + TRIES_WITHIN - now
            return TooManyTries(retry_s=max(1, int(wait.total_seconds()) + 1))
        user = users.find(conn, email)
    right = _verify(user.password_hash if user else _nobodys_hash(), password)
    if user is None or not right:
        return WrongLogin()
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with parts.auth_pool.connection() as conn:
        users.forget_tries(conn, email, now)
        if users.HASHER.check_needs_rehash(user.password_hash):
            users.keep_hash(conn, user.user_id, users.hash_password(password))
        sessions.begin(conn, _hash(token), user.user_id, now)
    return token


def log_out(parts: Parts, token: str | None) -> None:
    if token:
        with parts.auth_pool.connection() as conn:
            sessions.end(conn, _hash(token))


def find_session(parts: Parts, token: str | None) -> Session | None:
    if not token:
        return None
    with parts.auth_pool.connection() as conn:
        return sessions.find(conn, _hash(token), parts.now())


def set_cookie(parts: Parts, response: Response, token: str) -> None:
    response.set_cookie(
        cookie_name(parts),
        token,
        max_age=int(sessions.AGE_MAX.total_seconds()),
        path="/",
        secure=parts.settings.https,
        httponly=True,
        samesite="lax",
    )


def drop_cookie(parts: Parts, response: Response) -> None:
    response.delete_cookie(
        cookie_name(parts), path="/", secure=parts.settings.https, httponly=True, samesite="lax"
    )


def cookie_name(parts: Parts) -> str:
    """`__Host-` makes a browser refuse the cookie from a neighbouring host, but asks for https."""
    return "__Host-binline" if parts.settings.https else "binline"


def token_of(parts: Parts, request: Request) -> str | None:
    return request.cookies.get(cookie_name(parts))


# ------------------------------------------------------------------ what routes ask for


def session_or_none(request: Request) -> Session | None:
    parts = parts_of(request)
    return find_session(parts, token_of(parts, request))


def _anyone(
    session: Annotated[Session | None, Depends(session_or_none)],
    _docs: Annotated[str | None, Depends(_cookie_in_docs)],
) -> Session:
    if session is None:
        raise problems.Told(problems.NOT_SIGNED_IN)
    return session


def _operations(session: Annotated[Session, Depends(_anyone)]) -> Session:
    if session.role != "operations":
        raise problems.Told(problems.NOT_FOUND)
    return session


def _supplier(session: Annotated[Session, Depends(_anyone)]) -> Session:
    if session.role != "supplier":
        raise problems.Told(problems.NOT_FOUND)
    return session


Anyone = Annotated[Session, Depends(_anyone)]
Operations = Annotated[Session, Depends(_operations)]
Supplier = Annotated[Session, Depends(_supplier)]


@contextmanager
def asked_by(parts: Parts, session: Session) -> Iterator[psycopg.Connection]:
    """A transaction that sees what this session may see."""
    with parts.portal_pool.connection() as conn:
        if session.role == "operations":
            asking.as_operations(conn, session.email)
        else:
            assert session.supplier_id is not None
            asking.as_supplier(conn, session.supplier_id, session.email)
        yield conn


def _verify(password_hash: str, password: str) -> bool:
    if len(password) > PASSWORD_CHARS_MAX:
        return False
    if not _hashing.acquire(timeout=HASH_WAIT_S_MAX):
        raise problems.Told(problems.BUSY)
    try:
        return users.HASHER.verify(password_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    finally:
        _hashing.release()


@cache
def _nobodys_hash() -> str:
    return users.hash_password(secrets.token_urlsafe(TOKEN_BYTES))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
