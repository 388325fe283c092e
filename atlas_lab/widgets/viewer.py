"""The slice-by-slice viewer: a volume and its masks in the notebook, drawn by the browser."""

from atlas_lab.files import DataError
from atlas_lab.widgets.plain import PlainViewer
from atlas_lab.widgets.volumes import Volumes, check_volumes, open_labels, open_volumes, own_grid

try:
    from atlas_lab.widgets.canvas import SliceViewer
except ImportError:  # anywidget is missing; the plain viewer does without
    SliceViewer = None

__all__ = ["compare", "view_slices", "view_volumes"]


def view_slices(
    scan, target=None, prediction=None, zoom=2, plain=False, show="masks", layout="three", labels=None,
    label_names=None, embed=False,
):
    """Show a volume slice by slice, with masks on it; it opens on the slice with most lesion.

    Click a plane to move the crosshair in all, scroll or use the arrow keys; "keys and mouse" below it tells the rest.

    Parameters
    ----------
    scan : Scan, path, nibabel image, tensor or array (X, Y, Z)
        A Scan is loaded, with its lesion mask as the target; a path names a NIfTI file. Axes of one voxel beyond the
        third are dropped.
    target : path, nibabel image, tensor or array (X, Y, Z), optional
        A mask, shown as an orange outline.
    prediction : as the target, or dict of such by name, optional
        Masks, or probabilities from 0 to 1, which get a threshold. Shown as a translucent blue fill. Files are turned
        to RAS; an array beside a file has that file's axes and is turned with it (see `open_together`).
    zoom : int
        Screen pixels per voxel along the finest axis, 1 to 5; less where the screen is narrow.
    plain : bool
        Use plain ipywidgets, which ask Python for every slice, in place of anywidget. It is what happens anyway
        where anywidget is not installed; it shows axial slices and the first prediction.
    show : "masks", "errors", "differences", "heat" or "labels"
        "errors" colours what is found, called lesion by mistake and missed; "heat" the probabilities.
    layout : "three" (planes), "one" or "side" (a pane for each prediction)
    labels : path, nibabel image, tensor or array (X, Y, Z), optional
        Whole numbers 0 to 255, each shown in a colour of its own by show="labels".
    label_names : dict, optional
        Label -> name, for the key of colours.
    embed : bool
        Put the whole working page into the notebook, some megabytes, in place of a picture.

    Returns
    -------
    ipywidgets widget
        A saved notebook keeps its opening slice as a picture. `save(path)` of the viewer writes a page that works
        without Python; `save_picture` a PNG or GIF; `save_drawing` a mask that was drawn.

    Raises
    ------
    DataError
        If the image is no volume or holds nothing to see, or a mask doesn't fit it or is none.
    """
    opened = open_volumes(scan, target, prediction)
    own = own_grid(scan, target, prediction, labels)
    found = (None, ()) if labels is None else open_labels(labels, label_names, opened.image, opened.affine, own)
    volumes = Volumes(*opened, *found, own)
    return _view(volumes, zoom, plain, show=show, pane_layout=layout, embed=embed)


def compare(scan, predictions, target=None, zoom=2, embed=False):
    """Show predictions side by side, linked, with their errors in colour and a threshold for each.

    Where there is no target, the first prediction is set against the one chosen: both, only the one, only the other.

    Parameters
    ----------
    scan, target : as in `view_slices`
    predictions : dict
        Name -> mask or probabilities; two or more.

    Returns
    -------
    SliceViewer

    Raises
    ------
    DataError
        As `view_slices`; also for fewer than two predictions.
    """
    if not isinstance(predictions, dict) or len(predictions) < 2:
        raise DataError("compare needs two or more predictions, as a dict of masks or probabilities by name")
    opened = open_volumes(scan, target, predictions)
    show = "differences" if opened.target is None else "errors"
    volumes = Volumes(*opened, own=own_grid(scan, target, predictions))
    return _view(volumes, zoom, False, show=show, pane_layout="side", embed=embed)


def view_volumes(image, target, predictions, affine, zoom=2, plain=False, **state):
    """The viewer of volumes with their affine (or None), predictions by name; see `view_slices`."""
    return _view(Volumes(image, target, predictions, affine), zoom, plain, **state)


def _view(volumes, zoom, plain, embed=False, **state):
    """The viewer of checked volumes. Raises DataError for an impossible zoom, layout or show."""
    if zoom not in range(1, 6):
        raise DataError(f"zoom is {zoom!r}; expected a whole number of screen pixels per voxel, 1 to 5")
    image, target, predictions = check_volumes(volumes.image, volumes.target, volumes.predictions)
    volumes = volumes._replace(image=image, target=target, predictions=predictions)
    if plain or SliceViewer is None:
        return PlainViewer(image, target, predictions, volumes.affine, int(zoom))
    for name, value in state.items():
        known = SliceViewer.class_traits()[name].values
        if value not in known:
            raise DataError(f"{name.removeprefix('pane_')} is {value!r}; choose one of {', '.join(known)}")
    return SliceViewer(volumes, int(zoom), embed, **state)
