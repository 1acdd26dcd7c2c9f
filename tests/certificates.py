"""Certificates that the tests' own authorities sign."""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


class Authority:
    """Signs certificates, and writes them where a server or a client finds them."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *hosts: str, password: str | None = None, days: int = 1) -> tuple[Path, Path]:
        """Certificate and key, for hosts or for nobody in particular."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts or (name,)])
        certificate = self._sign(subject, key.public_key(), names, days)
        files = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            encryption = serialization.BestAvailableEncryption(password.encode())
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pkcs8 = serialization.PrivateFormat.PKCS8
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, encryption))
        files[1].chmod(0o600)
        return files

    def _sign(self, subject: x509.Name, key: Any, extension: Any, days: int = 1) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
        builder = builder.not_valid_before(now - 9 * DAY).not_valid_after(now + days * DAY)
        critical = isinstance(extension, x509.BasicConstraints)
        return builder.add_extension(extension, critical).sign(self._key, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    return x509.DNSName(host)


def server_side(authority: Authority, *hosts: str, days: int = 1, clients: Authority | None = None) -> ssl.SSLContext:
    """A server's TLS; with `clients`, it demands certificates that this authority signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(f"server-{secrets.token_hex(3)}", *(hosts or ("127.0.0.1",)), days=days))
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.file)
    return context
