def test_aliases_are_set_listed_and_deleted(pretend, pretended):
    assert pretend("aliases", "list").stdout.startswith("No aliases")
    assert pretend("aliases", "set", "live", "notes").stdout == "live leads to notes.\n"
    assert pretended("aliases", "set", "live", "products") == {"live": "products"}
    assert pretended("aliases", "list") == {"live": "products"}
    assert [line.split() for line in pretend("aliases", "list").stdout.splitlines()] == [
        ["ALIAS", "COLLECTION"],
        ["live", "products"],
    ]
    assert pretended("collections", "show", "live")["name"] == "products"
    assert pretended("aliases", "delete", "live", "--yes") == {"deleted": "live"}
    assert pretended("aliases", "list") == {}


def test_deleting_asks_first(fake, pretend):
    result = pretend("aliases", "delete", "live")
    assert result.exit_code == 1
    assert "Delete alias live?" in result.stderr
    assert fake.requests == []
