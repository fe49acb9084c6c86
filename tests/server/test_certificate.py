"""The certificate: checked before anything starts; a self-signed one made, kept and renewed."""

from __future__ import annotations

import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import millstream.server
from millstream.server import ServerError, certificate
from millstream.server.certificate import Certificate, find_certificate, server_context
from millstream.server.options import Options, write_options

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)
SELF_SIGNED = Options(certificate="self-signed", port=1)


def pair(
    folder: Path, name: str, begin: datetime = NOW - YEAR, end: datetime = NOW + YEAR, passphrase: str = ""
) -> Options:
    """A certificate and its key, as an authority of the operator's would make them."""
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(secret.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(end)
        .sign(secret, hashes.SHA256())
    )
    lock = (
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption()
    )
    form = serialization.Encoding.PEM
    (folder / f"{name}.crt").write_bytes(made.public_bytes(form))
    key = folder / f"{name}.key"
    key.write_bytes(secret.private_bytes(form, serialization.PrivateFormat.PKCS8, lock))
    key.chmod(0o600)
    return Options(certificate=str(folder / f"{name}.crt"), key=str(key), port=1)


def made_for(home: Path, options: Options = SELF_SIGNED) -> Certificate:
    found = find_certificate(home, options)
    assert found is not None
    return found


def test_a_good_pair_is_used_as_it_is(tmp_path: Path) -> None:
    found = made_for(tmp_path, pair(tmp_path, "good"))
    assert (found.path, found.self_signed) == (tmp_path / "good.crt", False)
    assert server_context(found).minimum_version is ssl.TLSVersion.TLSv1_2


def test_what_is_wrong_with_a_pair_is_said_before_anything_starts(tmp_path: Path) -> None:
    good, other = pair(tmp_path, "good"), pair(tmp_path, "other")
    (tmp_path / "text").write_text("no certificate")
    (tmp_path / "text").chmod(0o600)
    open_key = pair(tmp_path, "open")
    (tmp_path / "open.key").chmod(0o644)
    cases = [
        (
            Options(certificate=str(tmp_path / "absent"), key=good.key, port=1),
            "absent cannot be read: No such file",
        ),
        (
            Options(certificate=good.certificate, key=str(tmp_path / "absent"), port=1),
            "key .*absent cannot be read",
        ),
        (Options(certificate=good.certificate, key=other.key, port=1), "is not that of the certificate"),
        (
            Options(certificate=str(tmp_path / "text"), key=good.key, port=1),
            "holds no certificate in PEM form",
        ),
        (
            Options(certificate=good.certificate, key=str(tmp_path / "text"), port=1),
            "holds no key in PEM form",
        ),
        (open_key, "mode 0644.*chmod 600"),
        (pair(tmp_path, "ended", end=NOW - timedelta(days=1)), "ended on .*Renew it"),
        (pair(tmp_path, "future", begin=NOW + timedelta(days=1)), "not yet"),
        (pair(tmp_path, "locked", passphrase="secret"), "has a passphrase.*openssl pkey"),
    ]
    home = tmp_path / "home"
    home.mkdir()
    for options, message in cases:
        write_options(home, options)
        with pytest.raises(ServerError, match=message):
            millstream.server.open(home)
        assert not (home / "data").exists()


def test_a_self_signed_one_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    first = made_for(tmp_path)
    text = first.path.read_text()
    assert stat.S_IMODE(first.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.key.parent.stat().st_mode) == 0o700
    assert timedelta(days=700) < first.until - NOW < timedelta(days=731)
    assert made_for(tmp_path).path.read_text() == text


def test_a_self_signed_one_names_this_machine_and_the_addresses(tmp_path: Path) -> None:
    options = Options(certificate="self-signed", listen=("10.1.2.3", "0.0.0.0"), port=1)
    found = x509.load_pem_x509_certificate(made_for(tmp_path, options).path.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert {"127.0.0.1", "10.1.2.3"} <= addresses and "0.0.0.0" not in addresses


def test_listening_everywhere_names_the_addresses_of_the_machine_as_they_are_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(certificate="self-signed", listen=("0.0.0.0",), port=1)
    own = certificate._own()
    path = made_for(tmp_path, options).path
    before = path.read_bytes()
    assert all(certificate.unnamed(path, address) == [] for address in (*own, "LOCALHOST", "::1", "0:0::1"))
    assert "localhost" in certificate.unnamed(path, "db.example.com")
    assert made_for(tmp_path, options).path.read_bytes() == before

    monkeypatch.setattr(certificate, "_own", lambda: ["198.51.100.7"])  # as after a move to another network
    assert made_for(tmp_path).path.read_bytes() == before
    assert made_for(tmp_path, options).path.read_bytes() != before
    assert certificate.unnamed(path, "198.51.100.7") == []


def test_a_self_signed_one_is_renewed_in_time_and_copies_of_its_authority_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "VALID", timedelta(days=59))
    before = made_for(tmp_path).path.read_bytes()
    copy = tmp_path / "copy.crt"
    copy.write_bytes((tmp_path / "tls" / "ca.crt").read_bytes())
    monkeypatch.setattr(certificate, "VALID", timedelta(days=730))
    renewed = made_for(tmp_path)
    assert renewed.until - NOW > timedelta(days=700)
    assert renewed.path.read_bytes() != before
    verified = subprocess.run(
        ["openssl", "verify", "-CAfile", copy, renewed.path], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stderr
