"""SCRAM, the server's side (RFC 5802, section 3; RFC 7677 for SHA-256)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field


@dataclass
class Scram:
    """Knows one password, as a broker does: salt, iterations, stored key and server key."""

    hash_name: str
    password: str
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    nonce: str = field(default_factory=lambda: secrets.token_hex(12))
    iterations: int = 4096
    lies: bool = False
    """Pretends to know the password."""
    messages: list[str] = field(default_factory=list)

    def first(self, client_first: str) -> str:
        bare = client_first.split(",", 2)[2]
        nonce = dict(part.split("=", 1) for part in bare.split(","))["r"] + self.nonce
        answer = f"r={nonce},s={base64.b64encode(self.salt).decode()},i={self.iterations}"
        self.messages = [bare, answer]
        return answer

    def final(self, client_final: str) -> str | None:
        """The server's signature; None: the proof is wrong."""
        without_proof, _, proof = client_final.rpartition(",p=")
        salted = hashlib.pbkdf2_hmac(self.hash_name, self.password.encode(), self.salt, self.iterations)
        message = ",".join([*self.messages, without_proof]).encode()
        stored_key = hashlib.new(self.hash_name, self._mac(salted, b"Client Key")).digest()
        signature = self._mac(stored_key, message)
        client_key = bytes(a ^ b for a, b in zip(signature, base64.b64decode(proof), strict=True))
        if self.lies:
            return "v=" + base64.b64encode(self.nonce.encode()).decode()
        if hashlib.new(self.hash_name, client_key).digest() != stored_key:
            return None
        return "v=" + base64.b64encode(self._mac(self._mac(salted, b"Server Key"), message)).decode()

    def _mac(self, key: bytes, content: bytes) -> bytes:
        return hmac.new(key, content, self.hash_name).digest()
