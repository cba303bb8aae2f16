"""Data sets that lie in files of one's own: IDX, CIFAR's binary files, NumPy's arrays, folders of images.

Whatever is read here is somebody else's bytes. Sizes in headers are compared with the file before anything is
allocated, archives are read member by member and never extracted, images are opened by an allowed format with a pixel
limit, and nothing is ever unpickled.

folder ──open_folder (recognise.py)──> idx | cifar | arrays | images ──make_source (labelled.py)──> Source
"""

from fnn.data.files.idx import read_idx
from fnn.data.files.recognise import open_folder

__all__ = ["open_folder", "read_idx"]
