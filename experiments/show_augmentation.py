r"""Draw what augmentation does to images: one sheet, one row for each augmentation.

Question: which changes does each augmentation make, and can one still tell what the image shows?

  python -m experiments.show_augmentation                               # every augmentation, on handwritten digits
  python -m experiments.show_augmentation --augment=rotation=30,noise=0.2,mixup=0.4 --seed=1

The first row shows the originals, each row after it the same images under one augmentation alone, the last row the
whole chain, as training would see them. A mixed image has under it its classes and their shares. Writes into the
working directory:

  sheet.png    the sheet
  result.json  data set, every flag, the names and strengths in the order in which they act, seconds

Expect the class to be visible in every row but the last: all at once is more than any training wants. Look for
strengths that leave no doubt what an image shows; `python -m experiments.classify` says whether they help.

Reference: Simard, Steinkraus & Platt 2003, "Best practices for convolutional neural networks applied to visual document
analysis"; DeVries & Taylor 2017, arXiv 1708.04552 (cutout); Zhang et al. 2017, arXiv 1710.09412 (mixup); Yun et al.
2019, arXiv 1905.04899 (cutmix).
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

import fnn
from experiments import command, dataset
from experiments.command import FlagError
from fnn import analysis, data, train
from fnn.data import augment

ALL = (
    "flip=0.5,crop=1,rotation=20,translation=0.15,scale=0.25,shear=20,elastic=25,brightness=0.3,contrast=0.5,"
    "saturation=0.8,noise=0.15,cutout=3,mixup=0.5,cutmix=1"
)

flags.adopt_module_key_flags(dataset)
AUGMENT = flags.DEFINE_string(
    "augment", None, "Names and strengths, such as flip=0.5,crop=4; by default every augmentation that fits."
)
SAMPLES = flags.DEFINE_integer("samples", 10, "How many images a row shows.", lower_bound=2, upper_bound=30)
SEED = flags.DEFINE_integer(
    "seed", 0, "Of the choice of images and of what is drawn.", lower_bound=0, upper_bound=2**32 - 1
)
WORKDIR = flags.DEFINE_string("workdir", None, "Where results go; runs/augmentation-DATASET-seedSEED by default.")


def main() -> None:
    """Draws the sheet."""
    start = time.perf_counter()
    split = dataset.load_splits().train
    text = AUGMENT.value if AUGMENT.value is not None else default_chain(split)
    try:
        whole = augment.from_flag(text)
    except ValueError as error:
        raise FlagError(f"--augment: {error}") from error
    parts = sorted((part.strip() for part in text.split(",")), key=lambda part: order(part, whole))
    chains = {part: chain for part in parts if (chain := augment.from_flag(part)).names}
    if len(chains) > 1:
        chains["all of these"] = whole

    chosen = np.random.default_rng(SEED.value).permutation(len(split))[: SAMPLES.value]
    images, labels = split.read(chosen), split.labels[chosen]
    changes = {name: jax.jit(augment.for_bytes(chain, len(split.class_names))) for name, chain in chains.items()}
    given = jax.random.key(SEED.value), jnp.asarray(images), jnp.asarray(labels)
    for name, change in changes.items():
        try:
            jax.eval_shape(change, *given)
        except ValueError as error:
            raise FlagError(f"--augment={name}: {error}") from error
    workdir = command.make_workdir(WORKDIR.value or f"runs/augmentation-{dataset.name_of_dataset()}-seed{SEED.value}")
    rows = [analysis.SheetRow("original", images / np.float32(255), [split.class_names[label] for label in labels])]
    for name, chain in chains.items():
        changed, targets = changes[name](*given)
        words = describe(np.asarray(targets), split.class_names) if chain.mixes else None
        rows.append(analysis.SheetRow(name, np.asarray(changed), words))
    title = f"{dataset.name_of_dataset()} under augmentation, seed {SEED.value}"
    analysis.draw_sheet(rows, workdir / "sheet.png", title)
    result = {
        "dataset": dataset.DATASET.value,
        "seed": SEED.value,
        "augmentations": list(whole.names),
        "rows": [row.label for row in rows],
        "seconds": round(time.perf_counter() - start, 2),
        "flags": command.flags_of(__name__, dataset),
        "versions": {"fnn": fnn.__version__, "jax": jax.__version__},
        "device": jax.devices()[0].device_kind,
    }
    train.write_result(workdir / "result.json", result)
    print(f"{split.source}: {len(rows)} rows of {len(labels)} images in {workdir / 'sheet.png'}")


def default_chain(split: data.Split | data.Streamed) -> str:
    """Returns all augmentations that images of this kind can take."""
    colour = split.image_shape[-1] == 3
    return ",".join(part for part in ALL.split(",") if colour or not part.startswith("saturation"))


def order(part: str, whole: augment.Augmentation) -> int:
    """Says at which place the augmentation written `name=strength` acts; those of strength 0 act last."""
    name = part.partition("=")[0].strip()
    return whole.names.index(name) if name in whole.names else len(whole.names)


def describe(targets: np.ndarray, class_names: tuple[str, ...]) -> list[str]:
    """Says in words what each row of weights is made of: `"7"`, or a line for each class, `"7: 60 %"`."""
    words = []
    for weights in targets:
        present = [label for label in np.argsort(-weights, kind="stable") if round(100 * weights[label]) > 0]
        shares = [f"{class_names[label]}: {100 * weights[label]:.0f} %" for label in present]
        words.append(class_names[present[0]] if len(present) == 1 else "\n".join(shares))
    return words


if __name__ == "__main__":
    command.run(main)
