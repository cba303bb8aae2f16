"""Which pictures of each experiment the gallery shows, and the sentence that its result.json answers with."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Caption(NamedTuple):
    """What the gallery shows of an experiment."""

    pictures: tuple[str, ...]
    """Names of files in the run's directory, the most telling first."""
    answer: Callable[[dict[str, Any]], str]
    """Makes the answer, one or two sentences, of what stands in `result.json`."""


def _activations(result: dict[str, Any]) -> str:
    of = result["activations"]
    return (
        f"A sigmoid lets through at most {of['sigmoid']['derivatives'][1]:.2f} of the gradient and, from −6 to 6, "
        f"next to nothing on {of['sigmoid']['share_small']:.0%} of the range; tanh on {of['tanh']['share_small']:.0%}; "
        f"ReLU all of it or, on {of['ReLU']['share_small']:.0%}, none; leaky ReLU is never without."
    )


def _approximation(result: dict[str, Any]) -> str:
    epsilon = min(result["epsilons"])
    least = {name: widths[result["epsilons"].index(epsilon)] for name, widths in result["enough"].items()}
    shown = ", ".join(f"{width or 'none of those tried'} for the {name}" for name, width in least.items())
    return f"To be nowhere further than ε = {epsilon} from a function, so many units are enough: {shown}."


def _architectures(result: dict[str, Any]) -> str:
    size = {row["model"]: f"{row['parameters']:,}" for row in result["networks"]}
    one, two = result["convolutions"][:2]
    return (
        f"They became deeper, not always larger: VGG-16 has {size['vgg16']} parameters, ResNet-152 "
        f"{size['resnet152']}. Of C channels {two['convolutions']} need {two['parameters_over_C2']:g} C² weights "
        f"to see {two['receptive_field']} pixels, {one['convolutions']} needs {one['parameters_over_C2']:g} C²."
    )


def _augmentation(result: dict[str, Any]) -> str:
    shown = [f"{name}: {result['means'][name]:.3f} ± {result['deviations'][name]:.3f}" for name in result["means"]]
    seeds = len(next(iter(result["accuracies"].values())))
    return f"Test accuracy, mean ± deviation over {seeds} seeds: {'; '.join(shown)}."


def _backpropagation(result: dict[str, Any]) -> str:
    checked = sum(result["derivatives_checked_by_finite_differences"].values())
    return (
        "Each operation multiplies the gradient that comes back by its own derivative and hands it on: values stand "
        f"above the wires, gradients below. All were held against `jax.grad`'s, {checked} derivatives of the circuits "
        "against finite differences, too."
    )


def _boundaries(result: dict[str, Any]) -> str:
    of_largest = {name: of[-1] for name, of in zip(result["data"], result["test_accuracy"], strict=True)}
    best = {name: max(zip(of, result["strengths"], strict=True)) for name, of in of_largest.items()}
    shown = [f"{name} {of_largest[name][0]:.2f}, {right:.2f} with λ = {by:g}" for name, (right, by) in best.items()]
    return (
        f"Large, with the right λ: the largest, {result['networks'][-1]} (layers × width), follows the wrong labels if "
        f"nothing keeps it from that. Share of new points right without regularization and with: {'; '.join(shown)}."
    )


def _classify(result: dict[str, Any]) -> str:
    return (
        f"LeNet-5, {result['parameters']:,} parameters, recognizes {result['test_accuracy']:.1%} of the digits that it "
        "has never seen; the matrix says which are taken for which."
    )


def _collapse(result: dict[str, Any]) -> str:
    circles = ", ".join(f"{name} {of['test_accuracy']:.2f}" for name, of in result["circles"].items())
    return (
        f"Nothing: linear networks of up to {max(result['layers'])} layers are one matrix to within "
        f"{max(result['distance_linear']):.0e} of their output; with ReLU no matrix comes nearer than "
        f"{result['distance_relu'][-1]:.2f} of it. Of new points on two circles are right: {circles}."
    )


def _cross_validation(result: dict[str, Any]) -> str:
    shown = [
        f"{words} {result[name]['accuracy']:.3f} ± {result[name]['standard_error']:.3f}"
        for name, words in (("mean_of_the_folds", "folds"), ("holdout", "holdout"), ("test", "test"))
    ]
    agree = "agree" if result["folds_and_holdout_agree"] else "do not agree"
    return f"Accuracy ± standard error: {', '.join(shown)}. Folds and holdout {agree} within two standard errors."


def _detectors(result: dict[str, Any]) -> str:
    falls = {name: of["fall"] for name, of in result["covered"].items()}
    layers = ", ".join(f"{of['of_one_class']:.2f} in {path}" for path, of in result["layers"].items())
    return (
        f"Of a unit's nine strongest images this share is of one class: {layers}; at random it is "
        f"{result['of_one_class_at_random']:.2f}. Covering {result['window']}×{result['window']} pixels lowers the "
        f"class's probability by {falls['any square']:.2f} anywhere, by {falls['saliency']:.2f} where the gradient is "
        f"largest, by {falls['occlusion']:.2f} where occlusion says, and by {falls['Grad-CAM']:.2f} where Grad-CAM "
        "does, whose maps are coarse on such small images."
    )


