"""Writes scaling.md: what the paper's programme costs on machines from one to many, from scaling.json.

    python docs/scaling.py --measure    measure this machine again (some minutes, CPU seconds of one thread), then write
    python docs/scaling.py              write the page from the figures that stand in scaling.json
"""

import json
import sys
import time
from dataclasses import asdict, replace
from datetime import date
from functools import cache
from pathlib import Path

from atlas_lab.config import PROFILES
from atlas_lab.experiment.estimate import Pace, run_seconds
from atlas_lab.experiment.operating_point import PAPER_PARAMETERS
from atlas_lab.experiment.run import load_runs
from atlas_lab.grid import GRID
from atlas_lab.paper.full_size import FULL_SIZE_RECORDS
from atlas_lab.paper.planning import plan_sweep
from atlas_lab.paper.study import StudyRecords

INPUTS = Path(__file__).with_suffix(".json")
ON_GPU = Path(__file__).parents[1] / "benchmarks" / "gpu.json"
PAGE = Path(__file__).with_suffix(".md")
STEPS_MEASURED = 303  # of an epoch, on the GPU
SCANS = {"R1.1": 229, "R2.0": 655}
STEP_FLOPS = 1.03e9   # of a slice in a step at full size: counted from the layers, forward and backward
STEP_PASSES = 13      # times that a step reads or writes all weights: products, clipping, Adam
COMPARED = 58 * 49    # pixels by which the copying machine compares slices
SLICE_BYTES = 17e6    # that a slice in a step reads or writes at full size, its activations and their gradients
CASES = {             # name -> (scans, runs, epochs), at the paper's size; None: those of the ledger
    "baseline, one run (C1)": ("R1.1", 1, 10),
    "best variant, 5 folds": ("R1.1", 5, 80),
    "the whole ledger at full size": ("R1.1", None, None),
    "baseline on R2.0, one run": ("R2.0", 1, 10),
    "the whole ledger on R2.0": ("R2.0", None, None),
}


def measure():
    """Paces at the study's and the paper's size, in CPU seconds of one thread, so that a busy machine counts less."""
    import numpy as np
    import torch

    from atlas_lab.cohorts import cohort
    from atlas_lab.data.slicing import prepare_slices
    from atlas_lab.experiment.estimate import measure_pace
    from atlas_lab.metrics import centroid_distances, confusion_counts
    from atlas_lab.provenance import environment

    torch.set_num_threads(1)
    found, scans = {}, cohort(6, version=1)
    for name, scale, z_step, precision in (("study", 4, 1, "float32"), ("paper", 1, 2, "float32"),
                                           ("paper, bfloat16", 1, 2, "bfloat16")):
        config = replace(PROFILES["study"].config, scale=scale, z_step=z_step, precision=precision)
        store = prepare_slices(scans, scale, z_step)
        found[name] = asdict(measure_pace(config, store.folder, time.process_time))
        print(name, found[name])
    queries, others = torch.rand(1000, COMPARED), torch.rand(10_000, COMPARED)
    queries @ others.T
    began = time.process_time()
    queries @ others.T
    found["product_flops"] = 2 * len(queries) * len(others) * COMPARED / (time.process_time() - began)
    masks = np.random.default_rng(0).random((100, 232, 196)) > 0.99
    began = time.process_time()
    confusion_counts(masks, masks)
    centroid_distances(masks, masks)
    found["counting"] = (time.process_time() - began) / len(masks)
    machine = environment("cpu")
    found["machine"] = f"{machine['processor']}, {machine['cores']} cores, {machine['instructions']}"
    found["date"] = date.today().isoformat()
    return found


def pace_of(inputs, name, release):
    """A measured pace, with the sizes of a release: the copying machine averages each slice and compares all pairs."""
    n = SCANS[release] * GRID[2]
    pace = Pace(**inputs["measured"][name])
    averaging = pace.copying / (pace.n_train + pace.n_dev) * n
    copying = averaging + 2 * 0.7 * n * 0.3 * n * COMPARED / inputs["measured"]["product_flops"]
    return replace(pace, n_train=round(0.7 * n), n_dev=round(0.3 * n), steps=0.7 * n / 100, copying=copying)


