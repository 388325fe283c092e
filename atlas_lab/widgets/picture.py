"""What the viewer shows as an array, for the picture that a notebook keeps and for pictures and films in files."""

import numpy as np

from atlas_lab.plots.overlay import overlay, overlay_errors

__all__ = ["cut", "draw_plane", "gif", "labelled"]

ACROSS_DOWN = ((0, 1), (0, 2), (1, 2))  # axes of the axial, coronal and sagittal plane
LETTERS = ("LR", "PA", "IS")            # towards voxel 0 of each axis, and away from it


def cut(volume, plane, index, mirrored=False):
    """A slice as it is seen: rows from the top (front or head) down; axial 0, coronal 1, sagittal 2."""
    slices = np.take(volume, index, axis=2 - plane).T[::-1]
    return slices[:, ::-1] if mirrored and plane < 2 else slices


def draw_plane(grey, target, levels, spacing, plane, index, zoom=2.0, threshold=0.5, show="masks", opacity=0.5,
               window=(0, 255), mirrored=False, line=2):
    """One plane in its true shape, as uint8 (height, width, 3).

    Parameters
    ----------
    grey : uint8 array (X, Y, Z)
        The image as `to_grey` gives it.
    target : bool array or None
    levels : uint8 array or None
        The prediction, as `to_levels` gives it.
    spacing : three float
        Lengths of a voxel's sides.
    zoom : float
        Pixels per voxel along the finest of the three axes.
    show : "masks" or "errors"
    window : two levels of `grey`
        Shown as black and white.
    """
    low, high = window
    image = np.clip((cut(grey, plane, index, mirrored) - np.float32(low)) / max(high - low, 1e-6), 0, 1)
    target = None if target is None else cut(target, plane, index, mirrored)
    pred = None if levels is None else cut(levels, plane, index, mirrored) > threshold * 255
    rows, columns = _sampling(grey.shape, spacing, plane, zoom)
    image, target, pred = (part if part is None else part[rows][:, columns] for part in (image, target, pred))
    if show == "errors" and target is not None and pred is not None:
        return overlay_errors(image, target, pred, opacity)
    return overlay(image, target, pred, opacity, line=line, halo=1)


def _sampling(shape, spacing, plane, zoom):
    """For each row and column of a picture, the row and column of the slice that it shows."""
    across, down = ACROSS_DOWN[plane]
    found = []
    for axis in (down, across):
        pixels = max(1, round(shape[axis] * spacing[axis] / min(spacing) * zoom))
        found.append(((np.arange(pixels) + 0.5) * shape[axis] / pixels).astype(int))
    return found


def labelled(picture, plane, mirrored=False):
    """The picture with the letters of its sides."""
    from PIL import Image, ImageDraw

    across, down = ACROSS_DOWN[plane]
    sides = LETTERS[across][::-1] if mirrored and plane < 2 else LETTERS[across]
    image = Image.fromarray(picture)
    pen, (width, height) = ImageDraw.Draw(image), image.size
    places = ((8, height / 2), (width - 8, height / 2), (width / 2, height - 8), (width / 2, 8))
    for letter, place in zip(sides + LETTERS[down], places, strict=True):
        pen.text(place, letter, fill="white", anchor="mm", stroke_width=1, stroke_fill="black")
    return np.asarray(image)


def gif(pictures, seconds=0.08):
    """Pictures of one size as the bytes of a GIF that runs on and on."""
    import io

    from PIL import Image

    from atlas_lab.plots.style import few_colours

    frames = [few_colours(Image.fromarray(picture), 128) for picture in pictures]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=round(1000 * seconds), loop=0)
    return buffer.getvalue()