def _features(result: dict[str, Any]) -> str:
    shown = [f"{name.partition(',')[0]} {of['test_accuracy']:.3f}" for name, of in result["accuracies"].items()]
    return f"Test accuracies of linear classifiers on {', '.join(shown[:-1])}; of a {shown[-1]}."


def _filters(result: dict[str, Any]) -> str:
    noise = {name: of["noise_gain"] for name, of in result["filters"].items()}
    factor = max(result["pools"]["average"], key=int)
    moved = ", ".join(f"{name} {of[factor]['changed_by_a_pixel']:.2f}" for name, of in result["pools"].items())
    return (
        f"Kernels that sum to 0 find edges; smoothing leaves {noise['box']:.2f} of the noise, sharpening multiplies it "
        f"by {noise['sharpen']:.1f}. When the photograph moves by one pixel, pools of {factor}×{factor} change by this "
        f"share of their deviation: {moved}."
    )


def _outliers(result: dict[str, Any]) -> str:
    vote, accuracy = result["found"]["vote"], result["test_accuracy"]
    return (
        f"Of {result['wrong']} wrong labels among {result['samples']} the vote finds {vote['recall']:.1%}, and "
        f"{vote['precision']:.1%} of its suspects are wrong. Without them the test accuracy rises from "
        f"{accuracy['all samples']:.3f} to {accuracy['without suspects of vote']:.3f}; with all labels right it is "
        f"{accuracy['all samples, labels right']:.3f}."
    )


def _overfit(result: dict[str, Any]) -> str:
    if not result["reached"]:
        return f"No: {'; '.join(result['findings'])}."
    return (
        f"Yes: all {len(result['samples'])} samples are right after {result['steps']} steps. The loss begins at "
        f"{result['first_loss']:.2f}; that of a network that knows nothing is {result['chance_loss']:.2f}."
    )


def _random_wiring(result: dict[str, Any]) -> str:
    shown = [f"{name} {of['mean']:.3f} ± {of['deviation']:.3f}" for name, of in result["summary"].items()]
    return (
        f"Test accuracy of networks of about {result['budget']:,} multiply-adds each, mean ± deviation over seeds: "
        f"{', '.join(shown)}."
    )


def _show_augmentation(result: dict[str, Any]) -> str:
    return f"A row for each of {len(result['augmentations'])} augmentations, drawn for each image; last, all at once."


def _transfer(result: dict[str, Any]) -> str:
    shown = []
    for quadrant, ways in result["quadrants"].items():
        way = result["transfer"][quadrant]["way"]
        shown.append(f"{quadrant}: {ways['from scratch']['mean']:.2f} from scratch, {ways[way]['mean']:.2f} by {way!r}")
    return f"Test accuracy, mean over seeds, from scratch and by the way that validation chose: {'; '.join(shown)}."


def _two_layer(result: dict[str, Any]) -> str:
    return (
        f"Yes: the two loss curves differ by at most {result['largest_relative_difference']:.0e} of the loss, which "
        f"falls from {result['first_loss']:,.0f} to {result['last_loss']:.1f}."
    )


def _xor(result: dict[str, Any]) -> str:
    right, tries = result["right_of_4"], result["tries"]
    single = max(right[name]["best"] for name in ("perceptron, XOR", "sigmoid unit, XOR"))
    layers = {name.split(", ")[1]: of["tries_with_all_four"] for name, of in right.items() if "layers" in name}
    shown = ", ".join(f"with {name} units in {count}" for name, count in layers.items())
    return f"No: no single unit gets more than {single} of 4 right. Two layers get all, {shown} of {tries} tries."


CAPTIONS = {
    "activations": Caption(("activations.png",), _activations),
    "approximation": Caption(("error_by_width.png", "functions.png"), _approximation),
    "architectures": Caption(("architectures.png",), _architectures),
    "augmentation": Caption(("accuracies.png", "samples.png"), _augmentation),
    "backpropagation": Caption(("neuron.svg", "network.svg"), _backpropagation),
    "boundaries": Caption(("spirals.png", "moons.png"), _boundaries),
    "classify": Caption(("learning_curve.png", "confusion.png"), _classify),
    "collapse": Caption(("regions.png", "one_matrix.png"), _collapse),
    "cross_validation": Caption(("accuracies.png",), _cross_validation),
    "detectors": Caption(("patches.png", "explanations.png", "classes.png", "covered.png"), _detectors),
    "features": Caption(("accuracies.png", "features.png"), _features),
    "filters": Caption(("responses.png", "strides.png", "pools.png"), _filters),
    "outliers": Caption(("precision_recall.png", "accuracies.png", "suspects.png"), _outliers),
    "overfit": Caption(("scales.png",), _overfit),
    "random_wiring": Caption(("accuracies.png",), _random_wiring),
    "show_augmentation": Caption(("sheet.png",), _show_augmentation),
    "transfer": Caption(("quadrants.png", "samples.png"), _transfer),
    "two_layer": Caption(("loss.png",), _two_layer),
    "xor": Caption(("regions.png",), _xor),
}
"""By the name of the experiment."""
