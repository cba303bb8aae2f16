"""Published networks in the layers of fnn, for the figures that papers and torchvision publish of them."""

import fnn


def alexnet() -> fnn.Layer:
    """In one tower, as torchvision has it."""
    return fnn.serial(
        fnn.Conv(64, 11, strides=4, padding=2), fnn.Relu, fnn.MaxPool(3, strides=2),
        fnn.Conv(192, 5, padding=2), fnn.Relu, fnn.MaxPool(3, strides=2),
        fnn.Conv(384, 3), fnn.Relu, fnn.Conv(256, 3), fnn.Relu, fnn.Conv(256, 3), fnn.Relu, fnn.MaxPool(3, strides=2),
        fnn.Flatten, fnn.Dense(4096), fnn.Relu, fnn.Dense(4096), fnn.Relu, fnn.Dense(1000),
    )  # fmt: skip


def vgg16() -> fnn.Layer:
    blocks = {
        f"block{i}": fnn.serial(*[fnn.Conv(features, 3), fnn.Relu] * times, fnn.MaxPool(2))
        for i, (times, features) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), start=1)
    }
    return fnn.serial(**blocks, flat=fnn.Flatten, fc1=fnn.Dense(4096), fc2=fnn.Dense(4096), fc3=fnn.Dense(1000))


def resnet(blocks: tuple[int, ...], stride_in_first: bool = False) -> fnn.Layer:
    """With bottlenecks: the stride in the 3×3, as torchvision has it, or in the first 1×1, as the paper."""
    stem = fnn.serial(*_conv(64, 7, 2), fnn.Relu, fnn.MaxPool(3, strides=2, padding=1))
    stages = {
        f"stage{i + 1}": fnn.serial(
            *[_bottleneck(64 * 2**i, 2 if i and not j else 1, j == 0, stride_in_first) for j in range(times)]
        )
        for i, times in enumerate(blocks)
    }
    return fnn.serial(stem=stem, **stages, pool=fnn.GlobalAvgPool, head=fnn.Dense(1000))


def _conv(features: int, kernel: int, strides: int = 1) -> list[fnn.Layer]:
    return [fnn.Conv(features, kernel, strides=strides, padding=kernel // 2, bias=False), fnn.BatchNorm()]


def _bottleneck(width: int, strides: int, projects: bool, stride_in_first: bool) -> fnn.Layer:
    first, second = (strides, 1) if stride_in_first else (1, strides)
    body = [*_conv(width, 1, first), fnn.Relu, *_conv(width, 3, second), fnn.Relu, *_conv(4 * width, 1)]
    shortcut = fnn.serial(*_conv(4 * width, 1, strides)) if projects else fnn.Identity
    return fnn.serial(fnn.residual(fnn.serial(*body), shortcut), fnn.Relu)


def googlenet() -> fnn.Layer:
    """As torchvision has it: BatchNorm, 3×3 in place of 5×5, pools that look at the last pixel, no auxiliary heads."""
    pool = fnn.MaxPool(3, strides=2, padding=((0, 1), (0, 1)))
    inception = [
        [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)],
        [(192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
         (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128)],
        [(256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)],
    ]  # fmt: skip
    stem = [*_conv(64, 7, 2), fnn.Relu, pool, *_conv(64, 1), fnn.Relu, *_conv(192, 3), fnn.Relu, pool]
    three, four, five = ([_inception(*widths) for widths in block] for block in inception)
    small = fnn.MaxPool(2)
    return fnn.serial(*stem, *three, pool, *four, small, *five, fnn.GlobalAvgPool, fnn.Dense(1000))


def _inception(one: int, before3: int, three: int, before5: int, five: int, after_pool: int) -> fnn.Layer:
    def path(*layers: fnn.Layer) -> fnn.Layer:
        return fnn.serial(*layers, fnn.Relu)

    return fnn.branch(
        path(*_conv(one, 1)),
        path(*_conv(before3, 1), fnn.Relu, *_conv(three, 3)),
        path(*_conv(before5, 1), fnn.Relu, *_conv(five, 3)),
        path(fnn.MaxPool(3, strides=1, padding=1), *_conv(after_pool, 1)),
    )
