"""`score`: a saved network on labelled scans that it has not learnt from."""

from atlas_lab.commands.data import add_exclude
from atlas_lab.commands.processing import add_processing, with_processing
from atlas_lab.system.disk import expand
from atlas_lab.system.shipped import SHIPPED_NETWORK

__all__ = ["add"]


def add(command):
    """Add this command."""
    text = "Score a saved network on the labelled scans below ROOT: Dice, lesions, surfaces, volumes, over people."
    sub = command("score", _run_score, text)
    sub.add_argument("root", type=expand, help="folder of an ATLAS release, or of a synthetic cohort")
    sub.add_argument("--model", type=expand, help="a network of train --save-model (default: the lab's, if any)")
    sub.add_argument("--out", type=expand, metavar="FILE", help="also write the scores of every scan, .json")
    sub.add_argument("--part", choices=["training", "testing"], default="training", help="of R2.0 and R2.1")
    sub.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    add_processing(sub)
    add_exclude(sub)


def _run_score(options):
    """The command `score`."""
    from atlas_lab.data.overlap import refuse_overlap
    from atlas_lab.data.scans import find_scans, source_of
    from atlas_lab.experiment.inference import open_model
    from atlas_lab.experiment.score_tables import score_lines
    from atlas_lab.experiment.scored_scans import check_scores_file, score_scans, write_scores

    scans = find_scans(options.root, options.exclude, options.part)
    if options.out:
        read = [path for scan in scans for path in (scan.t1w, *scan.masks)]
        refuse_overlap([*read, options.model or SHIPPED_NETWORK], [options.out])
        check_scores_file(options.out, source_of(scans))  # before every scan is read
    saved = with_processing(open_model(options.model or SHIPPED_NETWORK, options.device), options)
    scored = score_scans(saved, scans)
    print("\n".join(score_lines(scored)))
    if options.out:
        write_scores(options.out, scored, saved)
        print(f"scores of every scan: {options.out}")
