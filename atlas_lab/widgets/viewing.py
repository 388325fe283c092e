"""The command `view`: a scan and its masks as a page, without a notebook."""

import webbrowser
from itertools import chain, count
from pathlib import Path

from atlas_lab.data.identify import refuse_path
from atlas_lab.data.overlap import refuse_overlap
from atlas_lab.data.search import stem_of
from atlas_lab.data.whose import source_of_file
from atlas_lab.files import DataError, check_target, lab_home
from atlas_lab.system.disk import expand

__all__ = ["open_page", "write_page"]


def write_page(t1w, masks=(), model=None, out=None):
    """Write the page with a volume, a target and predictions; returns its path.

    Parameters
    ----------
    t1w : path
    masks : paths
        The target, then predictions, shown under the names of their files.
    model : path, optional
        A network of `save_model`, whose probabilities are shown too. The volume must lie in MNI space.
    out : path that ends in .html, optional
        By default a page of the volume's name in `lab_home()/views`.

    Raises
    ------
    DataError
        If a file can't be used, the masks don't lie on the volume, or the page may not be written there, as where a
        link leads from it to a file that is read.
    """
    from atlas_lab.widgets.viewer import view_slices

    t1w, masks = expand(t1w), [expand(mask) for mask in masks]
    for path in (t1w, *masks):
        refuse_path(path)
    stem = stem_of(t1w.name) or t1w.name
    out = expand(out) if out else lab_home() / "views" / f"{stem}.html"
    if out.suffix != ".html":
        raise DataError(f"{out}: the name of a page must end in .html")
    refuse_overlap([t1w, *masks, *([model] if model else [])], [out])
    for path in (t1w, *masks):
        check_target(out, source_of_file(path))  # before a network is run
    predictions = _named(masks[1:])
    if model is not None:
        predictions[_free("predicted", predictions)] = _predicted(t1w, model)
    viewer = view_slices(t1w, masks[0] if masks else None, predictions)
    if not hasattr(viewer, "save"):
        raise DataError("a page needs anywidget; install it with: pip install anywidget")
    return viewer.save(out, stem)


def _named(paths):
    """Paths by the names of their files, numbered where two are alike."""
    named = {}
    for path in paths:
        named[_free(stem_of(path.name) or path.name, named)] = path
    return named


def _free(name, taken):
    """The name, or the first of those with a number behind it that isn't taken."""
    numbered = (f"{name} ({number})" for number in count(2))
    return next(free for free in chain([name], numbered) if free not in taken)


def _predicted(t1w, model):
    """The probabilities of a saved network on a scan, on the scan's own grid."""
    import nibabel

    from atlas_lab.experiment.inference import open_model
    from atlas_lab.experiment.own_scan import predict_scan

    found = predict_scan(open_model(model), t1w)
    return nibabel.Nifti1Image(found.probability, found.affine)


def open_page(path):
    """Show a page in the browser; False where there is none."""
    return webbrowser.open(Path(path).resolve().as_uri())
