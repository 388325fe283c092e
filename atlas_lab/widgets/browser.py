"""A grid of slices, worst first: where does a network fail?"""

import ipywidgets
import numpy as np

from atlas_lab.data.door import as_prediction
from atlas_lab.data.scans import load_scan
from atlas_lab.data.slicing import stack_affine, upsample
from atlas_lab.dataset import SliceStore
from atlas_lab.experiment.run import Run, unpack_masks
from atlas_lab.files import DataError
from atlas_lab.metrics import confusion_counts, dice_from_counts
from atlas_lab.plots.overlay import overlay
from atlas_lab.widgets.still import Still, png
from atlas_lab.widgets.viewer import view_volumes

__all__ = ["ORDERS", "SIZES", "Browser", "browse", "slice_scores", "worst_first"]

ORDERS = {"Dice": "dice", "missed ml": "missed", "false ml": "false", "uncertainty": "uncertainty"}

SIZES = {  # lesion pixels of a slice: from, to below
    "any": (0, np.inf), "none": (0, 1), "up to 10 pixels": (1, 11), "11 to 100": (11, 101), "over 100": (101, np.inf),
}


def slice_scores(store, rows, predictions, voxel_ml=None):
    """What slices are ordered by: a pandas DataFrame with a row for each prediction.

    Parameters
    ----------
    store : SliceStore
    rows : int array (N,)
        Rows of the store.
    predictions : array or list (N, H, W)
        Masks, or probabilities, which are cut at 0.5.
    voxel_ml : float, optional
        Millilitres of a pixel; by default those of the store's slices.

    Returns
    -------
    DataFrame
        dice (NaN where both masks are empty), missed and false (ml, negative, so that the most comes first), and
        uncertainty: the sum of 4 p (1 - p) over the slice in ml, negative too; 0 for masks.

    Raises
    ------
    DataError
        If rows and predictions are not equally many, or predictions are neither masks nor probabilities.
    """
    import pandas

    predictions = as_prediction(predictions, "prediction")
    if len(rows) != len(predictions):
        raise DataError(f"there are {len(rows)} rows and {len(predictions)} predictions; they must be equally many")
    ml = store.pixel_ml if voxel_ml is None else voxel_ml
    masks, pred = np.asarray(store.masks[rows], bool), predictions > 0.5
    tp, fp, fn, _ = confusion_counts(pred, masks)
    chances = predictions.astype(np.float32)
    doubt = (4 * chances * (1 - chances)).sum(axis=(1, 2))
    return pandas.DataFrame({"dice": dice_from_counts(tp, fp, fn), "missed": -ml * fn, "false": -ml * fp,
                             "uncertainty": -ml * doubt})


def worst_first(store, rows, scores, subject=None, site=None, size="any", order="dice"):
    """Positions in `rows`, the worst first, by one of the columns of `slice_scores`.

    Slices that are empty in both masks, whose Dice is undefined, are left out.

    Parameters
    ----------
    store : SliceStore
    rows : int array (N,)
        Rows of the store.
    scores : pandas.DataFrame
        As `slice_scores` gives them.
    subject, site : str, optional
        Only these.
    size : a key of SIZES
        Lesion pixels of the slice.
    order : "dice", "missed", "false" or "uncertainty"

    Returns
    -------
    order : int array
    dice : float array (N,)
    """
    table, dice = store.table.iloc[rows], scores["dice"].to_numpy()
    low, high = SIZES[size]
    chosen = ~np.isnan(dice) & table["lesion_pixels"].between(low, high, inclusive="left").to_numpy()
    for name, wanted in (("subject", subject), ("site", site)):
        if wanted is not None:
            chosen &= (table[name] == wanted).to_numpy()
    positions = np.flatnonzero(chosen)
    return positions[np.argsort(scores[order].to_numpy()[positions], kind="stable")], dice


