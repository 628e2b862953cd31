import pytest

from frostline.server.errors import InvalidInput
from frostline.server.settings import Settings, load


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("CONFIG", "PORT", "HOST", "ENCODERS", "ADMIN_TOKEN", "THREADS"):
        monkeypatch.delenv(f"FROSTLINE_{name}", raising=False)
    return tmp_path


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path, monkeypatch):
    (tmp_path / "frostline.toml").write_text('port = 1\nhost = "file"\nthreads = 1\n')
    monkeypatch.setenv("FROSTLINE_PORT", "2")
    monkeypatch.setenv("frostline_host", "environment")
    settings = load(["--port", "3"])
    assert (settings.port, settings.host, settings.threads) == (3, "environment", 1)


def test_the_file_is_named_by_flag_or_environment(tmp_path, monkeypatch):
    (tmp_path / "one.toml").write_text("port = 1")
    (tmp_path / "two.toml").write_text("port = 2")
    monkeypatch.setenv("FROSTLINE_CONFIG", "one.toml")
    assert load().port == 1
    assert load(["--config", "two.toml"]).port == 2


def test_encoders_are_a_list_in_the_file_and_commas_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "frostline.toml").write_text('encoders = ["a", "b"]')
    assert load().encoders == ("a", "b")
    monkeypatch.setenv("FROSTLINE_ENCODERS", "c, d")
    assert load().encoders == ("c", "d")
    assert load(["--encoders", ""]).encoders == ()


@pytest.mark.parametrize(
    ("arguments", "toml", "expected"),
    [
        (["--port", "many"], "", ["port", "'many'"]),
        (["--port", "70000"], "", ["port", "70000"]),
        (["--device", "gpu"], "", ["device", "'gpu'"]),
        (["--log-level", "loud"], "", ["log_level", "'loud'"]),
        (["--tls-key", "key.pem"], "", ["tls_certificate", "tls_key"]),
        (["--config", "missing.toml"], "", ["missing.toml"]),
        ([], "prot = 1", ["'prot'", "--help"]),
        ([], "port = ", ["frostline.toml"]),
        ([], "[server]\nport = 1", ["'server'"]),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it_and_its_value(tmp_path, arguments, toml, expected):
    (tmp_path / "frostline.toml").write_text(toml)
    with pytest.raises(InvalidInput) as error:
        load(arguments)
    assert "\n" not in str(error.value)
    for part in expected:
        assert part in str(error.value)


def test_the_token_is_shown_nowhere(tmp_path):
    settings = load(["--admin-token", "secret"])
    assert "secret" not in repr(settings) + str(settings)
    assert settings.admin_token.get_secret_value() == "secret"
    (tmp_path / "frostline.toml").write_text("admin_token = 4711")
    with pytest.raises(InvalidInput) as error:
        load()
    assert "4711" not in str(error.value)


def test_every_setting_says_why_one_would_change_it_and_is_a_flag(capsys):
    with pytest.raises(SystemExit):
        load(["--help"])
    shown = capsys.readouterr().out
    for name, field in Settings.model_fields.items():
        assert len((field.description or "").split()) > 5, name
        assert f"--{name.replace('_', '-')} " in shown


def test_the_help_shows_a_default_of_zero(capsys):
    with pytest.raises(SystemExit):
        load(["--help"])
    assert "Lower it where other programs need them. Default: 0." in " ".join(capsys.readouterr().out.split())
