"""The runs that say how Dice grows with the resolution and with the people; they are made after those of the study."""

from atlas_lab.config import PROFILES
from atlas_lab.paper.ablations import Sweep

__all__ = ["EPOCHS", "SCALING"]

SCALES = (8, 6, 4, 3, 2)    # mm a pixel; the paper's is 1
PEOPLE = (15, 30, 60, 120)  # and all 220, whom the study's own rows have
EPOCHS = 10                 # of all people, or as many updates on fewer: so many are compared

# Weight 10 for the figure, weight 100 for what it lets expect of the full-size runs as written.
SCALING = {
    **{f"resolution_{scale}": Sweep(("weight 10",), epochs=EPOCHS, seeds=3, scale=scale) for scale in SCALES},
    **{f"as_written_{scale}": Sweep(("baseline",), ("slice",), EPOCHS, seeds=3, scale=scale) for scale in SCALES},
    **{f"people_{count}": Sweep(("weight 10",), epochs=round(EPOCHS * PROFILES["study"].n_subjects / count), seeds=3,
                                people=count) for count in PEOPLE},
}
