"""The certificate that the server shows: one of the operator's, checked before it is used, or a self-signed one."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from millstream.server.errors import ServerError
from millstream.server.files import write_whole
from millstream.server.options import AUTHORITY, SELF_SIGNED, TLS_FOLDER, Options

AUTHORITY_VALID = timedelta(days=3650)
VALID = timedelta(days=730)
RENEWED = timedelta(days=60)  # before the end


@dataclass(frozen=True)
class Certificate:
    """A certificate (PEM, with those above it that clients need), its key, and until when it is valid (UTC)."""

    path: Path
    key: Path
    until: datetime
    self_signed: bool


def find_certificate(home: Path, options: Options) -> Certificate | None:
    """Return the certificate of a home as it lies there, checked; a self-signed one is made, or renewed, where it is time.

    None where there is no TLS. Raises ServerError where it cannot be used, and OSError (a full disk).
    """
    if options.certificate is None:
        return None
    if options.certificate != SELF_SIGNED:
        assert options.key is not None
        return check_pair(Path(options.certificate), Path(options.key))
    path, key = home / TLS_FOLDER / "server.crt", home / TLS_FOLDER / "server.key"
    names = _names(options)
    with suppress(FileNotFoundError, ValueError, ServerError):  # a pair that was made by half is made again
        found = x509.load_pem_x509_certificate(path.read_bytes())
        if _lasts(found) and set(_told(names)) <= set(_names_in(found)):
            return check_pair(path, key, self_signed=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _make(path.parent, list(dict.fromkeys([*names, *_resolved()])))
    return check_pair(path, key, self_signed=True)


def check_pair(path: Path, key: Path, *, self_signed: bool = False) -> Certificate:
    """Check that both files can be read, are private enough, belong together and are valid now. Raises ServerError."""
    for file, what in ((path, "certificate"), (key, "key")):
        try:
            file.read_bytes()
        except OSError as error:
            raise ServerError(
                f"the {what} {file} cannot be read: {error.strerror}. Name a PEM file that this user may read: "
                "--tls CERT KEY"
            ) from error
    mode = key.stat().st_mode & 0o777
    if mode & 0o077:
        raise ServerError(f"the key {key} has mode {mode:04o}, so others may use it. Remedy: chmod 600 {key}")
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (ValueError, IndexError) as error:
        raise ServerError(
            f"{path} holds no certificate in PEM form ({error}). Name one: --tls CERT KEY"
        ) from error
    try:
        secret = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except TypeError as error:
        raise ServerError(
            f"the key {key} has a passphrase, and nobody is there to type it. Remove it: "
            f"openssl pkey -in {key} -out NEW, then chmod 600 NEW"
        ) from error
    except ValueError as error:
        raise ServerError(f"{key} holds no key in PEM form ({error}). Name one: --tls CERT KEY") from error
    if secret.public_key() != found.public_key():
        raise ServerError(
            f"the key {key} is not that of the certificate {path}. Name the pair that was made together: --tls CERT KEY"
        )
    now = datetime.now(UTC)
    if now > found.not_valid_after_utc:
        raise ServerError(
            f"the certificate {path} ended on {found.not_valid_after_utc:%Y-%m-%d %H:%M} UTC. Renew it, or: --tls self-signed"
        )
    if now < found.not_valid_before_utc:
        raise ServerError(
            f"the certificate {path} is valid from {found.not_valid_before_utc:%Y-%m-%d %H:%M} UTC, and it is not yet then "
            "by the clock of this machine (date -u)."
        )
    return Certificate(path, key, found.not_valid_after_utc, self_signed)


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """Return what a TLS server needs: this certificate, TLS 1.2 or newer. Raises ServerError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["postgresql"])
    load(context, certificate)
    return context


def load(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Have the next connections shown this certificate."""
    try:
        context.load_cert_chain(certificate.path, certificate.key)
    except (ssl.SSLError, OSError) as error:
        raise ServerError(f"the certificate {certificate.path} cannot be used: {error}") from error


def _make(folder: Path, names: list[x509.GeneralName]) -> None:
    """Make a certificate for these names, signed by the home's own authority, which is made where there is none."""
    path, place = folder / AUTHORITY, folder / "ca.key"
    try:
        authority = x509.load_pem_x509_certificate(path.read_bytes())
        signer = serialization.load_pem_private_key(place.read_bytes(), password=None)
        good = signer.public_key() == authority.public_key() and _lasts(authority)
    except (FileNotFoundError, ValueError, TypeError):
        good = False
    if not good:
        signer = _new_key(place)
        lone = _sign("Millstream's own authority", [], signer.public_key(), signer, AUTHORITY_VALID)
        _write(path, lone)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    secret = _new_key(folder / "server.key")
    _write(folder / "server.crt", _sign("millstream", names, secret.public_key(), signer, VALID))


def _sign(
    name: str,
    names: list[x509.GeneralName],
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    valid: timedelta,
) -> x509.Certificate:
    """A certificate of the home's authority; without names, that of the authority itself."""
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_called(name))
        .issuer_name(_called("Millstream's own authority"))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # a client's clock may be behind
        .not_valid_after(now + valid)
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None if names else 0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return made.sign(signer, hashes.SHA256())


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    secret = ec.generate_private_key(ec.SECP256R1())
    form, lock = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    write_whole(path, secret.private_bytes(serialization.Encoding.PEM, form, lock).decode())
    return secret


def _write(path: Path, certificate: x509.Certificate) -> None:
    write_whole(path, certificate.public_bytes(serialization.Encoding.PEM).decode(), mode=0o644)


def _lasts(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc - datetime.now(UTC) > RENEWED


def _names(options: Options) -> list[x509.GeneralName]:
    """What a self-signed certificate is for: this machine under its names, and the addresses that are listened on.

    Where that is all of them, the machine's own, as they are now.
    """
    hosts = dict.fromkeys(["localhost", socket.gethostname()])
    everywhere = any(ip_address(text).is_unspecified for text in options.listen)
    own = _own() if everywhere else []
    addresses = [ip_address(text) for text in ("127.0.0.1", "::1", *options.listen, *own)]
    return [
        *(x509.DNSName(host) for host in hosts if host.isascii()),
        *(x509.IPAddress(address) for address in dict.fromkeys(addresses) if not address.is_unspecified),
    ]


def _own() -> list[str]:
    """The addresses from which this machine would speak to others; nothing is sent to find out."""
    found = []
    for family, other in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(
                (other, 9)
            )  # an address of the documentation: of a datagram socket only the route is sought
            found.append(str(probe.getsockname()[0]))
    return found


def _resolved() -> list[x509.GeneralName]:
    """The addresses under which this machine finds itself by name."""
    with suppress(OSError):
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
        return [x509.IPAddress(ip_address(place[4][0])) for place in found if "%" not in str(place[4][0])]
    return []


def unnamed(path: Path, host: str) -> list[str]:
    """The names of a certificate, if `host` is none of them; empty if it is. Raises OSError and ValueError."""
    names = _names_in(x509.load_pem_x509_certificate(path.read_bytes()))
    with suppress(ValueError):
        host = str(ip_address(host))
    return [] if host.lower() in {name.lower() for name in names} else names


def _names_in(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return _told(list(found.value))


def _told(names: list[x509.GeneralName]) -> list[str]:
    return [str(name.value) for name in names]
