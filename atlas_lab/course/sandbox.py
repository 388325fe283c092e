"""A process that a learner's code can't get out of: no network, no files but the programs it needs, limits on all else.

On Linux, bubblewrap makes it. What comes back are values, read as data; see sandbox_host.py for the inside.
"""

import json
import os
import shutil
import site
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from atlas_lab.course.sandbox_host import READY, WALL, read_pipe
from atlas_lab.files import DataError

__all__ = ["MEMORY", "require_sandbox", "run_tasks", "sandbox_command"]

MEMORY = 2_000_000_000    # bytes that an exercise may take beyond what the libraries have
START = 300               # seconds for the libraries to load, on a busy machine
ANSWER_BYTES = 256_000_000  # of all answers of one learner
PACKAGE = Path(__file__).resolve().parents[1]
SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
HOST = "import sys; sys.path.insert(0, {!r}); from atlas_lab.course.sandbox_host import main; main()"


def require_sandbox(unsafe: bool) -> None:
    """Raise DataError where learners' code can't be shut in, unless that is wanted; the reason and the remedy in it."""
    if not hasattr(os, "fork"):
        raise DataError("class grade needs Linux or macOS, since limits on time and memory are the system's; on "
                        "Windows run it in WSL")
    if unsafe:
        return
    if not sys.platform.startswith("linux") or shutil.which("bwrap") is None:
        raise DataError("bubblewrap (bwrap) isn't here, so the students' code could read and delete your files; on "
                        "Linux install it (apt install bubblewrap), or grade in a throw-away container with --unsafe")
    tried = subprocess.run(sandbox_command(["true"]), capture_output=True, text=True, timeout=60)
    if tried.returncode:
        reason = " ".join(tried.stderr.split())[:200]
        raise DataError(f"bubblewrap can't shut a process in here ({reason}): this system forbids user namespaces, "
                        "perhaps; allow them, or grade in a throw-away container with --unsafe")


def sandbox_command(command: list[str]) -> list[str]:
    """A command line that runs a command in the sandbox: programs and libraries read-only, and an empty /tmp."""
    places = dict.fromkeys([*SYSTEM, sys.base_prefix, sys.prefix, *site.getsitepackages(), str(PACKAGE)])
    binds = [word for place in places if os.path.exists(place) for word in ("--ro-bind", place, place)]
    environment = {"PATH": "/usr/bin:/bin", **_environment("/tmp")}
    settings = [word for name, value in environment.items() for word in ("--setenv", name, value)]
    return [
        "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", *settings,
        "--size", "64000000", "--tmpfs", "/tmp", *binds,  # in this order: what is bound may lie below /tmp
        "--proc", "/proc", "--dev", "/dev", "--chdir", "/tmp", *command,
    ]


def _environment(home):
    """Where libraries may write, and that each uses one thread."""
    return {"HOME": home, "TMPDIR": home, "MPLCONFIGDIR": home, "ATLAS_LAB_HOME": home, "MPLBACKEND": "agg",
            "LANG": "C.UTF-8", **dict.fromkeys(THREADS, "1")}


def run_tasks(tasks: list[dict], unsafe: bool = False) -> list[dict]:
    """Do one learner's tasks in a process of their own.

    Parameters
    ----------
    tasks : list of dict
        As `sandbox_host.main` reads them.
    unsafe : bool
        Without bubblewrap: the limits on time and memory hold, but the code may read and write what you may.

    Returns
    -------
    list of dict
        For each task {"answers"} or {"ended"}, or {} if none came: the learner's code ended the host, say.

    Raises DataError if the host didn't get as far as the first task.
    """
    if not tasks:
        return []
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-I", "-c", HOST.format(str(PACKAGE.parent))]
        process = subprocess.Popen(
            command if unsafe else sandbox_command(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, cwd=home, start_new_session=True,
            env={**os.environ, **_environment(home)} if unsafe else None,
        )
        seconds = START + sum(WALL * task["seconds"] + 30 for task in tasks)
        try:
            text = _exchange(process, json.dumps(tasks).encode(), time.monotonic() + seconds)
        finally:
            _end(process)
    first, _, rest = text.partition(b"\n")
    if first != READY.encode():
        raise DataError("the process that runs students' code didn't start, through no fault of theirs; nothing was "
                        "marked: see that memory is free and the lab's files aren't being changed, and grade again")
    return _lines(rest, len(tasks))


def _exchange(process, request, deadline):
    """Send the request, and read the answer until its end, the deadline, or more bytes than there should be."""
    try:
        process.stdin.write(request)  # the host reads it whole before it answers
        process.stdin.close()
    except BrokenPipeError:
        return b""
    return read_pipe(process.stdout.fileno(), deadline, ANSWER_BYTES)


def _end(process):
    """End a process; in the sandbox, all below it go with it."""
    process.kill()
    process.stdout.close()
    process.wait()


def _lines(text, count):
    """One dict for each task; {} where a line is missing, or none."""
    found = []
    for line in text.split(b"\n")[:count]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = {}
        found.append(value if isinstance(value, dict) else {})
    return found + [{}] * (count - len(found))
