"""The server's TLS certificate and key."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from frostline.server.errors import InvalidInput


@dataclass(frozen=True, slots=True, repr=False)
class Certificate:
    """A certificate chain and its private key, PEM."""

    chain: bytes
    key: bytes


def load_certificate(chain: Path, key: Path) -> Certificate:
    """Reads a certificate and checks that the key belongs to it.

    Args:
        chain: PEM file, the server's certificate first.
        key: PEM file, not encrypted.

    Raises:
        InvalidInput: a file cannot be read, is not PEM, or the key is another certificate's.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password=_no_password)
        return Certificate(chain.read_bytes(), key.read_bytes())
    except OSError as error:  # ssl.SSLError is one
        raise InvalidInput(f"tls_certificate {chain} with tls_key {key} cannot be used: {error}") from error


def _no_password() -> str:
    raise InvalidInput("tls_key is encrypted; give a key without a password")
