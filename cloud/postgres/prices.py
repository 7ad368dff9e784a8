"""What pieces are worth to whoever keeps the books."""

from uuid import UUID

import psycopg

E4_PER_COIN = 100  # prices are in ten-thousandths of a currency, its smallest coin is a hundredth


def value_of(conn: psycopg.Connection, item_id: int, pieces: int) -> int | None:
    """In the smallest coin, rounded up; None: nobody has said a price."""
    row = conn.execute(
        "SELECT price_e4 FROM item_prices WHERE item_id = %s AND price_e4 IS NOT NULL", (item_id,)
    ).fetchone()
    return None if row is None else -(-int(row[0]) * pieces // E4_PER_COIN)


def value_of_order(conn: psycopg.Connection, order_id: UUID) -> int | None:
    """Of all its lines, each rounded as above; None: a price is missing."""
    rows = conn.execute(
        "SELECT p.price_e4, l.quantity FROM order_lines l LEFT JOIN item_prices p USING (item_id)"
        " WHERE l.order_id = %s AND l.quantity > 0",
        (order_id,),
    ).fetchall()
    if any(price is None for price, _ in rows):
        return None
    return sum(-(-int(price) * int(pieces) // E4_PER_COIN) for price, pieces in rows)
