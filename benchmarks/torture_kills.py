"""Writing commands killed between their first and their last write, and run again."""

import random
import shutil
import time
from pathlib import Path

from torture import Trial
from torture_stage import COMMANDS, SECRET, Command, Stage, alive, one_line, start

__all__ = ["kills", "kills_of"]

EACH = 9  # kills of each command
PATIENCE = 10  # seconds after which what still lives is an orphan, on a machine that has nothing else to do


def kills(stage: Stage, few: bool):
    """Trials, one a kill: the commands in turn, so that a run that is broken off has some of each."""
    rng, count = random.Random(0), 1 if few else EACH
    commands = [command for command in COMMANDS if not few or command.name in ("train", "unlock")]
    running = [kills_of(stage, command, count, rng) for command in commands]
    for _ in range(count):
        for trials in running:
            yield next(trials)


def kills_of(stage: Stage, command: Command, count: int, rng: random.Random):
    """Trials, each a kill of one command, at moments that are spread evenly over the time in which it writes."""
    work = stage.work(command)
    first, last = run_through(stage, command, work)
    expected = command.result(work)
    shutil.rmtree(work)
    parts = list(range(count))
    rng.shuffle(parts)
    for part in parts:
        delay = (part + rng.random()) / count * (last - first)
        yield Trial("kills", command.name, one_kill(stage, command, expected, delay))


def seen(work: Path, was_there: set) -> bool:
    """True if a command has begun to write."""
    return any(path not in was_there for path in work.rglob("*"))


def begin(stage: Stage, command: Command, work: Path):
    """Start a command and wait for its first write; the process and the time of the write."""
    (work / "log.txt").touch()
    was_there, process = {*work.rglob("*")}, start(command.arguments(stage, work), stage.environment(work))
    while process.poll() is None and not seen(work, was_there):
        time.sleep(0.005)
    return process, time.monotonic()


def run_through(stage: Stage, command: Command, work: Path) -> tuple[float, float]:
    """Run a command to its end, undisturbed; when it first wrote, and when it ended."""
    process, first = begin(stage, command, work)
    assert process.wait() == 0, (work / "log.txt").read_text()
    return first, time.monotonic()


def one_kill(stage: Stage, command: Command, expected, delay: float) -> str:
    """Kill a command so long after its first write, look at what it left, and run it again; what is wrong, or ""."""
    work = stage.work(command)
    process, _ = begin(stage, command, work)
    time.sleep(delay)
    process.kill()
    process.wait()
    wrong = orphans(work) or one_line(work) or left_in_the_open(work) or half_written(command, work, expected)
    if not wrong and not (command.name == "unlock" and command.result(work) == expected):  # it was through already
        again = start(command.arguments(stage, work), stage.environment(work))
        code = again.wait()
        text = (work / "log.txt").read_text(errors="replace").strip().splitlines()
        if code:
            wrong = f"after {delay:.2f} s: the second run ended with {code}: {text[-1] if text else ''}"
        elif command.result(work) != expected:
            wrong = f"after {delay:.2f} s: the second run gave something else"
        else:
            rest = [path.name for path in work.rglob(".*") if path.name.startswith((".writing-", ".incomplete"))]
            wrong = one_line(work) or (f"left unfinished: {rest}" if rest else "")
    if not wrong:
        shutil.rmtree(work)
    return wrong


def orphans(work: Path) -> str:
    """Processes that outlived their command by PATIENCE."""
    left = alive(work, PATIENCE)
    names = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:80] for pid in left]
    return f"orphans: {names}" if left else ""


def left_in_the_open(work: Path) -> str:
    """Decrypted data outside of a folder that is marked as incomplete and private."""
    folder = work / "unlocked"
    is_marked = folder.is_dir() and folder.stat().st_mode & 0o077 == 0 and (folder / ".incomplete-atlas-lab").exists()
    for path in work.rglob("*"):
        inside = path.is_relative_to(folder)
        if path.is_file() and not (inside and is_marked) and SECRET[:200] in path.read_bytes()[:1000]:
            whole = inside and len(list(folder.rglob("*.bin"))) == 200 and folder.stat().st_mode & 0o077 == 0
            if not whole:
                return f"decrypted data in {path.name}"
    return ""


def half_written(command: Command, work: Path, expected) -> str:
    """What a killed command left under a final name must be what it should be, as far as it goes."""
    if command.name in ("unlock", "cohort"):  # folders that say themselves that they are incomplete
        return ""
    try:
        found = command.result(work)
    except Exception as error:
        return f"half-written: {error}"
    parts = found.items() if isinstance(found, dict) else []
    is_sound = all(expected[name] == value for name, value in parts) if parts else found in (expected, None, [], {})
    return "" if is_sound else "something wrong under a final name"
