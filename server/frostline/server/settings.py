"""Settings of a server: flags over environment over `frostline.toml`.

Each setting says why one would change it. The same names everywhere: `max_batch_tokens = 8192` in the file,
`FROSTLINE_MAX_BATCH_TOKENS=8192` in the environment, `--max-batch-tokens 8192` as a flag. Lists are written with commas
in the environment and as flags.
"""

import argparse
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from frostline.server.errors import InvalidInput

DEFAULT_FILE = Path("frostline.toml")

_MIB = 1 << 20


def _split(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


class Settings(BaseSettings):
    """Everything one may change about a server."""

    model_config = SettingsConfigDict(
        env_prefix="FROSTLINE_", extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines connect (give tls_certificate and admin_token then), and
    unix:/path/of.sock is quicker for programs on this machine (administrators need admin_token there)."""

    port: int = Field(default=50051, ge=0, le=65535)
    """Port to listen on; 0 takes a free one, which server.json in the data folder then names."""

    data_dir: Path = Path("frostline-data")
    """Folder of encoders and collections; put it on a disk whose syncs are fast, every write waits for one."""

    encoders: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ("all-minilm-l6-v2",)
    """Encoders provided at start where they are missing; empty for a server without network and packages."""

    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda:\d+)$")
    """Where encoders run: auto, cpu or cuda:N; name a GPU where several servers share a machine."""

    threads: int = Field(default=0, ge=0)
    """CPU threads of an encoder; 0 takes all cores. Lower it where other programs need them."""

    max_batch_tokens: int = Field(default=4096, ge=1)
    """Padded tokens of a batch; raise it on a GPU (16384), lower it where single queries wait too long."""

    max_batch_inputs: int = Field(default=64, ge=1)
    """Inputs of a batch, whatever their length; raise it on a GPU, lower it where images need too much memory."""

    max_waiting_tokens: int = Field(default=262_144, ge=1)
    """Tokens that may wait before new calls are refused as overload; lower it to refuse early instead of late."""

    max_waiting_inputs: int = Field(default=2048, ge=1)
    """Inputs that may wait; bounds the memory of decoded images (0.6 MB each at 224 pixels)."""

    max_message_bytes: int = Field(default=64 * _MIB, ge=_MIB, le=1 << 30)
    """Largest request and answer; raise it for large images or batches, at the price of memory."""

    max_request_bytes_in_flight: int = Field(default=512 * _MIB, ge=_MIB)
    """Bytes of requests in work at once; beyond, calls are refused as overload and streams wait. Bounds memory; raise
    it for many large batches side by side."""

    max_image_pixels: int = Field(default=64_000_000, ge=1)
    """Largest image that is decoded; bounds what a small file can make the server allocate."""

    max_tail_rows: int = Field(default=50_000, ge=1)
    """Rows of a collection that are compared one by one before they get an index; raise it where exact search is fast
    enough, lower it where memory is short."""

    index_threads: int = Field(default=1, ge=1)
    """CPU threads of the process that builds indexes beside the server; raise it where cores are idle."""

    head_threads: int = Field(default=1, ge=1)
    """CPU threads of the process that trains heads beside the server; raise it where cores are idle."""

    recommendation_threads: int = Field(default=1, ge=1)
    """CPU threads of the process that learns recommendations beside the server; raise it where cores are idle."""

    max_ease_items: int = Field(default=5_000, ge=100, le=50_000)
    """Records of a collection, those with most interactions, that EASE and what is carried to new records are learned
    for. Four bytes times its square of memory, twice that and more while it is learned; raise it where many records
    have many interactions and there is memory."""

    index_device: str = Field(default="cpu", pattern=r"^(cpu|cuda:\d+)$")
    """Where searches run that no filter thins: cpu, or cuda:N with the extra gpu-index."""

    index_device_flat_bytes: int = Field(default=8192 * _MIB, ge=0)
    """Vectors of an index up to this size are copied to index_device and compared one by one; larger ones are searched
    there through lists of codes. Lower it where the device has little memory."""

    max_upload_bytes: int = Field(default=4096 * _MIB, ge=1)
    """Largest encoder that may be uploaded; raise it for large checkpoints."""

    grace_seconds: float = Field(default=30.0, ge=0)
    """How long a stopping server works on what it accepted; keep it below what the supervisor allows."""

    admin_token: SecretStr = SecretStr("")
    """Lets holders add, verify and delete encoders from anywhere; without it only this machine may, and not
    through a proxy that says so (x-forwarded-for, forwarded); set it behind any other. Prefer the environment or the
    file: flags are visible to other users of the machine."""

    tls_certificate: Path | None = None
    """PEM file with the server's certificate chain; set it, with tls_key, wherever the network is not trusted."""

    tls_key: Path | None = None
    """PEM file with the certificate's private key."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is written to stderr; warning for quiet, debug to look for a fault."""

    @property
    def announcement(self) -> Path:
        """The file that says, while the server answers, where: `{"pid": ..., "target": ...}`."""
        return self.data_dir / "server.json"

    @model_validator(mode="after")
    def _tls_needs_both(self) -> "Settings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together; give both or none")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags (given to the constructor) over environment; `load` adds the file below both."""
        return init_settings, env_settings


def load(arguments: Sequence[str] = (), *, program: str = "frostline serve") -> Settings:
    """Reads the settings of a server.

    Args:
        arguments: command line flags, `--port 50051` and the like; `--config` names the file.
        program: what the help calls the command.

    Raises:
        InvalidInput: a setting has a wrong value or is unknown; one line with its name, value and what is allowed.
        SystemExit: help was asked for, or a flag is unknown.
    """
    flags = vars(_parser(program).parse_args(list(arguments)))
    named = flags.pop("config", None) or os.environ.get("FROSTLINE_CONFIG")
    below = _read(Path(named) if named else DEFAULT_FILE, required=bool(named))
    environment = {name.upper() for name in os.environ}
    unset = {name: value for name, value in below.items() if f"FROSTLINE_{name.upper()}" not in environment}
    try:
        return Settings(**(unset | flags))
    except ValidationError as error:
        raise InvalidInput(_one_line(error)) from None


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        program, description="Starts a Frostline server.", argument_default=argparse.SUPPRESS, allow_abbrev=False
    )
    parser.add_argument("--config", metavar="FILE", help="settings file; frostline.toml in this folder by default")
    for name, field in Settings.model_fields.items():
        text = f"{' '.join((field.description or '').split())} Default: {_shown(field.default)}."
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=text.replace("%", "%%"))
    return parser


def _shown(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(str(part) for part in cast(tuple[object, ...], default)) or "none"
    return ("" if default is None else str(default)) or "none"


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        if required:
            raise InvalidInput(f"settings file {path} does not exist") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"settings file {path} cannot be read: {error}") from None


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ")
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return f"unknown setting {name!r}; `python -m frostline.server --help` lists them"
    value = "" if name == "admin_token" else f" {first['input']!r}"
    return f"setting {name}{value} is wrong: {first['msg']}"
