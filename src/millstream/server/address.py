"""Connection strings as drivers that do not use libpq want them."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict


def url(dsn: str, scheme: str = "postgresql") -> str:
    """The URL of a connection string in either form of libpq: address, login, database and what it says of TLS."""
    parts = _parts(dsn)
    login = ":".join(quote(parts[name], safe="") for name in ("user", "password") if name in parts)
    options = urlencode(_encryption(parts), quote_via=quote)
    return f"{scheme}://{login}@{_place(parts)}" + (f"?{options}" if options else "")


def sqlalchemy(dsn: str) -> str:
    """The URL for SQLAlchemy with psycopg 3."""
    return url(dsn, "postgresql+psycopg")


def jdbc(dsn: str) -> str:
    """The URL of PostgreSQL's JDBC driver, to which user and password are properties."""
    parts = _parts(dsn)
    properties = {name: parts[name] for name in ("user", "password") if name in parts} | _encryption(parts)
    return f"jdbc:postgresql://{_place(parts)}?{urlencode(properties, quote_via=quote)}"


FORMS: dict[str, Callable[[str], str]] = {"libpq": str, "url": url, "jdbc": jdbc, "sqlalchemy": sqlalchemy}


def _parts(dsn: str) -> dict[str, str]:
    return {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}


def _place(parts: dict[str, str]) -> str:
    host = parts.get("host", "127.0.0.1")
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.get('port', '5432')}/{quote(parts.get('dbname', ''), safe='')}"


def _encryption(parts: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in parts.items() if name.startswith("ssl")}
