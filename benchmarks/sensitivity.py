"""How much the learning rate and the initialization decide, with and without normalization: the 3 x 100 sigmoid
network and a convolutional one at 1, 5 and 30 times a learning rate, and with their first weights times 0.1, 1 and 10.

    PYTHONPATH=build/release/python .venv/bin/python benchmarks/sensitivity.py --output docs/sensitivity.svg

prints the tables of docs/results.md and draws the validation accuracy over the epochs."""

import argparse

import numpy as np

import normkit

# By network: its normalizations, and the learning rate that is times 1. Instance normalization needs space.
NETWORKS = {
    "mlp": (["none", "batch", "layer", "group:4"], 0.02),
    "small-cnn": (["none", "batch", "layer", "instance", "group:4"], 0.01),
}
RATES, WEIGHTS = (1, 5, 30), (0.1, 1, 10)
CHANCE = 15  # percent: below, of ten classes, nothing was learned
COLOURS = {"none": "#888888", "batch": "#1f77b4", "layer": "#2ca02c", "instance": "#d62728", "group:4": "#9467bd"}


def scaled(data, network, norm, factor):
    """The network before training, what stands in front of its first layers' outputs times the factor."""
    few, _ = data.split(0.9)
    start = normkit.train(few, network, norm=norm, max_epochs=1, solver="sgdm", initial_learn_rate=1e-30, seed=1,
                          verbose="off").network  # fmt: skip
    weights = {name: factor * array for name, array in start.parameters.items() if name.endswith(".weights")}
    return start.with_parameters({name: array.astype(np.float32) for name, array in weights.items()})


def accuracies(arguments, network, norm, rate, factor):
    """Validation accuracy after each epoch, NaN from where the loss is not finite."""
    data, rest = normkit.open_data(arguments.data).split(0.2)
    found = []

    def note(row):
        if row.get("validation_accuracy") is not None:
            found.append(row["validation_accuracy"])

    iterations = -(-len(data) // 60)
    try:
        normkit.train(data, scaled(data, network, norm, factor), validation=rest, on_row=note, solver="sgdm",
                      initial_learn_rate=rate, learn_rate_schedule="none", max_epochs=arguments.epochs,
                      mini_batch_size=60, validation_frequency=iterations, seed=1, verbose="off")  # fmt: skip
    except normkit.DivergedError:
        pass
    return [found[i] if i < len(found) else float("nan") for i in range(arguments.epochs)]


def cell(curve):
    last = curve[-1]
    return "diverged" if np.isnan(last) else f"**{last:.1f}**" if last < CHANCE else f"{last:.1f}"


def panel(curves, x, y, title, epochs):
    """Curves of one network at one setting, 150 x 90."""
    text = f'<text x="{x}" y="{y - 4}" font-size="11">{title}</text>'
    text += f'<rect x="{x}" y="{y}" width="150" height="90" fill="none" stroke="#ccc"/>'
    for norm, curve in curves.items():
        points = [(x + 150 * i / max(1, epochs - 1), y + 90 - 0.9 * value) for i, value in enumerate(curve)
                  if not np.isnan(value)]  # fmt: skip
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        text += f'<polyline points="{line}" fill="none" stroke="{COLOURS[norm]}" stroke-width="1.5"/>'
    return text


def drawn(all_curves, epochs):
    parts = []
    for row, (network, settings) in enumerate(all_curves.items()):
        for column, (title, curves) in enumerate(settings.items()):
            parts.append(panel(curves, 10 + 165 * column, 45 + 120 * row, f"{network}, {title}", epochs))
    legend = "".join(
        f'<text x="{10 + 90 * i}" y="16" font-size="12" fill="{colour}">{norm}</text>'
        for i, (norm, colour) in enumerate(COLOURS.items())
    )
    legend += f'<text x="520" y="16" font-size="12">up: accuracy, 0 to 100 %; right: epochs 1 to {epochs}</text>'
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 270" font-family="sans-serif">'
            f'<rect width="1000" height="270" fill="white"/>{legend}{"".join(parts)}</svg>\n')  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits:1000")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--output", help="an .svg of the curves")
    arguments = parser.parse_args()
    all_curves = {}
    for network, (norms, rate) in NETWORKS.items():
        settings = {f"rate x{times}": (times * rate, 1) for times in RATES}
        settings |= {f"weights x{factor}": (rate, factor) for factor in WEIGHTS}
        del settings["weights x1"]  # which is rate x1
        found = {title: {norm: accuracies(arguments, network, norm, *setting) for norm in norms}
                 for title, setting in settings.items()}  # fmt: skip
        all_curves[network] = found
        print(f"| {network} | " + " | ".join(found) + " |")
        print("|---" * (len(found) + 1) + "|")
        for norm in norms:
            print(f"| {norm} | " + " | ".join(cell(curves[norm]) for curves in found.values()) + " |")
        print(flush=True)
    if arguments.output:
        with open(arguments.output, "w") as file:
            file.write(drawn(all_curves, arguments.epochs))


if __name__ == "__main__":
    main()
