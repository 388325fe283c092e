"""What runs inside the sandbox: a host that forks a process for each exercise, in which the learner's code runs.

It reads all its tasks from stdin and writes a line of JSON for each to what was its stdout. All that comes out is
values; whether they are right is judged outside.
"""

import importlib
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace

import torch

from atlas_lab.course.exercise import Case
from atlas_lab.course.judging import Answer, answer_cases
from atlas_lab.course.registry import EXERCISES
from atlas_lab.course.result import NOT_ATTEMPTED, RAISED, TIME
from atlas_lab.course.wire import WireError, pack, unpack

__all__ = ["READY", "WALL", "main", "read_pipe"]

READY = "ready"  # the host's first line
WALL = 6  # a process that sleeps is ended after so many times its CPU seconds
FILE_BYTES = 16_000_000
ANSWER_BYTES = 64_000_000
PROCESSES = 64
# Loaded before the first fork where a notebook names them, and not by each process on its own time.
LIBRARIES = ("matplotlib.pyplot", "pandas", "scipy.ndimage", "scipy.stats")


def main() -> None:
    """Do all tasks: {"exercise", "function", "statements", "cases" or "key", "seconds", "memory"}."""
    tasks = json.load(sys.stdin)
    torch.set_num_threads(1)
    for name in LIBRARIES:
        if any(name.partition(".")[0] in statement for task in tasks for statement in task["statements"]):
            importlib.import_module(name)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)  # what the learner's code prints goes nowhere
    out.write(READY + "\n")  # from here on, what is missing is missing by the learner's own doing
    out.flush()
    for task in tasks:
        out.write(json.dumps(_in_a_process(task, out.fileno())) + "\n")
        out.flush()


def _in_a_process(task, out):
    """The answers of one task, or how its process ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            os.close(out)
            os.setpgid(0, 0)
            _limit(task["seconds"], task["memory"])
            text = json.dumps({"answers": [_packed(answer) for answer in _answers(task)]})
            with os.fdopen(writer, "w", encoding="utf-8") as pipe:
                pipe.write(text)
        finally:
            os._exit(0)
    os.close(writer)
    deadline = time.monotonic() + WALL * task["seconds"] + 30
    text = read_pipe(reader, deadline, ANSWER_BYTES)
    os.close(reader)
    status = _end(child, deadline)
    try:
        found = json.loads(text)
        return {"answers": found["answers"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {"ended": _how(status)}


def _limit(seconds, memory):
    """Bound what this process may use from now on: CPU seconds, memory beyond what it has, files, processes."""
    import resource  # which Windows lacks, where this file is imported too

    limits = {resource.RLIMIT_CPU: seconds, resource.RLIMIT_FSIZE: FILE_BYTES, resource.RLIMIT_CORE: 0,
              resource.RLIMIT_NPROC: PROCESSES}
    if os.path.exists("/proc/self/statm"):  # on Linux; elsewhere address space can't be bounded by what is in use
        with open("/proc/self/statm", encoding="ascii") as file:
            limits[resource.RLIMIT_AS] = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE") + memory
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def _answers(task):
    """Run the notebook's definitions, then the learner's function on all cases."""
    exercise = replace(EXERCISES[task["exercise"]], seconds=float(WALL * task["seconds"]))
    names, errors = {"__name__": "notebook"}, []
    for statement in task["statements"]:
        try:
            exec(compile(statement, "<notebook>", "exec"), names)
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
    attempt = names.get(task["function"])
    if not callable(attempt):
        return [Answer(mistake=RAISED if errors else NOT_ATTEMPTED, error="; ".join(errors[:2]))]
    cases = exercise.cases(task["key"]) if "key" in task else [Case("", given) for given in unpack(task["cases"])]
    return answer_cases(exercise, attempt, cases)


def _packed(answer):
    """An Answer for the pipe; one whose value isn't data counts as an error."""
    try:
        value, gradient, mistake, error = pack(answer.value), pack(answer.gradient), answer.mistake, answer.error
    except WireError as problem:
        value, gradient, mistake, error = pack(None), pack(None), RAISED, str(problem)
    return {"value": value, "gradient": gradient, "mistake": str(mistake), "error": str(error)[:300]}


def read_pipe(reader: int, deadline: float, most: int) -> bytes:
    """What is written into a pipe until it is closed, `most` bytes have come, or the time is over."""
    parts, size = [], 0
    while size < most and select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(reader, 1 << 20)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _end(child, deadline):
    """Wait for a process that has said all until the deadline, end those that it started, and say how it ended."""
    status = None
    while status is None and time.monotonic() < deadline:
        found, code = os.waitpid(child, os.WNOHANG)
        if found:
            status = code
        else:
            time.sleep(0.01)
    with suppress(OSError):  # nobody is left
        os.killpg(child, signal.SIGKILL)
    if status is None:
        os.kill(child, signal.SIGKILL)  # it isn't reaped yet, so the number is still its own
        status = os.waitpid(child, 0)[1]
    return status


def _how(status):
    """The mistake that goes with the way in which a process ended."""
    return TIME if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGKILL, signal.SIGXCPU) else RAISED


if __name__ == "__main__":
    main()