def browse(
    store: SliceStore, predictions: "np.ndarray | Run", rows: np.ndarray | None = None, count: int = 12, zoom: int = 3,
    scans: list | None = None,
) -> "Browser":
    """Slices with target and prediction, the worst first, with filters; a click on one opens its scan in the viewer.

    Parameters
    ----------
    store : SliceStore
    predictions : array, list or tensor (N, H, W), or Run
        Masks, or probabilities, which are cut at 0.5; of a run the examples in its record are shown. Uncertainty
        can be ordered by where they are probabilities.
    rows : int array (N,), optional
        Rows of the store that the predictions are of; all by default, of a run those of its record.
    count : int
        Slices on a page.
    scans : list of Scan, optional
        Those that the store was made of, as `lab.find_scans` gives them; then a slice opens its scan at full
        resolution, with the prediction enlarged to it.

    Returns
    -------
    Browser
        An ipywidgets widget; a saved notebook keeps a picture of its first page.

    Raises
    ------
    DataError
        If rows and predictions are not equally many, predictions are neither masks nor probabilities, as logits are
        not, or a run was recorded on other data or without examples.
    """
    if isinstance(predictions, Run):
        rows, predictions = _recorded_examples(predictions, store)
    rows = np.arange(len(store)) if rows is None else np.asarray(rows)
    return Browser(store, rows, as_prediction(predictions, "prediction"), count, zoom, scans)


def _recorded_examples(run, store):
    """Rows and masks of the slices that a record has predictions of; see `browse` for what is refused."""
    if run.data["data_hash"] != store.about["data_hash"]:
        raise DataError(f"{run.name} was recorded on other data ({run.data['source']}) than the store holds")
    if not run.examples:
        raise DataError(f"{run.name} has no predictions in its record; train it anew, or give predictions and rows")
    return np.array(run.examples["rows"]), unpack_masks(run.examples["masks"])


