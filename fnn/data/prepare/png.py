"""Images as PNG, which TFDS stores."""

import io

import numpy as np


def encode_png(image: np.ndarray) -> bytes:
    """Encodes one image without loss; TFDS would ask TensorFlow to.

    Args:
      image: `(height, width, 1)` or `(height, width, 3)`, uint8.
    """
    from PIL import Image  # late: importing fnn stays light

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else np.ascontiguousarray(image)).save(file, "PNG")
    return file.getvalue()
