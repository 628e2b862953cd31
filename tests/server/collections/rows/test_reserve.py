import resource
import shutil
import subprocess

import pytest

from collecting import record
from following import Kept, upsert
from frostline.server.collections.rows.operations import Delete
from frostline.server.collections.rows.reserve import FILE_NAME, RESERVE_BYTES, Reserve
from frostline.server.collections.rows.writer import Writer
from frostline.server.errors import StorageFull


def blocks(path):
    """Bytes that a file takes up on the disk."""
    return path.stat().st_blocks * 512


def test_takes_up_room_and_gives_it_back(tmp_path):
    reserve = Reserve(tmp_path / FILE_NAME, 1 << 20)
    assert not reserve.whole
    assert reserve.make()
    assert reserve.make()
    assert (reserve.whole, blocks(tmp_path / FILE_NAME) >= 1 << 20) == (True, True)
    assert reserve.give_up()
    assert (reserve.whole, blocks(tmp_path / FILE_NAME)) == (False, 0)
    assert not reserve.give_up()
    assert reserve.make()
    assert blocks(tmp_path / FILE_NAME) >= 1 << 20


def test_giving_up_what_was_never_there_is_no_error(tmp_path):
    assert not Reserve(tmp_path / "missing" / FILE_NAME).give_up()
    assert not Reserve(tmp_path / "missing" / FILE_NAME).make()


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own: 18 MB in memory, of which 12 are kept."""
    if shutil.which("mount") is None:
        pytest.skip("no small disk can be mounted")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=18m", "none", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(writer, name, size, count):
    """Writes `count` records at once until the disk is full; ids of what was acknowledged."""
    written = []
    for batch in range(10_000):
        names = [f"{name}-{batch}-{number}" for number in range(count)]
        try:
            writer.submit(upsert(*(record(each, image=bytes(size)) for each in names))).result(60)
        except StorageFull:
            return written
        written += names
    raise AssertionError("the disk is never full")


@pytest.mark.parametrize(("size", "count"), [(2000, 500), (20_000, 10), (300_000, 1)])
def test_a_full_disk_takes_deletions_and_soon_writes_again(disk, size, count):
    kept = Kept(disk)
    writer = Writer(kept.ledger, "notes")
    written = fill(writer, "a", size, count)
    filler = disk / "other"
    with filler.open("wb", buffering=0) as other:  # somebody else takes the last byte
        try:
            while other.write(bytes(4096)):
                pass
        except OSError:
            pass
    fill(writer, "b", size, count)
    half = len(written) // 2
    step = max(1, half // 8)
    for start in range(0, half, step):
        names = written[start : min(start + step, half)]
        assert writer.submit(Delete(names)).result(60).count == len(names)
    gone, alive = written[:half], written[half:]
    assert all(kept.get(each) is None for each in gone)
    assert all(kept.get(each) is not None for each in alive)
    assert writer.submit(upsert(record("room", image=bytes(size)))).result(60).count == 1
    filler.unlink()
    assert writer.submit(upsert(record("again", image=bytes(size)))).result(60).count == 1
    assert blocks(disk / FILE_NAME) >= RESERVE_BYTES
    assert kept.get("again").image == bytes(size)
    writer.close()
    kept.close()
    again = Kept(disk)
    assert again.get("again") is not None
    again.close()


def test_a_log_that_may_not_grow_is_begun_anew_for_deletions(tmp_path):
    kept = Kept(tmp_path)
    writer = Writer(kept.ledger, "notes")
    for number in range(40):
        writer.submit(upsert(record(f"{number}", image=bytes(10_000)))).result(60)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = kept.path.with_name(f"{kept.path.name}-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, limits[1]))
    try:
        with pytest.raises(StorageFull):
            writer.submit(upsert(record("new", image=bytes(3_000_000)))).result(60)
        assert writer.submit(Delete(["1", "2"])).result(60).count == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert writer.submit(upsert(record("new", image=bytes(3_000_000)))).result(60).count == 1
    assert kept.get("1") is None
    writer.close()
    kept.close()