class Browser(Still, ipywidgets.VBox):
    """Filters, a page of slices, and below it the viewer of the one that was chosen; `browse` makes one."""

    def __init__(self, store, rows, predictions, count, zoom, scans=None):
        self.store, self.rows, self.predictions, self.count, self.zoom = store, rows, predictions, count, zoom
        self.scores = slice_scores(store, rows, predictions)
        self.scans = {scan.name: scan for scan in scans or ()}
        self.controls = self._make_controls(store.table.iloc[rows])
        self.subject, self.site, self.size, self.order, self.page = self.controls
        self.grid, self.opened, self.pages = _tiles(self.open_shown), ipywidgets.VBox(), ipywidgets.Label()
        for control in self.controls:
            control.layout = {"width": "220px"}
            control.observe(self.show, "value")
        bar = ipywidgets.HBox([*self.controls, self.pages], layout={"flex_flow": "row wrap"})
        super().__init__([bar, self.grid, self.opened])
        self.show()

    def _make_controls(self, table):
        """The filters, the order and the page."""
        orders = {text: key for text, key in ORDERS.items()
                  if key != "uncertainty" or self.predictions.dtype.kind == "f"}
        return [
            *(ipywidgets.Dropdown(options=["any", *sorted(table[name].unique())], description=name)
              for name in ("subject", "site")),
            ipywidgets.Dropdown(options=list(SIZES), description="lesion"),
            ipywidgets.Dropdown(options=orders, description="worst by"),
            ipywidgets.BoundedIntText(value=1, min=1, description="page"),
        ]

    def show(self, _=None):
        """Fill the page by the filters."""
        chosen = {name: None if box.value == "any" else box.value
                  for name, box in (("subject", self.subject), ("site", self.site))}
        order, dice = worst_first(
            self.store, self.rows, self.scores, **chosen, size=self.size.value, order=self.order.value)
        self.page.max = max(1, -(-len(order) // self.count))
        self.pages.value = f"of {self.page.max}; {len(order)} slices"
        start = (min(self.page.value, self.page.max) - 1) * self.count
        self.shown = order[start : start + self.count]
        self.grid.show([png(self.picture(position)) for position in self.shown],
                       [self.caption(position, dice[position]) for position in self.shown])

    def picture(self, position):
        """The slice with its masks, uint8 (zoom H, zoom W, 3)."""
        row, pred = self.rows[position], self.predictions[position] > 0.5
        return overlay(self.store.images[row], self.store.masks[row], pred, zoom=self.zoom)

    def caption(self, position, dice):
        """Who and where a slice is, how much lesion it shows, and its Dice."""
        row, ml = self.store.table.iloc[self.rows[position]], self.store.pixel_ml
        true, called = (mask.sum() * ml for mask in
                        (self.store.masks[self.rows[position]], self.predictions[position] > 0.5))
        where = f"{row['subject']} {row['session']}, z = {row['z']}"
        return f"{where}\ntrue {true:.1f}, called {called:.1f} ml\nDice {dice:.2f}"

    def open_shown(self, number):
        """Open the scan of the slice of that number on the page."""
        self.open_scan(self.shown[number])

    def open_scan(self, position):
        """Show the scan of a slice in the viewer, at that slice, with the predictions there are."""
        names = self.store.scan_names
        rows = np.flatnonzero(names == names[self.rows[position]])
        stack = np.zeros((len(rows), *self.store.shape), np.float32)
        mine = np.isin(self.rows, rows)
        stack[np.searchsorted(rows, self.rows[mine])] = self.predictions[mine]
        scan = self.scans.get(names[rows[0]])
        viewer = self._slices_viewer(rows, stack) if scan is None else self._full_viewer(scan, rows, stack)
        at = int(np.searchsorted(rows, self.rows[position]))
        at = at if scan is None else int(self.store.table["z"].iloc[self.rows[position]])
        if hasattr(viewer, "slider"):
            viewer.slider.value = at
        else:
            viewer.index = at
        self.opened.children = [viewer]

    def _slices_viewer(self, rows, stack):
        """The viewer of the store's own slices of a scan."""
        stack = stack if self.predictions.dtype.kind == "f" else stack > 0
        image, target, prediction = (np.asarray(part).transpose(2, 1, 0)[:, ::-1] for part in
                                     (self.store.images[rows], self.store.masks[rows], stack))
        return view_volumes(image, target, {"prediction": prediction}, stack_affine(self.store), zoom=5)

    def _full_viewer(self, scan, rows, stack):
        """The viewer of the scan itself, with the predictions enlarged to its voxels."""
        image, target, affine = load_scan(scan)
        large = upsample(stack, self.store.about["scale"])
        heights = self.store.table["z"].to_numpy()[rows]
        nearest = np.abs(heights[:, None] - np.arange(image.shape[2])).argmin(axis=0)  # slices that were left out
        return view_volumes(image, target, {"prediction": large[:, :, nearest]}, affine)

    @property
    def still(self):
        """The first slices shown, side by side, as a PNG."""
        tiles = [self.picture(position) for position in self.shown[:6]]
        return png(np.hstack(tiles)) if tiles else b""


def _tiles(opens):
    """The grid of slices; without anywidget, of pictures with a button below each."""
    try:
        from atlas_lab.widgets.tiles import Tiles
    except ImportError:
        return _PlainTiles(opens)
    return Tiles(opens)


class _PlainTiles(ipywidgets.HBox):
    """Pictures with buttons below them, in place of Tiles."""

    def __init__(self, opens):
        super().__init__(layout={"flex_flow": "row wrap"})
        self.opens = opens

    def show(self, pictures, captions):
        """As Tiles.show."""
        self.children = [self._tile(*tile) for tile in enumerate(zip(pictures, captions, strict=True))]

    def _tile(self, number, tile):
        picture, caption = tile
        button = ipywidgets.Button(description=caption.split("\n")[-1], tooltip=caption, layout={"width": "auto"})
        button.on_click(lambda _: self.opens(number))
        return ipywidgets.VBox([ipywidgets.Image(value=picture, format="png"), button])
