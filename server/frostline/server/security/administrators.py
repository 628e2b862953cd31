"""Who may add, verify and delete encoders."""

import hmac
from ipaddress import ip_address
from urllib.parse import unquote

from frostline.server.errors import PermissionDenied


class Administrators:
    """Tells administrators from others.

    With a token, whoever presents it is an administrator, and nobody else. Without one, programs on this machine are.

    Args:
        token: the secret; empty for none.
    """

    def __init__(self, token: str = "") -> None:
        self._token = token.encode()

    def admit(self, peer: str, authorization: str, *, forwarded: bool = False) -> None:
        """Lets an administrator pass.

        Args:
            peer: the caller's address as gRPC writes it: `ipv4:127.0.0.1:4711`, `ipv6:[::1]:4711`.
            authorization: the caller's `authorization` metadata, `Bearer <token>`; empty where there is none.
            forwarded: whether a proxy passed the call on; the peer is the proxy then, and says nothing of the caller.

        Raises:
            PermissionDenied: the caller is none.
        """
        if self._token:
            scheme, _, given = authorization.partition(" ")
            known = hmac.compare_digest(given.encode(), self._token)
            if scheme.lower() != "bearer" or not known:
                raise PermissionDenied(
                    "this call is for administrators: send the server's admin_token as `authorization: Bearer <token>`"
                )
        elif forwarded or not _is_local(peer):
            raise PermissionDenied(
                "this call is for administrators: call from the server's machine, past no proxy and not over a socket "
                "file, or set admin_token on the server"
            )


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach an address or host name."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _is_local(peer: str) -> bool:
    kind, _, address = unquote(peer).partition(":")
    return kind in ("ipv4", "ipv6") and is_loopback(address.rpartition(":")[0])
