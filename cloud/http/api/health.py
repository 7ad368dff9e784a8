"""Is this process alive, and may it be sent visitors? For load balancers and supervisors."""

from typing import Literal

import psycopg
import psycopg_pool
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from cloud.http.parts import parts_of
from cloud.postgres import migrate

router = APIRouter(prefix="/api", tags=["health"])


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    status: Literal["ready", "not ready"] = Field(examples=["ready"])
    because: str = Field(default="", examples=[""], description="why not, in a sentence")


@router.get("/health", summary="Alive?")
def health() -> Alive:
    """Answers as long as the process does, whatever the database is doing."""
    return Alive()


@router.get("/ready", summary="Ready for visitors?", responses={503: {"model": Ready}})
def ready(request: Request, response: Response) -> Ready:
    """Asks the database whether it answers and has the schema this version needs."""
    because = _not_ready_because(request)
    if because:
        response.status_code = 503
        return Ready(status="not ready", because=because)
    return Ready(status="ready")


def _not_ready_because(request: Request) -> str:
    parts = parts_of(request)
    try:
        with parts.auth_pool.connection() as conn:
            conn.execute("SELECT 1 FROM users LIMIT 1")
        with parts.portal_pool.connection() as conn:
            still = migrate.still_to_run(conn)
            conn.execute("SELECT 1 FROM bins LEFT JOIN bin_state USING (bin_id) LIMIT 1")
        if still:
            return f"The database lacks {', '.join(still)}: run `binline cloud migrate`."
    except psycopg.errors.UndefinedTable:
        return "The database is not migrated: run `binline cloud migrate`."
    except psycopg.errors.InsufficientPrivilege:
        return "The database is not migrated, or its rights are not: run `binline cloud migrate`."
    except (psycopg.Error, psycopg_pool.PoolTimeout, psycopg_pool.TooManyRequests):
        return "The database does not answer."
    return ""
