"""What is asked of `millstream up`, put together with what the home remembers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from millstream.errors import MillstreamError
from millstream.server import Home
from millstream.server.embedded import free_port
from millstream.server.options import EVERYWHERE, LOOPBACK, SELF_SIGNED, Options, checked

OFF = "off"


@dataclass(frozen=True)
class Wishes:
    """The options of the command that concern connections, addresses and TLS; None or empty where nothing was said."""

    port: int | None = None
    readers: int | None = None
    writers: int | None = None
    listen: tuple[str, ...] = ()
    tls: str | None = None
    key: str | None = None


def choose(home: Home, before: Options, wishes: Wishes) -> Options:
    """Return what the home shall have from now on. Raises MillstreamError, with the remedy, where that cannot be."""
    certificate, key = _pair(before, wishes)
    port = before.port
    if certificate is None:
        port = None
    elif wishes.port is not None or port is None:
        port = wishes.port or home.read().port or free_port()
    return checked(
        replace(
            before,
            readers=before.readers if wishes.readers is None else wishes.readers,
            writers=before.writers if wishes.writers is None else wishes.writers,
            listen=_addresses(wishes.listen) if wishes.listen else before.listen,
            certificate=certificate,
            key=key,
            port=port,
        )
    )


def _pair(before: Options, wishes: Wishes) -> tuple[str | None, str | None]:
    if wishes.tls is None:
        if wishes.key is not None:
            raise MillstreamError(
                f"nothing is asked of {wishes.key!r}. To name a certificate and its key: --tls CERT KEY"
            )
        return before.certificate, before.key
    if wishes.tls in (OFF, SELF_SIGNED):
        if wishes.key is not None:
            raise MillstreamError(
                f"--tls {wishes.tls} takes no key, and {wishes.key!r} is not another option"
            )
        return (None if wishes.tls == OFF else SELF_SIGNED), None
    key = None if wishes.key is None else str(Path(wishes.key).expanduser().absolute())
    return str(Path(wishes.tls).expanduser().absolute()), key


def _addresses(listen: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses, without this machine's own where that is all that is said: it is always there."""
    if listen == ("*",):
        return (EVERYWHERE,)
    try:
        return tuple(dict.fromkeys(text for text in listen if text != LOOPBACK and ip_address(text)))
    except ValueError:
        return listen  # the check says which is wrong