def gpu_pace(inputs, release):
    """The pace of a GPU: its step is measured; scoring, which reads as many slices, reaches the same share of peaks."""
    gpu, on_processor = inputs["gpu"], pace_of(inputs, "paper", release)
    scored = max(STEP_FLOPS / 3 / gpu["tf32_flops"], SLICE_BYTES / 3 / gpu["bytes_per_s"]) / share_reached(inputs)
    return replace(on_processor, step=gpu_step(), slice_scored=scored + inputs["measured"]["counting"])


@cache
def gpu_step():
    """Seconds of a full-size step in tf32, as benchmarks/gpu.py found it."""
    return json.loads(ON_GPU.read_text(encoding="utf-8"))["epoch_s"]["tf32"] / STEPS_MEASURED


def share_reached(inputs):
    """What a GPU's step would take at the peaks, the larger of arithmetic and memory, over what it takes."""
    moved = STEP_PASSES * 4 * PAPER_PARAMETERS + 100 * SLICE_BYTES
    limits = 100 * STEP_FLOPS / inputs["gpu"]["tf32_flops"], moved / inputs["gpu"]["bytes_per_s"]
    return max(limits) / gpu_step()


def exchange(inputs, ranks, over):
    """Seconds in which ranks add up their gradients by a ring, over links of so many bytes a second."""
    return 2 * (ranks - 1) / ranks * 4 * PAPER_PARAMETERS / (inputs | inputs["gpu"])[over]


def ledger():
    """The runs of all sweeps of the study; where some differ in their epochs alone, the longest goes on from them."""
    planned = sorted(plan_sweep(PROFILES["study"], ["all"], [], None)[0], key=lambda config: config.epochs)
    return list({replace(config, epochs=1): config for config in planned}.values())


def machines(inputs):
    """name -> (workers, whether they are GPUs, price of an hour of one)."""
    core, gpu = (inputs["prices"][name]["usd"] for name in ("cpu_core_hour", "gpu_hour"))
    return {"1 machine of 2 cores": (2, False, core), "100 such machines": (200, False, core),
            "1 GPU": (1, True, gpu), "8 GPUs": (8, True, gpu), "100 nodes of 8 GPUs": (800, True, gpu)}


def text_of(seconds):
    """A time in the unit that suits it."""
    hours = seconds / 3600
    return f"{hours / 24:,.1f} d" if hours >= 48 else f"{hours:,.1f} h" if hours >= 1 else f"{seconds / 60:.0f} min"


def case_rows(inputs):
    """A row for each case: runs, then time and money on each machine, and bytes."""
    for name, (release, runs, epochs) in CASES.items():
        base = PROFILES["study"].config
        configs = ledger() if runs is None else [replace(base, epochs=epochs)] * runs
        cells = []
        for workers, is_gpu, price in machines(inputs).values():
            pace = gpu_pace(inputs, release) if is_gpu else pace_of(inputs, "paper", release)
            seconds = [run_seconds(config, pace) for config in configs]
            wall = max(sum(seconds) / min(workers, len(seconds)), max(seconds))
            cells.append(f"{text_of(wall)}, ${sum(seconds) / 3600 * price:,.0f}")
        slices = SCANS[release] * GRID[2]
        size = (slices * 232 * 196 * 2 + len(configs) * 4 * PAPER_PARAMETERS) / 1e9
        yield [name, f"{len(configs)}", *cells, f"{size:,.0f} GB"]


