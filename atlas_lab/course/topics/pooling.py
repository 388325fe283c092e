"""Notebook 06: pooling by hand, forwards and backwards, and differences seed by seed."""

import numpy as np

from atlas_lab import statistics
from atlas_lab.course.exercise import Case, Exercise
from atlas_lab.course.topics.optimisation import interval, mean_interval, scattered

__all__ = ["EXERCISES"]


def _corners(image):
    """The four pixels of each 2 x 2 block, as four pictures of half the size."""
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    image = image[:height, :width]
    return np.stack([image[0::2, 0::2], image[0::2, 1::2], image[1::2, 0::2], image[1::2, 1::2]])


def max_pool(image):
    """The largest of each 2 x 2 block; what is left over at the edge is dropped."""
    rows, columns = image.shape[0] // 2, image.shape[1] // 2
    pooled = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            pooled[row, column] = image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].max()
    return pooled


def average_pool(image):
    """The mean of each 2 x 2 block, by adding four pictures of every other pixel."""
    rows, columns = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    image = image[:rows, :columns]
    return (image[::2, ::2] + image[::2, 1::2] + image[1::2, ::2] + image[1::2, 1::2]) / 4


def max_pool_gradient(image, above):
    """Each block's gradient goes to its largest pixel, of equal ones to the first; the others get nothing."""
    gradient = np.zeros(image.shape)
    for row in range(above.shape[0]):
        for column in range(above.shape[1]):
            block = image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            i, j = np.unravel_index(block.argmax(), block.shape)
            gradient[2 * row + i, 2 * column + j] = above[row, column]
    return gradient


def _image(rng, height, width):
    """Distinct numbers in a random order, some below 0."""
    return (rng.permutation(height * width) - 5.0).reshape(height, width)


def _image_cases(rng):
    return [
        Case("one block", (_image(rng, 2, 2),)),
        Case("blocks beside and below one another", (_image(rng, 4, 6),)),
        Case("numbers below 0", (-1 - np.abs(_image(rng, 4, 4)),)),
        Case("an odd number of rows and columns: the last are dropped", (_image(rng, 5, 7),)),
    ]


