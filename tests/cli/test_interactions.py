import pytest

from frostline.client import Interaction

ROWS = '{"user": "u", "record": "a", "weight": 4}\n{"user": "u", "record": "none"}\n{"user": "v"}\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(ROWS)
    return path


def test_refused_rows_are_told_with_their_reasons(pretend, file):
    result = pretend("interactions", "import", str(file), "notes")
    assert result.exit_code == 3
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["Rows", "read", "3"] in lines
    assert ["Recorded", "1"] in lines
    assert ["1", "MISSING_FIELD", "3", "row", "has", "no", "field", "'record'"] in lines
    assert any(line[:3] == ["1", "NOT_FOUND", "2"] for line in lines)


def test_imported_again_nothing_counts_twice(fake, pretended, file):
    file.write_text(ROWS.splitlines()[0])
    for _ in range(2):
        done = pretended("interactions", "import", str(file), "notes")
        assert (done["recorded"], done["refused"]) == (1, 0)
    assert len(fake.interactions) == 1


def test_interactions_are_exported_and_listed(pretend, pretended, tmp_path, file):
    pretend("interactions", "import", str(file), "notes")
    path = tmp_path / "out.csv"
    assert pretended("interactions", "export", "notes", str(path))["interactions"] == 1
    assert path.read_text().splitlines()[1].startswith("u,a,4.0,")
    result = pretend("interactions", "export", "notes", str(path))
    assert result.exit_code == 1
    assert "exists already" in result.stderr
    (shown,) = pretended("interactions", "list", "notes")
    assert (shown["user"], shown["record"], shown["weight"]) == ("u", "a", 4.0)
    table = pretend("interactions", "list", "notes", "--user", "u").stdout.splitlines()
    assert table[1].split() == ["u", "a", "4", "2027-01-15", "08:00:00", "1"]
    assert pretend("interactions", "list", "notes", "--user", "w").stdout == "notes has no interactions of w.\n"


def test_interactions_are_deleted(fake, pretended, pretend, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("user,record,time,kind\nu,a,100,\nu,b,200,like\nv,a,300,\nw,a,400,\n")
    pretend("interactions", "import", str(path), "notes")
    delete = ("interactions", "delete", "notes", "--yes")
    assert pretended(*delete, "--user", "u", "--record", "b", "--kind", "like")["deleted"] == 1
    assert pretended(*delete, "--since", "1970-01-01T00:05:00", "--before", "1970-01-01T00:06:00Z")["deleted"] == 1
    assert fake.of("DeleteUser") == []
    assert pretended(*delete, "--user", "u") == {"collection": "notes", "deleted": 1, "sequence": 9}
    assert len(fake.of("DeleteUser")) == 1
    assert [user for user, _, _ in fake.interactions] == ["w"]


def test_a_deletion_asks_and_wants_conditions(fake, pretend):
    fake.interactions.clear()
    asked = pretend("interactions", "delete", "notes", "--user", "u")
    assert asked.exit_code == 1
    assert "0 interactions of u in notes" in asked.stderr
    assert pretend("interactions", "delete", "notes", "--record", "a", "--yes").exit_code == 2
    assert pretend("interactions", "delete", "notes", "--before", "soon", "--yes").exit_code == 2
    assert fake.of("DeleteUser", "DeleteInteractions") == []


def test_an_interaction_is_shown_whenever_it_happened(fake, pretend):
    from frostline.client import Client

    with Client(fake.target) as client:
        client.record_interactions("notes", [Interaction("u", "a", 1.0, 1e15)])
    assert "1e+15 s" in pretend("interactions", "list", "notes").stdout
