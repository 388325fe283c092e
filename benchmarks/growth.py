"""How time and memory grow with the work: each job at 1, 4 and 16 times as much, with a picture.

Run: python benchmarks/growth.py (six minutes). Writes growth.json, growth.png and growth.md beside itself.
"""

import statistics
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pipeline
from sides import ask

from atlas_lab.files import atomic_path, write_json
from atlas_lab.plots.style import COLOURS
from atlas_lab.provenance import environment

HERE = Path(__file__).parent
JOBS = {
    "training": "training step, full size, batch 25",
    "prepare": f"files to slices, {pipeline.N_SUBJECTS} subjects",
    "overlap": f"overlap map, {pipeline.N_SUBJECTS} subjects",
    "evaluation": f"evaluation, {pipeline.UNITS['evaluation']:,} slices",
    "batches": f"batches, {pipeline.UNITS['batches']:,} slices",
    "phantom": f"phantom, {pipeline.N_SUBJECTS} subjects",
}
TIMES = (1, 4, 16)


def exponent(values):
    """The power of the work that values grow with: the slope of a line through their logarithms."""
    return float(np.polyfit(np.log(TIMES), np.log(values), 1)[0])


def measured(job, times):
    """Seconds and peak memory of a job at so many times its work."""
    if job != "training":
        return ask("pipeline.py", "ours", job, times)
    answer = ask("training.py", "ours", "full", 4, 25 * times)
    return {"seconds": statistics.median(answer["times"]), "peak_mb": answer["peak_mb"]}


def sentence(job, answers):
    """What one job's growth comes to, in words."""
    seconds, peaks = ([answer[key] for answer in answers] for key in ("seconds", "peak_mb"))
    return (f"{JOBS[job]}: {seconds[0]:.2g} s at 1 x, {seconds[-1]:.2g} s at {TIMES[-1]} x (work to the power of "
            f"{exponent(seconds):.2f}); memory beyond the imports {peaks[0]:.0f} to {peaks[-1]:.0f} MB")


def page(sentences, machine):
    """growth.md: the picture and the sentences."""
    lines = "\n".join(f"- {sentence}." for sentence in sentences.values())
    return (
        "# How time and memory grow with the work\n\n![Seconds and memory against the work](growth.png)\n\n"
        f"{lines}\n\nWhat grows with the batches are pages of the store, which is mapped, not loaded: the system can "
        f"take them back.\n\nMeasured once each on {machine['cores']} cores of {machine['processor']} with torch "
        f"{machine['torch']}, by growth.py.\n"
    )


def plot(results):
    """Seconds and peak memory against the work, one line per job."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for colour, (job, answers) in zip(COLOURS, results.items(), strict=False):
        for ax, key in zip(axes, ("seconds", "peak_mb"), strict=True):
            ax.plot(TIMES, [answer[key] for answer in answers], "o-", color=colour, label=JOBS[job])
    axes[0].set(xscale="log", yscale="log", xlabel="times the work", ylabel="seconds")
    axes[1].set(xscale="log", ylim=(0, None), xlabel="times the work", ylabel="memory beyond the imports (MB)")
    axes[1].legend(fontsize=7)
    for ax in axes:
        ax.set_xticks(TIMES, TIMES)
        ax.minorticks_off()
    return figure


if __name__ == "__main__":
    ask("pipeline.py", "make")
    results = {job: [measured(job, times) for times in TIMES] for job in JOBS}
    sentences = {job: sentence(job, answers) for job, answers in results.items()}
    print("\n".join(sentences.values()))
    machine = environment()
    write_json(HERE / "growth.json", {"jobs": results, "sentences": sentences, "machine": machine})
    with atomic_path(HERE / "growth.md") as temporary:
        temporary.write_text(page(sentences, machine), encoding="utf-8")
    plot(results).savefig(HERE / "growth.png", dpi=120)
