"""What is done to a network's answers: options of `predict` and `score` that stand in for what its file says."""

import argparse

__all__ = ["add_processing", "with_processing"]


def add_processing(sub):
    """Add the options to a command."""
    sub.add_argument("--mirrored", action=argparse.BooleanOptionalAction, help="ask the scan's mirror image too, and "
                     "take the mean, in twice the time (default: as the network's file says)")
    sub.add_argument("--threshold", type=float, metavar="P", help="the network's least probability for lesion, between "
                     "0 and 1 (default: as its file says)")
    sub.add_argument("--smallest-ml", type=float, metavar="ML", help="leave out pieces of fewer millilitres; 0 keeps "
                     "all (default: as its file says)")


def with_processing(saved, options):
    """The saved network with the options in place of what its file says. Raises DataError for a value that is none."""
    from atlas_lab.experiment.post_processing import PostProcessing, check_processing

    given = {name: getattr(options, name) for name in PostProcessing._fields}
    way = saved.processing._replace(**{name: value for name, value in given.items() if value is not None})
    check_processing(way)
    return saved._replace(processing=way)
