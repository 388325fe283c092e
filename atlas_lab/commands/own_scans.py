"""`predict` and `view`: a scan of one's own segmented, and looked at with masks on it."""

from atlas_lab.commands.processing import add_processing, with_processing
from atlas_lab.system.disk import expand
from atlas_lab.system.shipped import SHIPPED_NETWORK

__all__ = ["add"]


def add(command):
    """Add these commands."""
    text = "Segment a T1-weighted volume, or a folder of them; exit code 1 if some failed. Not for clinical use."
    sub = command("predict", _run_predict, text)
    sub.add_argument("t1w", type=expand, help="the volume, .nii or .nii.gz, turned and sized as it may be; or a folder")
    sub.add_argument("-o", "--out", type=expand, required=True, help="the mask to write, .nii or .nii.gz; or a folder")
    sub.add_argument("--model", type=expand, help="a network of train --save-model (default: the lab's, if any)")
    sub.add_argument("--register", action="store_true", help="register to the MNI152 template first (SimpleITK)")
    sub.add_argument("--strip", action="store_true", help="take skull and scalp away first (deepbet)")
    sub.add_argument("--probability", type=expand, metavar="FILE", help="also write each voxel's lesion probability")
    sub.add_argument("--picture", type=expand, metavar="FILE", help="also draw the slice with most lesion, .png")
    sub.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    add_processing(sub)

    text = "Open a T1-weighted volume and masks on it in the browser, or write the page. Not for clinical use."
    sub = command("view", _run_view, text)
    sub.add_argument("t1w", type=expand, help="the volume, .nii or .nii.gz")
    sub.add_argument("masks", type=expand, nargs="*", help="the target, then predictions: masks or probabilities")
    sub.add_argument("--predict", action="store_true", help="also show what the lab's own network calls lesion")
    sub.add_argument("--model", type=expand, help="also show what this network calls lesion, from train --save-model")
    sub.add_argument("-o", "--out", type=expand, metavar="PAGE", help="write the page here and don't open it, .html")


def _run_predict(options):
    """The command `predict`; 1 if some scans of a folder could not be segmented."""
    from atlas_lab.experiment.inference import open_model
    from atlas_lab.experiment.own_files import plan_jobs, run_jobs
    from atlas_lab.experiment.own_scan import NOTICE

    def draw(found, title):
        from atlas_lab.plots.slices import plot_prediction

        return plot_prediction(found, title)

    jobs = plan_jobs(options.t1w, options.out, options.probability, options.picture, options.model)
    saved = with_processing(open_model(options.model or SHIPPED_NETWORK, options.device), options)
    done = run_jobs(jobs, saved, options.register, options.strip, draw)
    if options.t1w.is_dir():
        print(f"{done} of {len(jobs)} scans segmented, in {options.out}")
    print(NOTICE)
    return 0 if done == len(jobs) else 1


def _run_view(options):
    """The command `view`."""
    from atlas_lab.widgets.viewing import open_page, write_page

    model = options.model or (SHIPPED_NETWORK if options.predict else None)
    page = write_page(options.t1w, options.masks, model, options.out)
    print(page if options.out or not open_page(page) else f"opened in the browser: {page}")
