"""The embedded data set: 1,797 handwritten digits of 8×8 pixels that scikit-learn carries. Nothing is downloaded."""

from typing import Any

import numpy as np

from fnn.data.split import Split


def load_digits() -> Split:
    """Returns all digits as one split.

    The pixels have 17 grey levels, 0 to 16, which are spread here over 0 to 255.

    Reference: Alpaydin & Kaynak 1998, "Optical recognition of handwritten digits", UCI machine learning repository.
    """
    from sklearn import datasets  # takes seconds: only who asks for digits waits for it

    digits: Any = datasets.load_digits()
    images = np.rint(digits["images"] * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    labels = digits["target"].astype(np.int32)
    return Split(images, labels, tuple(str(name) for name in digits["target_names"]), "scikit-learn's digits")