def table(head, rows):
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def page(inputs):
    """The page, from the inputs."""
    measured, gpu = inputs["measured"], inputs["gpu"]
    paper, rounded = measured["paper"], measured["paper, bfloat16"]
    on_gpu, own = gpu_pace(inputs, "R1.1"), pace_of(inputs, "paper", "R1.1")
    by_link = [[f"{ranks}", f"{own.step / ranks:.2f} s", f"{exchange(inputs, ranks, 'network_bytes_per_s'):.2f} s",
                f"{own.step / (own.step / ranks + exchange(inputs, ranks, 'network_bytes_per_s')):.1f}",
                f"{1e3 * exchange(inputs, ranks, 'link_bytes_per_s'):.2f} ms"] for ranks in (2, 4, 8)]
    fixed = STEP_PASSES * 4 * PAPER_PARAMETERS / gpu["bytes_per_s"]
    study = [config for config in ledger() if config.scale == 4 and config.people is None]
    like = StudyRecords().variant("baseline")[0]  # its people and slices are those of every seed
    at_study = replace(Pace(**measured["study"]), n_train=like.split["n_train"], n_dev=like.split["n_dev"],
                       steps=like.point["updates_an_epoch"])
    study_seconds = [run_seconds(config, at_study) for config in study]
    recorded = next(run for run in load_runs(FULL_SIZE_RECORDS, pos_weight=100.0, mask_files="exact"))
    epochs = [entry["seconds"] for entry in recorded.history]
    return TEXT.format(
        device=recorded.environment["device"], fastest=min(epochs), slowest=max(epochs),
        cases=table(["case", "runs", *machines(inputs), "disk"], case_rows(inputs)),
        exchange=table(["processes", "a step without exchange", "exchange at 10 Gbit/s", "speed-up",
                        f"exchange between {gpu['name']}"], by_link),
        machine=measured["machine"], date=measured["date"], step=paper["step"], rounded=rounded["step"],
        gain=paper["step"] / rounded["step"], scored=1e3 * paper["slice_scored"], counting=1e3 * measured["counting"],
        gpu=gpu["name"], gpu_step=1e3 * on_gpu.step, fixed=1e3 * fixed, share=share_reached(inputs),
        source=gpu["source"],
        epoch=on_gpu.steps * on_gpu.step, scoring=2 * on_gpu.n_dev * on_gpu.slice_scored,
        ledger_runs=len(study), longest=text_of(max(study_seconds)), hours=sum(study_seconds) / 3600,
        prices="\n".join(f"- {name.replace('_', ' ')}: {price['usd']} USD ({price['source']})"
                         for name, price in inputs["prices"].items()))


TEXT = """# What scale costs

Written by `docs/scaling.py` from `docs/scaling.json`; every price and peak there is an input. For a sweep of your own
on your own machine, `atlas-lab sweep ... --estimate` measures some steps and counts the rest.

**Measured** on {machine}, {date}, in CPU seconds of one thread: a full-size step (batch 100) {step:.2f}, with
`precision=bfloat16` {rounded:.2f} ({gain:.2f} times as fast); scoring a slice {scored:.1f} ms, {counting:.2f} ms of it
counting on the processor. **Recorded**: on an {device} that trained eight other networks at the time, epochs of the
full-size baseline took {fastest:.1f} to {slowest:.1f} s, scoring dev included; alone, by `benchmarks/gpu.py`, the steps
of an epoch take {epoch:.1f} s in tf32, {share:.0%} of the peaks of an {gpu} ({source}). **Computed, not measured**, is
all else that concerns GPUs: scoring at the same share of the peaks, and more than one of them.

{cases}

Time is that of the slowest worker; money is what all work costs, so it does not fall with more machines. Runs are
independent: a worker for each run is as far as they go. The ledger at the study's size (4 mm, {ledger_runs} runs) takes
{hours:,.0f} CPU hours, and no less than its longest run, {longest}.

Prices:
{prices}

## Where it stops, and why

- **Many runs** scale to one worker for each run, since they exchange nothing. After that only faster runs help.
- **One run on several processes** exchanges all gradients in every step, 375 MB, whatever the batch:

{exchange}

  The exchange doesn't shrink with the number of processes, as the step does, so more than a few gain little. The batch
  must stay 100 for the paper's numbers, so there is no larger batch to hide it behind.
- **A GPU** reaches little of its peaks: in a profile the gradients of convolutions of 1 to 16 channels stand on top. Of
  its step of {gpu_step:.1f} ms at least {fixed:.1f} ms go into reading and writing 94 million weights, their gradients
  and Adam's two means, which several GPUs do not share out. So eight GPUs belong to eight runs.
- **Scoring** on a GPU takes {scoring:.0f} s an epoch beside {epoch:.1f} s of steps, most of it to count the pixels of
  26,000 slices on the processor. Score train less often there (`train_scored_every=5`).
"""


def main():
    """Measure if asked to, and write the page."""
    inputs = json.loads(INPUTS.read_text(encoding="utf-8"))
    if "--measure" in sys.argv:
        inputs["measured"] = measure()
        INPUTS.write_text(json.dumps(inputs, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(inputs), encoding="utf-8")


if __name__ == "__main__":
    main()
