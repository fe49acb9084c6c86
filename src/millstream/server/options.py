"""What an operator chooses for a home: `settings.json`, written by `millstream up`, to be read and edited by hand as well."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from ipaddress import ip_address
from pathlib import Path

from millstream.server.errors import ServerError
from millstream.server.files import write_whole

FILE = "settings.json"
SELF_SIGNED = "self-signed"
LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - the operator's choice
TLS_FOLDER = "tls"
AUTHORITY = "ca.crt"
"""What clients of a self-signed certificate are given to trust: it outlives the certificates that it signs."""
MOST = 10_000
LEAST = {"readers": 1, "writers": 3, "authentication_seconds": 1}
WHY = {"writers": ": a load takes three connections at once"}


@dataclass(frozen=True)
class Options:
    """Connections that readers and writers may have at once, and who gets in from where.

    `listen`: addresses on which others than this machine get in, with TLS only. `certificate`: a PEM file, or
    'self-signed'; with it, `port` is where TLS is spoken (PostgreSQL itself stays on a loopback port of its own).
    `authentication_seconds`: how long a login may take.
    """

    readers: int = 100
    writers: int = 20
    listen: tuple[str, ...] = ()
    certificate: str | None = None
    key: str | None = None
    port: int | None = None
    authentication_seconds: int = 5

    @property
    def tls(self) -> bool:
        return self.certificate is not None

    def connections(self, kind: str) -> int:
        """How many connections a role may have at once, by its kind (reader, writer)."""
        return {"reader": self.readers, "writer": self.writers}[kind]


def read_options(home: Path) -> Options:
    """Read the choices of a home; what the file does not say is as by default. Raises ServerError that names the mistake."""
    path = home / FILE
    try:
        text = path.read_text()
    except FileNotFoundError:
        return Options()
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            raise TypeError("it must be one JSON object")
        known = {field.name for field in fields(Options)}
        if unknown := sorted(set(content) - known):
            raise TypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        content["listen"] = tuple(content.get("listen") or ())
        options = Options(**content)
        check(options)
    except (ValueError, TypeError) as error:
        raise ServerError(
            f"{path} cannot be used: {error}. Correct it, or delete it to have the defaults again."
        ) from error
    return options


def write_options(home: Path, options: Options) -> None:
    """Keep the choices of a home, unless they are what is kept already. Raises OSError."""
    if options != read_options(home):
        write_whole(home / FILE, json.dumps(asdict(options), indent=2) + "\n")


def checked(options: Options) -> Options:
    """Return the options. Raises ServerError where they do not make sense."""
    try:
        check(options)
    except (ValueError, TypeError) as error:
        raise ServerError(str(error)) from error
    return options


def check(options: Options) -> None:
    """Raise ValueError or TypeError, with the remedy, where the options do not make sense."""
    for name, least in LEAST.items():
        value = getattr(options, name)
        if type(value) is not int or not least <= value <= MOST:
            raise ValueError(
                f"{name} is {value!r}; it must be a number from {least} to {MOST:,}{WHY.get(name, '')}"
            )
    for address in options.listen:
        try:
            ip_address(address)
        except ValueError:
            raise ValueError(
                f"{address!r} is not an address to listen on: write it as numbers, such as 10.0.0.5, 0.0.0.0 for all, "
                "or 127.0.0.1 for this machine only"
            ) from None
    for name in ("certificate", "key"):
        value = getattr(options, name)
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} is {value!r}; it must be the path of a PEM file")
    if options.certificate not in (None, SELF_SIGNED) and options.key is None:
        raise ValueError(
            f"the certificate {options.certificate} has no key: name it too, as in --tls CERT KEY (or: --tls self-signed)"
        )
    outside = outside_addresses(options)
    if outside and not options.tls:
        raise ValueError(
            f"{', '.join(outside)} can be reached from other machines, and without TLS anybody in between reads along. "
            "Add --tls CERT KEY, or --tls self-signed"
        )


def addresses(options: Options) -> list[str]:
    """The addresses to listen on: the chosen ones, and this machine's own, on which all others know their way."""
    own = [] if EVERYWHERE in options.listen else [LOOPBACK]
    return list(dict.fromkeys([*own, *options.listen]))


def outside_addresses(options: Options) -> list[str]:
    """The addresses that other machines may reach."""
    return [address for address in options.listen if not ip_address(address).is_loopback]
