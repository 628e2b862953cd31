import json

from frostline.client import Check, Client


def test_list_shows_each_encoder(frostline, answer):
    shown = frostline("encoders", "list")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[0].split() == [
        "NAME",
        "TAKES",
        "DIMENSIONS",
        "MAX",
        "TOKENS",
        "DEVICE",
        "SIZE",
        "LICENSE",
    ]
    assert "tiny-image  image" in shown.stdout
    assert {"tiny", "tiny-image"} <= {encoder["name"] for encoder in answer("encoders", "list")}


def test_show_tells_layers_and_fingerprint(frostline, answer):
    told = answer("encoders", "show", "tiny")
    shown = frostline("encoders", "show", "tiny").stdout
    assert told["fingerprint"] in shown
    assert all(layer["name"] in shown for layer in told["layers"])


def test_an_unknown_encoder_is_refused_in_one_line(refusal):
    assert "'nope'" in refusal("encoders", "show", "nope")


def test_add_reports_checks_and_delete_removes(frostline, answer, refusal, encoder_folders):
    added = frostline("encoders", "add", str(encoder_folders["text"]), "--name", "second")
    assert added.exit_code == 0, added.output
    assert added.stderr.splitlines() == ["Building the graph", "Comparing outputs", "Ready"]
    assert added.stdout.startswith("CHECK")
    assert "passed" in added.stdout
    assert "Added encoder second: text, 32 dimensions" in added.stdout
    assert answer("encoders", "verify", "second")["passed"] is True
    assert "--yes" in refusal("encoders", "delete", "second")
    assert answer("encoders", "delete", "second", "--yes") == {"deleted": "second"}
    assert "second" not in {encoder["name"] for encoder in answer("encoders", "list")}


def test_add_refuses_a_folder_that_is_none(refusal, tmp_path):
    assert "nowhere" in refusal("encoders", "add", str(tmp_path / "nowhere"), "--name", "x")


def test_add_hands_a_hub_id_to_the_server(frostline, monkeypatch):
    asked = []

    def add_encoder(self, name, folder=None, hub=None, progress=None, **options):
        asked.append((name, folder, hub))
        return self.get_encoder("tiny")

    monkeypatch.setattr(Client, "add_encoder", add_encoder)
    assert frostline("encoders", "add", "hub:org/name@main", "--name", "x").exit_code == 0
    assert asked == [("x", None, "org/name@main")]


def test_verify_exits_1_when_a_check_fails(frostline, monkeypatch):
    checks = [Check("files", True, "3 files"), Check("golden", False, "off by 0.2")]
    monkeypatch.setattr(Client, "verify_encoder", lambda self, name: checks)
    result = frostline("encoders", "verify", "tiny")
    assert result.exit_code == 1
    assert "golden  FAILED  off by 0.2" in result.stdout
    assert result.stderr == "error: encoder 'tiny' failed 1 of 2 checks: golden\n"
    assert json.loads(frostline("encoders", "verify", "tiny", "--json").stdout)["passed"] is False
