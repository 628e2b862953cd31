import pytest

from frostline.server.errors import PermissionDenied
from frostline.server.security.administrators import Administrators, is_loopback

LOCAL = ["ipv4:127.0.0.1:4711", "ipv4:127.9.9.9:1", "ipv6:[::1]:4711", "ipv6:%5B::1%5D:4711"]
LOCAL += ["ipv6:[::ffff:127.0.0.1]:4711"]
REMOTE = [
    "ipv4:10.0.0.1:4711",
    "ipv6:[fe80::1]:4711",
    "ipv4:1.127.0.0:1",
    "ipv6:[::ffff:10.0.0.1]:1",
    "",
    "vsock:1:2",
    "unix:/run/x",
]
REMOTE += ["ipv4:localhost.evil.org:1"]


@pytest.mark.parametrize("peer", LOCAL)
def test_without_a_token_programs_on_this_machine_are_administrators(peer):
    Administrators().admit(peer, "")


@pytest.mark.parametrize("peer", REMOTE)
def test_without_a_token_others_are_not(peer):
    with pytest.raises(PermissionDenied, match="admin_token"):
        Administrators().admit(peer, "Bearer guess")


@pytest.mark.parametrize("authorization", ["Bearer secret", "bearer secret"])
def test_with_a_token_its_holders_are_administrators_from_anywhere(authorization):
    Administrators("secret").admit(REMOTE[0], authorization)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer ", "Bearer secre", "Bearer secrets", "secret", "Basic secret", "Bearer  secret"]
)
def test_with_a_token_nobody_else_is_not_even_from_this_machine(authorization):
    with pytest.raises(PermissionDenied) as error:
        Administrators("secret").admit(LOCAL[0], authorization)
    assert "secret" not in str(error.value)


def test_a_host_name_is_local_only_if_it_says_so():
    assert is_loopback("localhost")
    assert is_loopback("127.0.0.1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("localhost.example.org")


def test_a_call_that_a_proxy_passed_on_is_not_of_this_machine_and_needs_the_token():
    with pytest.raises(PermissionDenied, match="proxy"):
        Administrators().admit(LOCAL[0], "", forwarded=True)
    Administrators("secret").admit(LOCAL[0], "Bearer secret", forwarded=True)
