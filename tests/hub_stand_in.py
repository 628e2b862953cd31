"""A hub on the loopback: the routes of huggingface.co that a snapshot download asks for, and its error codes."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

REPOSITORY = "org/tiny"
COMMIT = hashlib.sha1(b"tiny").hexdigest()


class Hub(ThreadingHTTPServer):
    """Serves one repository from a folder. `asked` lists the paths of downloads; `failing` answers 503 to those."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.asked, self.failing = folder, list[str](), ""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/api/models/"):
            self._api(path.removeprefix("/api/models/"))
        elif path.startswith(f"/{REPOSITORY}/resolve/{COMMIT}/"):
            self._file(path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/"))
        else:
            self._answer(404, {"error": "not found"}, {"X-Error-Code": "EntryNotFound"})

    def _api(self, path: str) -> None:
        if not path.startswith(f"{REPOSITORY}/"):
            if path.startswith("org/gated"):
                self._answer(403, {"error": "gated"}, {"X-Error-Code": "GatedRepo"})
                return
            self._answer(401, {"error": "Invalid username or password."}, {"X-Error-Code": "RepoNotFound"})
        elif path in (f"{REPOSITORY}/revision/{name}" for name in ("main", "v1", COMMIT)):
            siblings = [{"rfilename": str(file), "size": self._entry(file)["size"]} for file in self._files()]
            self._answer(200, {"id": REPOSITORY, "modelId": REPOSITORY, "sha": COMMIT, "siblings": siblings})
        elif path == f"{REPOSITORY}/tree/{COMMIT}":
            self._answer(200, [self._entry(file) for file in self._files()])
        else:
            self._answer(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})

    def _files(self) -> list[Path]:
        return sorted(file.relative_to(self.server.folder) for file in self.server.folder.rglob("*") if file.is_file())

    def _entry(self, file: Path) -> dict[str, object]:
        content = (self.server.folder / file).read_bytes()
        return {"type": "file", "path": str(file), "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    def _file(self, name: str) -> None:
        self.server.asked.append(name)
        if name == self.server.failing:
            self._answer(503, {"error": "down"})
            return
        content = (self.server.folder / name).read_bytes()
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        self._answer(200, content, headers)

    def _answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for key, value in (
            {"Content-Type": "application/json", "Content-Length": str(len(content))} | (headers or {})
        ).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""


@contextmanager
def running_hub(folder: Path) -> Iterator[Hub]:
    with Hub(folder) as hub:
        threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True).start()
        yield hub
        hub.shutdown()
