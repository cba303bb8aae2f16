"""PyTorch's weights, read and written without PyTorch.

params, state = load(fnn.models.resnet(50), "resnet50.safetensors")
"""

from fnn.interop.torch.compare import Difference, first_difference
from fnn.interop.torch.convert import export, load
from fnn.interop.torch.names import torchvision_names

__all__ = ["Difference", "export", "first_difference", "load", "torchvision_names"]
