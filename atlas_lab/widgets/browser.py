"""A grid of slices, worst first: where does a network fail?"""

import ipywidgets
import numpy as np

from atlas_lab.data.door import as_array
from atlas_lab.data.slicing import stack_affine
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.run import Run, unpack_masks
from atlas_lab.files import DataError
from atlas_lab.metrics import dice_coefficient
from atlas_lab.plots.overlay import overlay
from atlas_lab.widgets.still import Still, png
from atlas_lab.widgets.viewer import view_volumes

__all__ = ["SIZES", "Browser", "browse", "worst_first"]

SIZES = {  # lesion pixels of a slice: from, to below
    "any": (0, np.inf), "none": (0, 1), "up to 10 pixels": (1, 11), "11 to 100": (11, 101), "over 100": (101, np.inf),
}


def worst_first(store, rows, predictions, subject=None, site=None, size="any"):
    """Positions in `rows`, sorted by the Dice of their slices, the lowest first.

    Slices that are empty in both masks, whose Dice is undefined, are left out.

    Parameters
    ----------
    store : SliceStore
    rows : int array (N,)
        Rows of the store.
    predictions : bool array (N, H, W)
    subject, site : str, optional
        Only these.
    size : a key of SIZES
        Lesion pixels of the slice.

    Returns
    -------
    order : int array
    dice : float array (N,)
    """
    if len(rows) != len(predictions):
        raise DataError(f"there are {len(rows)} rows and {len(predictions)} predictions; they must be equally many")
    table = store.table.iloc[rows]
    dice = dice_coefficient(predictions, store.masks[rows])
    low, high = SIZES[size]
    chosen = ~np.isnan(dice) & table["lesion_pixels"].between(low, high, inclusive="left").to_numpy()
    for name, wanted in (("subject", subject), ("site", site)):
        if wanted is not None:
            chosen &= (table[name] == wanted).to_numpy()
    positions = np.flatnonzero(chosen)
    return positions[np.argsort(dice[positions], kind="stable")], dice


def browse(
    store: SliceStore, predictions: "np.ndarray | Run", rows: np.ndarray | None = None, count: int = 12, zoom: int = 3,
) -> "Browser":
    """Slices with target and prediction, worst Dice first, with filters; each opens its scan in the viewer.

    Parameters
    ----------
    store : SliceStore
    predictions : array or tensor (N, H, W), or Run
        Bool masks, or probabilities, which are cut at 0.5; of a run the examples in its record are shown.
    rows : int array (N,), optional
        Rows of the store that the predictions are of; all by default, of a run those of its record.
    count : int
        Slices on a page.

    Returns
    -------
    Browser
        An ipywidgets widget; a saved notebook keeps a picture of its first page.

    Raises
    ------
    DataError
        If rows and predictions are not equally many, or a run was recorded on other data or without examples.
    """
    if isinstance(predictions, Run):
        rows, predictions = _recorded_examples(predictions, store)
    rows = np.arange(len(store)) if rows is None else np.asarray(rows)
    return Browser(store, rows, as_array(predictions, "prediction") > 0.5, count, zoom)


def _recorded_examples(run, store):
    """Rows and masks of the slices that a record has predictions of; see `browse` for what is refused."""
    if run.data["data_hash"] != store.about["data_hash"]:
        raise DataError(f"{run.name} was recorded on other data ({run.data['source']}) than the store holds")
    if not run.examples:
        raise DataError(f"{run.name} has no predictions in its record; train it anew, or give predictions and rows")
    return np.array(run.examples["rows"]), unpack_masks(run.examples["masks"])


class Browser(Still, ipywidgets.VBox):
    """Filters, a page of slices, and below it the viewer of the one that was chosen; `browse` makes one."""

    def __init__(self, store, rows, predictions, count, zoom):
        self.store, self.rows, self.predictions, self.count, self.zoom = store, rows, predictions, count, zoom
        table = store.table.iloc[rows]
        self.subject, self.site = (
            ipywidgets.Dropdown(options=["any", *sorted(table[name].unique())], description=name)
            for name in ("subject", "site")
        )
        self.size = ipywidgets.Dropdown(options=list(SIZES), description="lesion")
        self.page = ipywidgets.BoundedIntText(value=1, min=1, description="page")
        self.grid, self.opened = ipywidgets.GridBox(), ipywidgets.VBox()
        width = zoom * store.shape[1]
        self.grid.layout = {"grid_template_columns": f"repeat(auto-fill, {width + 8}px)", "width": "100%"}
        for control in (self.subject, self.site, self.size, self.page):
            control.layout = {"width": "220px"}
            control.observe(self.show, "value")
        bar = ipywidgets.HBox([self.subject, self.site, self.size, self.page])
        super().__init__([bar, self.grid, self.opened])
        self.show()

    def show(self, _=None):
        """Fill the page by the filters."""
        chosen = {name: None if box.value == "any" else box.value
                  for name, box in (("subject", self.subject), ("site", self.site))}
        order, dice = worst_first(self.store, self.rows, self.predictions, **chosen, size=self.size.value)
        self.page.max = max(1, -(-len(order) // self.count))
        start = (min(self.page.value, self.page.max) - 1) * self.count
        self.shown = order[start : start + self.count]
        self.grid.children = [self.tile(position, dice[position]) for position in self.shown]

    def picture(self, position):
        """The slice with its masks, uint8 (zoom H, zoom W, 3)."""
        row = self.rows[position]
        return overlay(self.store.images[row], self.store.masks[row], self.predictions[position], zoom=self.zoom)

    def tile(self, position, dice):
        """One slice with a button that opens its scan."""
        row = self.store.table.iloc[self.rows[position]]
        button = ipywidgets.Button(description=f"Dice {dice:.2f}")
        button.layout = {"width": "auto"}
        button.tooltip = f"{row['subject']}, slice {row['z']}: open this scan in the viewer"
        button.on_click(lambda _: self.open_scan(position))
        return ipywidgets.VBox([ipywidgets.Image(value=png(self.picture(position)), format="png"), button])

    def open_scan(self, position):
        """Show the scan of a slice in the viewer, at that slice, with the predictions there are."""
        names = self.store.scan_names
        scan = np.flatnonzero(names == names[self.rows[position]])
        masks = np.zeros((len(scan), *self.store.shape), bool)
        mine = np.isin(self.rows, scan)
        masks[np.searchsorted(scan, self.rows[mine])] = self.predictions[mine]
        volumes = (np.asarray(stack).transpose(2, 1, 0)[:, ::-1] for stack in
                   (self.store.images[scan], self.store.masks[scan], masks))
        image, target, prediction = volumes
        affine = stack_affine(self.store)
        viewer = view_volumes(image, target, {"prediction": prediction}, affine, zoom=5)
        at = int(np.searchsorted(scan, self.rows[position]))
        if hasattr(viewer, "slider"):
            viewer.slider.value = at
        else:
            viewer.index = at
        self.opened.children = [viewer]

    @property
    def still(self):
        """The first slices shown, side by side, as a PNG."""
        tiles = [self.picture(position) for position in self.shown[:6]]
        return png(np.hstack(tiles)) if tiles else b""
