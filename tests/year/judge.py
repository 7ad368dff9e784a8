"""What must hold after a year in the database, asked of its tables alone.

Nothing of the product is imported: two sides that share a mistake agree. Each question gives the
rows that break its rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

INTERVALS = 3  # so many without a word, and a number is too old to act on

RULES: dict[str, str] = {
    "two orders of one cycle live at once": """
        SELECT a.bin_id, a.cycle, o.number, p.number
          FROM order_lines a JOIN orders o USING (order_id)
          JOIN order_lines b ON b.bin_id = a.bin_id AND b.cycle = a.cycle
          JOIN orders p ON p.order_id = b.order_id AND p.number > o.number
         WHERE o.drafted_by = 'binline' AND p.drafted_by = 'binline'
           AND p.drafted_at < coalesce(o.ended_at, 'infinity')""",
    "ordered again for a need that was given up": """
        SELECT a.bin_id, a.cycle, o.number, p.number
          FROM order_lines a JOIN orders o USING (order_id)
          JOIN order_lines b ON b.bin_id = a.bin_id AND b.cycle = a.cycle
          JOIN orders p ON p.order_id = b.order_id AND p.number > o.number
         WHERE o.state IN ('cancelled', 'refused') AND p.drafted_by = 'binline'""",
    "ordered without a breach": """
        SELECT l.bin_id, o.number, o.drafted_at, b.opened_at, b.closed_at
          FROM orders o JOIN order_lines l USING (order_id) LEFT JOIN breaches b USING (breach_id)
         WHERE o.drafted_by = 'binline'
           AND (b.breach_id IS NULL OR b.bin_id <> l.bin_id OR b.opened_at > o.drafted_at
                OR b.closed_at < o.drafted_at)""",
    "ordered on a number that cannot be believed": f"""
        SELECT l.bin_id, o.number, o.drafted_at, r.measured_at, r.condition, r.weight_mg
          FROM orders o JOIN order_lines l USING (order_id) JOIN bins b USING (bin_id)
          LEFT JOIN LATERAL (
                SELECT * FROM sensors s JOIN readings r USING (sensor_id)
                 WHERE s.bin_id = l.bin_id AND r.received_at <= o.drafted_at
                 ORDER BY r.measured_at DESC, r.seq DESC LIMIT 1) r ON true
         WHERE o.drafted_by = 'binline'
           AND (r.measured_at IS NULL OR r.condition IS NOT NULL OR r.quality <> 0
                OR NOT r.clock_trusted OR r.weight_mg < b.tare_mg / 2
                OR o.drafted_at - r.measured_at > {INTERVALS} * b.interval_s * interval '1 s')""",
    "ordered while another part lay in the bin": """
        SELECT l.bin_id, o.number, o.drafted_at, t.from_at, t.until_at
          FROM orders o JOIN order_lines l USING (order_id) JOIN lived.troubles t USING (bin_id)
         WHERE o.drafted_by = 'binline' AND t.what = 'foreign'
           AND o.drafted_at > t.from_at + interval '1 day' AND o.drafted_at < t.until_at
           -- Who counts it meanwhile says what is to be believed.
           AND NOT EXISTS (SELECT FROM counts c WHERE c.bin_id = l.bin_id
                AND c.counted_at BETWEEN t.from_at AND o.drafted_at)""",
    "movements do not follow each other": """
        SELECT * FROM (
            SELECT bin_id, movement_id, before_pieces, lag(after_pieces, 1, 0) OVER w AS was
              FROM movements WHERE replaced_at IS NULL
            WINDOW w AS (PARTITION BY bin_id ORDER BY event_at, movement_id)) m
         WHERE before_pieces <> was""",
    "movements do not add up to the level": """
        SELECT l.bin_id, l.pieces, sum(m.pieces)
          FROM bin_levels l LEFT JOIN movements m ON m.bin_id = l.bin_id AND m.replaced_at IS NULL
         GROUP BY l.bin_id, l.pieces HAVING l.pieces IS DISTINCT FROM sum(m.pieces)""",
    "the level is not what lies in the bin": """
        SELECT t.bin_id, t.pieces, l.pieces, l.doubts
          FROM lived.truth t LEFT JOIN bin_levels l USING (bin_id)
         WHERE NOT t.miscounted AND t.foreign_mg = 0 AND t.pieces IS DISTINCT FROM l.pieces""",
    "low, nothing on its way, and nobody is told": """
        SELECT b.bin_id, b.breach_id, b.opened_at
          FROM breaches b, lived.clock c
         WHERE b.closed_at IS NULL AND b.opened_at < c.ended_at - interval '2 days'
           AND NOT EXISTS (SELECT FROM order_lines l JOIN orders o USING (order_id)
                WHERE l.bin_id = b.bin_id AND o.ended_at IS NULL AND o.sent_at IS NOT NULL
                  AND coalesce(l.promised_at, o.due_at) + interval '25 hours' > c.ended_at)
           AND NOT EXISTS (SELECT FROM lived.cases k WHERE k.bin_id = b.bin_id
                  AND k.at > c.ended_at - interval '30 hours')""",
    "low for weeks, and nobody was ever told": """
        SELECT b.bin_id, b.breach_id, b.opened_at, b.closed_at
          FROM breaches b, lived.clock c
         WHERE coalesce(b.closed_at, c.ended_at) - b.opened_at > interval '21 days'
           AND NOT EXISTS (SELECT FROM lived.cases k WHERE k.bin_id = b.bin_id
                AND k.at BETWEEN b.opened_at AND coalesce(b.closed_at, c.ended_at))""",
    "a breach outlives the refill": """
        SELECT b.bin_id, b.breach_id, l.pieces, n.minimum
          FROM breaches b JOIN bin_levels l USING (bin_id) JOIN bins n USING (bin_id)
         WHERE b.closed_at IS NULL AND l.pieces > n.minimum + n.margin
           AND NOT EXISTS (SELECT FROM bin_due d WHERE d.bin_id = b.bin_id)""",
    "a chain of evidence is broken": """
        SELECT order_id, seq FROM (
            SELECT order_id, seq, previous, digest,
                   lag(digest, 1, previous) OVER (PARTITION BY order_id ORDER BY seq) AS before,
                   row_number() OVER (PARTITION BY order_id ORDER BY seq) AS place,
                   encode(sha256(convert_to('{"body":' || body || ',"kind":"' || kind
                       || '","previous":"' || previous || '","seq":' || seq || '}', 'UTF8')), 'hex')
                       AS again
              FROM order_evidence) e
         WHERE again <> digest OR previous <> before OR place <> seq""",
    "an order rests on nothing": """
        SELECT number FROM orders o WHERE (
            SELECT count(DISTINCT kind) FROM order_evidence e WHERE e.order_id = o.order_id
               AND kind IN ('reading', 'position', 'decision')) < 3 AND drafted_by = 'binline'""",
    "more is booked than the scale has seen": """
        SELECT r.bin_id, r.booked, m.came FROM
            (SELECT bin_id, sum(pieces) AS booked FROM order_receipts GROUP BY bin_id) r
          LEFT JOIN (SELECT bin_id, sum(pieces) FILTER (WHERE pieces > 0) AS came FROM movements
                WHERE kind <> 'opening' AND replaced_at IS NULL GROUP BY bin_id) m USING (bin_id)
         WHERE r.booked > coalesce(m.came, 0)""",
    "a line says another sum than its receipts": """
        SELECT l.bin_id, o.number, l.received, sum(r.pieces)
          FROM order_lines l JOIN orders o USING (order_id)
          LEFT JOIN order_receipts r ON r.order_id = l.order_id AND r.line = l.number
         GROUP BY l.bin_id, o.number, l.received
        HAVING l.received <> coalesce(sum(r.pieces), 0)""",
    "an order left, and its supplier was not told": """
        SELECT o.number FROM orders o WHERE o.sent_at IS NOT NULL
           AND NOT EXISTS (SELECT FROM notices n WHERE n.order_id = o.order_id
                              AND n.channel_id IS NOT NULL)""",
    "a scale is called down that is heard": """
        SELECT k.bin_id, k.key FROM lived.cases k, lived.clock c
         WHERE k.kind = 'sensor_down' AND k.at > c.ended_at - interval '30 hours'
           AND NOT EXISTS (SELECT FROM lived.troubles t WHERE t.bin_id = k.bin_id
                AND t.what IN ('dead', 'stuck', 'away', 'foreign')
                AND t.until_at > c.calm_from + interval '13 days')""",
    "a case outlives its cause": """
        SELECT k.bin_id, k.kind, k.key FROM lived.cases k, lived.clock c
         WHERE k.at > c.ended_at - interval '30 hours'
           AND ((k.kind IN ('order_aged_out', 'no_answer', 'delivery_without_weight',
                            'promise_after_run_out', 'approval_waits')
                 AND NOT EXISTS (SELECT FROM order_lines l JOIN orders o USING (order_id)
                    WHERE l.bin_id = k.bin_id AND coalesce(o.ended_at, 'infinity') >= k.at))
             OR (k.kind IN ('low_not_covered', 'covered_late')
                 AND NOT EXISTS (SELECT FROM breaches b WHERE b.bin_id = k.bin_id
                    AND coalesce(b.closed_at, 'infinity') >= k.at)))""",
}


def judge(admin: psycopg.Connection) -> list[str]:
    """What is wrong, a line each."""
    return [
        f"{rule}: {', '.join(map(str, row))}"
        for rule, question in RULES.items()
        for row in admin.execute(question).fetchall()  # type: ignore[arg-type]
    ]
