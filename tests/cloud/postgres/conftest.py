"""What the tests of the queries share."""

import psycopg
import pytest


@pytest.fixture
def conn(jobs: psycopg.Connection) -> psycopg.Connection:
    """Most queries are a worker's; a file whose queries are somebody else's has its own."""
    return jobs
