"""k recommendations for any person, known or not: recommend.sql, run on a connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from millstream.errors import MillstreamError
from millstream.recommend.statement import statement


@dataclass(frozen=True)
class Recommendation:
    """One row of a list. `source` says which tier gave it, `strategy` and `reason_text` why, `rec_id` and `slot` name it.

    `tier` is 0 where nothing was known of the person, 1 by content, 2 by what others do; `score` orders one source only.
    """

    rank: int
    item_id: str
    name: str
    category: str | None
    brand: str | None
    price: float | None
    image_url: str | None
    score: float | None
    strategy: str
    reason_item_id: str | None
    reason_text: str | None
    tier: int
    computed_at: datetime | None
    rec_id: str | None
    slot: int | None
    variant: str | None
    model_version: str | None
    source: str


def recommend(conn: psycopg.Connection, user_id: str, k: int = 20) -> list[Recommendation]:
    """Return the `k` best rows for a user, best first; `conn` may be the reader's. Prepared on the connection.

    Raises MillstreamError where the serving views are not deployed.
    """
    cursor = psycopg.RawCursor(conn, row_factory=class_row(Recommendation))
    try:
        with cursor:
            return cursor.execute(statement().encode(), [user_id, k], prepare=True).fetchall()
    except psycopg.errors.UndefinedTable as error:
        raise MillstreamError(
            f"the serving views are not deployed ({error.diag.message_primary})\n"
            "  hint: deploy them with `dbt run`, or start with `make demo`"
        ) from error
