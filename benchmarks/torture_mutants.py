"""Archives, tables, records and networks with damaged bytes, each opened in a forked child."""

import multiprocessing
import random
import resource
import shutil
import warnings
from pathlib import Path

from torture import Trial
from torture_stage import KEY, Stage

__all__ = ["mutants"]

EACH, PATIENCE, MEMORY = 125, 60, 2 << 30
HEADER = "INDI Site ID,INDI Subject ID,Session,Stroke type\n"


def open_archive(path):
    from atlas_lab.data.unlock import unlock

    out = path.with_name("out")
    try:
        unlock(path, out, KEY, progress=False)
    finally:
        assert not (out / ".incomplete-atlas-lab").exists(), "left decrypted data"
        shutil.rmtree(out, ignore_errors=True)


def open_table(path):
    from atlas_lab.data.metadata import load_metadata

    load_metadata(path)


def open_record(path):
    from atlas_lab.experiment.run import load_run

    load_run(path)


def open_network(path):
    from atlas_lab.experiment.inference import open_model

    open_model(path, "cpu")


def samples(stage: Stage):
    """A sound file of each kind, and what opens it."""
    table = stage.folder / "table.csv"
    table.write_text(HEADER + "".join(f"Site{i % 9},{31000 + i}, t01,Embolic\n" for i in range(200)))
    model = stage.model
    record = next((stage.folder / "r").glob("*.json"))
    return {"archives": (stage.archive, open_archive), "tables": (table, open_table),
            "records": (record, open_record), "networks": (model, open_network)}


def mutants(stage: Stage, few: bool):
    """Trials, one a damaged file."""
    import torch

    torch.set_num_threads(1)  # others would not live in forked children, who would wait for them
    rng = random.Random(0)
    for kind, (sound, opener) in samples(stage).items():
        data = sound.read_bytes()
        warm(opener, sound)
        for i in range(5 if few else EACH):
            path = stage.folder / "mutant" / sound.name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(damage(data, rng))
            wrong = in_child(opener, path)
            yield Trial("mutants", kind, f"{i}: {wrong}" if wrong else "")


def warm(opener, sound: Path):
    """Open the sound file here, so that children need not import anything."""
    opener(sound)


def damage(data: bytes, rng: random.Random) -> bytes:
    """Bytes after one damage: bits, a cut, an insertion, a piece twice, a number enlarged, zeros, or deep brackets."""
    data, kind, at = bytearray(data), rng.randrange(7), rng.randrange(len(data))
    if kind == 0:
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        data[at:at] = rng.randbytes(rng.randint(1, 60))
    elif kind == 3:
        data[at:at] = data[: rng.randint(1, 4000)]
    elif kind == 4:
        data[at : at + 4] = b"9" * 4
    elif kind == 5:
        data[at : at + 512] = bytes(min(512, len(data) - at))
    else:
        data[at:at] = b"[" * 50_000
    return bytes(data)


def attempt(opener, path, pipe):
    """Open a file within limits and send what was wrong."""
    from atlas_lab.files import DataError

    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opener(path)
        pipe.send("")
    except DataError as error:
        pipe.send("" if "\n" not in str(error) and len(str(error)) < 2000 else "not one line")
    except BaseException as error:
        pipe.send(f"{type(error).__name__}: {error}"[:200])


def in_child(opener, path) -> str:
    """What is wrong with how a file is opened, or ""."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=attempt, args=(opener, path, there))
    child.start()
    there.close()
    try:
        wrong = here.recv() if here.poll(PATIENCE) else "hung"
    except EOFError:
        wrong = "the process died"
    child.kill()
    child.join()
    return wrong
