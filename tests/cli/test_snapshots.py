def test_a_snapshot_is_made_listed_restored_and_deleted(pretend, pretended):
    assert pretend("snapshots", "list").stdout.startswith("No snapshots")
    made = pretended("snapshots", "create", "notes")
    assert (made["name"], made["collection"], made["record_count"]) == ("s0", "notes", 3)
    assert pretended("snapshots", "list") == [made]
    assert pretended("snapshots", "list", "products") == []
    listed = pretend("snapshots", "list").stdout.splitlines()
    assert listed[1].split() == ["s0", "notes", "3", "9.0", "KB", "2001-09-09", "01:46"]
    assert pretended("snapshots", "restore", "s0", "again")["name"] == "again"
    assert pretended("snapshots", "delete", "s0", "--yes") == {"deleted": "s0"}
    assert pretended("snapshots", "list") == []


def test_deleting_asks_first(fake, pretend):
    result = pretend("snapshots", "delete", "s0")
    assert result.exit_code == 1
    assert "Delete snapshot s0?" in result.stderr
    assert fake.requests == []


def test_a_snapshot_that_does_not_exist_is_named(pretend):
    result = pretend("snapshots", "restore", "none", "again")
    assert (result.exit_code, "none" in result.stderr) == (1, True)