def _backward_cases(rng):
    def case(text, height, width, above=None):
        above = _image(rng, height // 2, width // 2) if above is None else above
        return Case(text, (_image(rng, height, width), above))
    return [
        case("one block", 2, 2, np.array([[2.0]])),
        case("blocks beside and below one another", 4, 6),
        case("an odd row and column, which get nothing", 5, 3),
        Case("several pixels of a block are the largest: the first of them, row by row, gets it all", (
            np.hstack([np.zeros((2, 2)), rng.permuted([5.0, 5.0, 1.0, 2.0]).reshape(2, 2), [[1.0, 5.0], [5.0, 2.0]]]),
            _image(rng, 1, 3))),
    ]


def _to_all(image, above, shared=False):
    """Wrong: where several pixels of a block are the largest, each of them gets something."""
    best = image[: 2 * above.shape[0], : 2 * above.shape[1]] == np.kron(max_pool(image), np.ones((2, 2)))
    parts = np.kron(average_pool(best * 4.0) if shared else np.ones(above.shape), np.ones((2, 2)))
    gradient = np.zeros(image.shape)
    gradient[: best.shape[0], : best.shape[1]] = best / parts * np.kron(above, np.ones((2, 2)))
    return gradient


def _padded(pool):
    """Wrong: the odd row and column are kept, in blocks with zeros."""
    def attempt(image):
        return pool(_corners(np.pad(image, [(0, size % 2) for size in image.shape])))
    return attempt


def _sliding(pool):
    """Wrong: blocks that overlap, one for each pixel."""
    def attempt(image):
        blocks = np.lib.stride_tricks.sliding_window_view(image, (2, 2))
        return pool(blocks.reshape(*blocks.shape[:2], 4).transpose(2, 0, 1))
    return attempt


def _reshaped(pool):
    """Wrong: four pixels that follow one another in a row, not two and the two below them."""
    def attempt(image):
        rows, columns = image.shape[0] // 2, image.shape[1] // 2
        return pool(image[: 2 * rows, : 2 * columns].reshape(rows, columns, 4).transpose(2, 0, 1))
    return attempt


def _largest(four):
    return four.max(axis=0)


def _middle(four):
    return four.mean(axis=0)


def _spread(image, above, share=0.25):
    gradient = np.zeros(image.shape)
    gradient[: 2 * above.shape[0], : 2 * above.shape[1]] = share * np.kron(above, np.ones((2, 2)))
    return gradient


def _to_the(where):
    """Wrong: the gradient goes to another pixel of each block."""
    def attempt(image, above):
        return max_pool_gradient(where(image), above)
    return attempt


def _to_the_last(image, above):
    """Wrong: of equal pixels the last, row by row, which is the first from the other end."""
    gradient, (height, width) = np.zeros(image.shape), (2 * size for size in above.shape)
    turned = max_pool_gradient(image[:height, :width][::-1, ::-1], above[::-1, ::-1])
    gradient[:height, :width] = turned[::-1, ::-1]
    return gradient


def paired_interval(ones, others):
    """The interval of the differences, pair by pair."""
    return mean_interval(np.array(ones) - np.array(others))


def _pair_cases(rng):
    first = scattered(rng, 5)
    second = (np.array(first) - 0.03 + rng.normal(0, 0.01, 5)).round(3).tolist()
    return [
        Case("good seeds are good in both", (first, second)),
        Case("three pairs", (scattered(rng, 3), scattered(rng, 3))),
        Case("the second is higher", (scattered(rng, 6), scattered(rng, 6, 0.5))),
    ]


def _unpaired(ones, others):
    """Wrong: as if the seeds had nothing to do with one another."""
    from scipy import stats

    found = stats.ttest_ind(ones, others).confidence_interval()
    return np.mean(ones) - np.mean(others), found.low, found.high


BY_ROWS = "a reshape to (H // 2, W // 2, 4) cuts rows, not blocks: make it (H // 2, 2, W // 2, 2)"
EXERCISES = (
    Exercise(
        "max_pool", "06", "max pooling by hand", 3, 4, max_pool, _image_cases, {
            "the mean, not the largest": average_pool,
            "the smallest, not the largest": lambda image: _corners(image).min(axis=0),
            "a corner of each block, not its largest": lambda image: _corners(image)[0],
            "the blocks overlap: go on by 2 pixels, not by 1": _sliding(_largest),
            BY_ROWS: _reshaped(_largest),
            "the odd row or column is kept": _padded(_largest),
            "starts from 0, so numbers below 0 are lost": lambda image: np.maximum(_corners(image).max(axis=0), 0),
        }),
    Exercise(
        "average_pool", "06", "average pooling by hand", 2, 4, average_pool, _image_cases, {
            "the largest, not the mean": max_pool,
            "a sum: divide by 4": lambda image: _corners(image).sum(axis=0),
            "divided by 2, not by 4": lambda image: _corners(image).sum(axis=0) / 2,
            "a corner of each block, not its mean": lambda image: _corners(image)[0],
            "the blocks overlap: go on by 2 pixels, not by 1": _sliding(_middle),
            BY_ROWS: _reshaped(_middle),
            "the odd row or column is kept": _padded(_middle),
            "whole numbers: the rest of the division is lost": lambda image: _corners(image).sum(axis=0) // 4,
        }),
    Exercise(
        "max_pool_gradient", "06", "what goes back", 4, 3, max_pool_gradient, _backward_cases, {
            "a quarter to each pixel, as in average pooling": _spread,
            "all of it to each pixel of the block": lambda image, above: _spread(image, above, 1.0),
            "to the smallest pixel of the block": _to_the(lambda image: -image),
            "to the first pixel of the block": _to_the(np.zeros_like),
            "all of it to each of several largest pixels: the first alone gets it": _to_all,
            "of several largest pixels the first column by column: row by row is asked":
                lambda image, above: max_pool_gradient(image.T, above.T).T,
            "the last of several largest pixels: the first, row by row, gets it": _to_the_last,
            "shared by several largest pixels: the first alone gets it": lambda *both: _to_all(*both, shared=True),
            "1 for the largest pixel, whatever comes from above":
                lambda image, above: max_pool_gradient(image, np.ones_like(above)),
            "the size of the pooled picture, not of the picture": lambda image, above: above,
        }),
    Exercise(
        "paired_interval", "06", "pair by pair", 2, 5, paired_interval, _pair_cases, {
            "others - ones: the sign is turned": lambda a, b: mean_interval(np.subtract(b, a)),
            "the two intervals are subtracted":
                lambda a, b: tuple(np.subtract(mean_interval(a), mean_interval(b))),
            "the pairs are torn apart: an interval of two groups": _unpaired,
            "the mean difference alone": lambda a, b: np.mean(a) - np.mean(b),
            "the sizes of the differences, without their signs": lambda a, b: mean_interval(np.abs(np.subtract(a, b))),
            "the normal distribution, not Student's t": lambda a, b: interval("normal")(np.subtract(a, b)),
        }, library=statistics.paired_interval),
)
