"""What pieces are worth to whoever keeps the books."""

import psycopg

E4_PER_COIN = 100  # prices are in ten-thousandths of a currency, its smallest coin is a hundredth


def value_of(conn: psycopg.Connection, item_id: int, pieces: int) -> int | None:
    """In the smallest coin, rounded up; None: nobody has said a price."""
    row = conn.execute(
        "SELECT price_e4 FROM item_prices WHERE item_id = %s AND price_e4 IS NOT NULL", (item_id,)
    ).fetchone()
    return None if row is None else -(-int(row[0]) * pieces // E4_PER_COIN)
