"""Who is signed in, as JSON, and what of it is told by mail."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from cloud.http.auth import Operations
from cloud.http.parts import parts_of
from cloud.postgres import users
from cloud.postgres.sessions import Session

router = APIRouter(prefix="/api/me", tags=["users"])


class MailIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"decisions": False}]}
    )

    decisions: bool = Field(
        description="drafts, changes and proposals that wait for operations, once each"
    )


class MeOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"email": "ops@plant.test", "role": "operations", "mail": {"decisions": True}}
            ]
        }
    )

    email: str
    role: str
    mail: MailIn


@router.get("", summary="Who is signed in")
def me(request: Request, session: Operations) -> MeOut:
    return _out(request, session)


@router.put("/mail", summary="What is told by mail")
def choose_mail(request: Request, session: Operations, said: MailIn) -> MeOut:
    """To this user alone, from the next one that comes about."""
    with parts_of(request).auth_pool.connection() as conn:
        users.choose_mails(conn, session.user_id, decisions=said.decisions)
    return _out(request, session)


def _out(request: Request, session: Session) -> MeOut:
    with parts_of(request).auth_pool.connection() as conn:
        decisions = users.mails_decisions(conn, session.user_id)
    return MeOut(email=session.email, role=session.role, mail=MailIn(decisions=decisions))
