"""Steps on an NVIDIA GPU, plain and recorded, and an epoch of the paper's size; writes gpu.json and docs/speed.md.

    python benchmarks/gpu.py        needs an NVIDIA GPU; half a minute
"""

import json
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch

from atlas_lab.config import PROFILES
from atlas_lab.experiment.build import build_loss, build_model, build_optimizer
from atlas_lab.fast.graphs import RecordedStep
from atlas_lab.fast.layout import place
from atlas_lab.fast.precision import set_precision
from atlas_lab.files import REPOSITORY
from atlas_lab.paper.tables import write_block
from atlas_lab.provenance import code_version
from atlas_lab.train import train_step

OUT = Path(__file__).with_suffix(".json")
STUDY, PAPER = (PROFILES[name].config for name in ("study", "paper"))
NETS = {  # what -> settings, shape of a slice
    "baseline, 4 mm": (STUDY, (56, 48)), "U-Net, 4 mm": (replace(STUDY, net="unet"), (56, 48)),
    "volumetric U-Net, 4 mm": (replace(STUDY, net="volume_unet"), (56, 48)), "baseline, 1 mm": (PAPER, (232, 196)),
}
SLICES = 30_297  # of an epoch at the paper's size


class Training:
    """A network in training on random slices that lie on the GPU."""

    def __init__(self, config, shape, step, n_slices=4000):
        torch.manual_seed(0)
        self.step, self.loss = step, build_loss(config)
        self.model = set_precision(place(build_model(config, shape), "cuda"), config.precision).train()
        self.optimizer = build_optimizer(config, self.model)
        self.images = torch.randint(0, 256, (n_slices, *shape), dtype=torch.uint8, device="cuda")
        self.masks = torch.rand(n_slices, *shape, device="cuda") < 0.01

    def seconds(self, batches):
        """Time of a step on each of these batches of row numbers, one after the other."""
        torch.cuda.synchronize()
        began, losses = time.perf_counter(), []
        for rows in batches:
            rows = rows.to("cuda")
            images, target = self.images[rows].div(255).unsqueeze(1), self.masks[rows].float().unsqueeze(1)
            losses.append(self.step(self.model, self.loss, self.optimizer, images, target, 5.0))
        torch.stack(losses).tolist()
        return time.perf_counter() - began


def steps():
    """Milliseconds of a step of each network, plain and recorded: the mean of 30 after 10."""
    for what, (config, shape) in NETS.items():
        found, batch = {"what": what}, 96 if config.net == "volume_unet" else 100  # three slabs of 32
        for name, step in (("plain_ms", train_step), ("recorded_ms", RecordedStep())):
            training = Training(config, shape, step)
            training.seconds(torch.randperm(10 * batch).split(batch))
            found[name] = 1e3 * training.seconds(torch.randperm(30 * batch).split(batch)) / 30
        print(found)
        yield found


def epochs():
    """Seconds of the steps of an epoch at the paper's size, batches of 100, by precision; dev is not scored."""
    for precision in ("float32", "tf32"):
        training = Training(replace(PAPER, precision=precision), (232, 196), train_step, SLICES)
        training.seconds(torch.randperm(800).split(100))
        yield precision, training.seconds(torch.randperm(SLICES).split(100))


def page_table(found):
    """What was found as Markdown, for docs/speed.md."""
    lines = [f"| batch of 100 on an {found['device']} | a plain step | recorded and replayed | |", "|" + "---|" * 4]
    for row in found["steps"]:
        ratio = row["plain_ms"] / row["recorded_ms"]
        lines.append(f"| {row['what']} | {row['plain_ms']:.1f} ms | {row['recorded_ms']:.1f} ms | {ratio:.1f} x |")
    epoch = ", ".join(f"{seconds:.1f} s in {precision}" for precision, seconds in found["epoch_s"].items())
    lines += ["", f"An epoch's steps at the paper's size, {SLICES:,} slices in batches of 100, take {epoch}; "
              f"scoring dev comes on top. Torch {found['torch']}, {found['date']}.", ""]
    return "\n".join(lines)


def main():
    """Measure, and write what was found."""
    found = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "date": date.today().isoformat(),
             "commit": code_version()["commit"], "steps": list(steps()), "epoch_s": dict(epochs())}
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_block(REPOSITORY / "docs" / "speed.md", "gpu", page_table(found))


if __name__ == "__main__":
    main()
