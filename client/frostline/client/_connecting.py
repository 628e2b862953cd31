"""What gRPC and OpenSSL say of a connection that could not be made, and what that means."""

from typing import Final

_WITH_TLS: Final = (
    ("certificate has expired", "its certificate has expired: the server needs a new one"),
    ("certificate is not yet valid", "its certificate is not valid yet: compare the clocks of both machines"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "its certificate is not trusted: give ca_certificate (--ca-certificate), the PEM file of the authority that "
        "signed it",
    ),
    ("Hostname Verification", "its certificate is for another name: connect by one that it holds"),
    (
        "security handshaker",
        "TLS could not begin: is ca_certificate (--ca-certificate) a PEM file of certificates?",
    ),
    (
        "WRONG_VERSION_NUMBER",
        "it serves without TLS: leave out tls and ca_certificate (--tls, --ca-certificate), or start it with "
        "--tls-certificate and --tls-key",
    ),
)
_REST: Final = (
    (
        "Socket closed",
        "{target} closed the connection: it was stopped, or serves with TLS and was asked without: give tls or "
        "ca_certificate (--tls, --ca-certificate)",
    ),
    ("Connection refused", "no server answers at {target}: nothing listens there; `frostline serve` starts one"),
    ("error: No such file", "no server answers at {target}: there is no such socket; `frostline serve` makes one"),
    ("Domain name not found", "no server answers at {target}: its name is not known; look for a slip in the target"),
)


def unavailable(target: str, text: str) -> str:
    """Says what was tried and what to do, in place of what gRPC says; with it where it is not known.

    Args:
        target: the server.
        text: what gRPC says.
    """
    for words, advice in _WITH_TLS:
        if words in text:
            return f"{target} was asked with TLS, but {advice}"
    for words, advice in _REST:
        if words in text:
            return advice.format(target=target)
    return (
        f"no server answers at {target}; `frostline serve` starts one; with and without TLS must be the same on both "
        f"sides ({text})"
    )
