"""From a configuration to arrays with a network on them: open targets, size emulators, place and start layers."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from hwctl.crossbar import Crossbar
from hwctl.crossbar.known import device_of
from hwctl.crossbar.pulsebudget import demand_budget
from hwctl.devices.chipfile import stamp
from hwctl.devices.knownchip import KnownChip, load_known
from hwctl.devices.presetfile import file_of, is_path, load_named, pinned
from hwctl.devices.steps import StepModel
from hwctl.errors import BadInput, DeviceError, RunError
from hwctl.links.target import TWINS, Target
from hwctl.links.watched import Wrap
from hwctl.programming.weights import shifted
from hwctl.training import optimizers, schedules, tasks
from hwctl.training.config import TrainConfig
from hwctl.training.ensemble import Copies
from hwctl.training.mapping import PairedLayer
from hwctl.training.moves import Mover
from hwctl.training.pairs import POLICIES
from hwctl.training.placement import place, whole_size
from hwctl.training.tasks.dataset import Dataset

Floats = NDArray[np.float64]

PROGRAMMING_ROUNDS = 2  # of pulses and a reading each: the start need not be exact


def layer_sizes(config: TrainConfig) -> tuple[int, ...]:
    """Return the numbers of neurons, input to output."""
    task = tasks.get(config.task)
    hidden = task.hidden if config.hidden is None else config.hidden
    return task.features, *hidden, task.classes


def matrix_shapes(sizes: Sequence[int], replicas: int = 1, spare: int = 0) -> list[tuple[int, int]]:
    """Return rows and columns of each copy's device matrix: a bias row, two columns an output, and spare ones."""
    shapes = [(inputs + 1 + spare, 2 * (outputs + spare)) for inputs, outputs in pairwise(sizes)]
    return [shape for shape in shapes for _ in range(replicas)]


def _all_shapes(config: TrainConfig) -> list[tuple[int, int]]:
    """Return the device matrices of all layers, and again for each further array of the schedule."""
    shapes = matrix_shapes(layer_sizes(config), config.replicas, config.spare)
    return shapes * schedules.get(config.schedule).arrays


def resolve(config: TrainConfig) -> TrainConfig:
    """Return the configuration with all that is left to us decided, so that it can be run again.

    A single emulator without a geometry gets the network's size, one without a seed the run's; preset files and
    records of chips are pinned to what they hold now. Raises BadInput.
    """
    shapes = _all_shapes(config)
    targets = [
        _sized(url, shapes, config.seed + n, alone=len(config.targets) == 1) for n, url in enumerate(config.targets)
    ]
    stamps, chip = tuple(map(_stamp, targets)), _chip(config)
    task = tasks.get(config.task)
    rate = task.rate if config.optimizer == "momentum" else optimizers.get(config.optimizer).default_rate
    return replace(
        config,
        targets=tuple(targets),
        records=stamps if any(stamps) else (),
        chip=chip,
        device=chip or (pinned(config.device) if config.device and is_path(config.device) else config.device),
        hidden=layer_sizes(config)[1:-1],
        activation=config.activation or task.activation,
        largest_weight=largest_weight(config),
        epochs=config.epochs or task.epochs,
        batch=config.batch or task.batch,
        rate=rate if config.rate is None else config.rate,
        data_dir=str(Path(config.data_dir).resolve()) if config.data_dir else None,
    )


def _sized(url: str, shapes: Sequence[tuple[int, int]], seed: int, *, alone: bool) -> str:
    target = Target.parse(url)
    if target.record is not None:  # found from anywhere
        url = f"{target.scheme}:{target.record.resolve()}{url.removeprefix(f'{target.scheme}:{target.path}')}"
        target = Target.parse(url)
    if target.scheme != "emulator":
        return url
    if is_path(target.options.get("device", "")):
        options = target.options | {"device": pinned(target.options["device"])}
        url = f"{target.scheme}:{target.path}?{urlencode(options, safe='/@:,')}"
    added = []
    if alone and not target.path and not {"rows", "cols"} & set(target.options):
        rows, cols = whole_size(shapes)
        added += [f"rows={rows}", f"cols={cols}"]
    if "seed" not in target.options:
        added.append(f"seed={seed}")
    if not added:
        return url
    return url + ("&" if target.options else "" if url.endswith("?") else "?") + "&".join(added)


def _stamp(url: str) -> str:
    """Return what the record of a target is, "" where it has none. Raises DeviceError where the file is no record."""
    record = Target.parse(url).record
    return "" if record is None else stamp(record)


def known_chip(config: TrainConfig) -> KnownChip | None:
    """Return what the record of the run's chip says, if there is one. Raises DeviceError where it has changed."""
    if config.chip is None:
        return None
    load_named(config.chip)
    return load_known(file_of(config.chip))


def _chip(config: TrainConfig) -> str | None:
    """Return the record of the run's chip, pinned to what it holds. Raises BadInput, and DeviceError where it is none.

    A record is of one array.
    """
    if config.chip is None:
        return None
    if len(config.targets) > 1:
        raise BadInput(f"--chip is the record of one array, the run is on {len(config.targets)}; give one --target")
    load_known(file_of(config.chip))
    chip = pinned(config.chip)
    if config.device not in (None, chip):
        raise BadInput("--chip says what its cells are; leave --device out")
    return chip


def check_records(config: TrainConfig) -> None:
    """Raise RunError where the record of a target is another one than the run began with.

    A board that is no emulator here, as where it is served, does not say what it was made of. Raises DeviceError where
    the record of the chip (`TrainConfig.chip`) has changed.
    """
    if config.chip is not None:
        load_named(config.chip)
    for url, known in zip(config.targets, config.records, strict=False):
        if Target.parse(url).scheme not in TWINS:
            continue
        found = _stamp(url)
        if found != known:
            raise RunError(
                f"target '{url}' is {found or 'no digital twin'}, and the run began on {known or 'no digital twin'}; "
                "restore the record, or start a new run"
            )


def largest_weight(config: TrainConfig) -> float:
    """Return the weight of a differential pair at its bounds."""
    return config.largest_weight or tasks.get(config.task).largest_weight


def load_data(config: TrainConfig) -> Dataset:
    """Return the task's data, split by the run's seed. Raises TaskError."""
    data = tasks.get(config.task).load(config.seed, Path(config.data_dir) if config.data_dir else None)
    return data.keeping_back(config.validation, config.seed) if config.validation else data


def open_crossbars(config: TrainConfig, wraps: Sequence[Wrap] = ()) -> list[Crossbar]:
    """Open every target, with `wraps` around each link.

    Raises TargetError, BadInput where a physical array has no pulse budget, and RunError where a twin's record has
    changed; what was opened before is closed.
    """
    check_records(config)
    with ExitStack() as opened:
        crossbars = [
            opened.enter_context(Crossbar.open(url, stream_seed=config.seed, wraps=wraps)) for url in config.targets
        ]
        for crossbar in crossbars:
            demand_budget(crossbar, config.pulse_budget, "--pulse-budget")
        opened.pop_all()  # all of them are open: the caller closes them
    return crossbars


def step_model(crossbars: Sequence[Crossbar], device: str | None = None) -> StepModel:
    """Return the step curves of the arrays' device, or of a given preset or preset file.

    Raises RunError where the arrays differ or their device is not known.
    """
    names = {crossbar.identity.device for crossbar in crossbars}
    if len(names) > 1:
        raise RunError(f"the targets have different devices: {', '.join(sorted(names))}; use arrays of one kind")
    try:
        return StepModel.of(device_of(crossbars[0], device))
    except DeviceError as error:
        raise RunError(f"no step curves for the target's device: {error}") from None


def build(config: TrainConfig, crossbars: Sequence[Crossbar], model: StepModel) -> list[Mover]:
    """Place the network's layers on the arrays, the copies of one after another; those of a second array after them.

    With a record of the chip, `model` is the record's. Raises LimitError where they do not fit, RunError on a policy,
    and as `KnownChip.at`.
    """
    known = known_chip(config)
    model = model if known is None else known.model
    policy = config.policy or ("set-only" if model.one_way else "bidirectional")
    if policy not in POLICIES:
        raise RunError(f"no pair policy '{policy}'; known: {', '.join(POLICIES)}")
    if model.one_way and policy != "set-only":
        raise RunError(f"policy '{policy}' lowers conductances step by step, which this device cannot; use set-only")
    k = config.siemens_per_weight or (model.g_max - model.g_min) / largest_weight(config)
    placed = place(_all_shapes(config), [(crossbar.rows, crossbar.cols) for crossbar in crossbars])
    weights = (len(layer_sizes(config)) - 1) * config.replicas
    return [
        Mover(
            PairedLayer(tiles, crossbars, model, k, known),
            policy if n < weights else "bidirectional",
            reread_share=config.reread_share,
            averages=config.averages,
            pulse_budget=config.pulse_budget,
        )
        for n, tiles in enumerate(placed)
    ]


def start_weights(config: TrainConfig, copies: Copies, inputs: Floats) -> None:
    """Bring every layer to where training starts: drawn weights, or as fabricated, which is read once.

    Copies of a layer start with the same weights. Where lines are to be assigned anew, it is done once programming has
    found the stuck cells. inputs: those of the training part (rows, features + 1), the bias input last.
    """
    if config.start == "fabricated":
        for mover in copies.movers:
            mover.layer.read(config.averages)
        return
    rng = np.random.default_rng([config.seed, 2])
    for layer, numbers in enumerate(copies.of_layers()):
        shape = copies.layers[numbers[0]].rows, copies.layers[numbers[0]].outputs
        # Glorot and Bengio, AISTATS 2010, equation 16
        bound = min(np.sqrt(6.0 / sum(shape)), largest_weight(config) / 2)
        weights = rng.uniform(-bound, bound, shape)
        for n in numbers:
            mover = copies.movers[n]
            mover.program(start_targets(mover, copies.placed(n, weights)), PROGRAMMING_ROUNDS)
            if config.remap:
                importance = (inputs**2).mean(axis=0) if layer == 0 else np.ones(shape[0])
                moved = copies.mapped[n].remap(mover, importance)
                mover.program(start_targets(mover, copies.placed(n, weights)), PROGRAMMING_ROUNDS, moved)


def start_targets(mover: Mover, weights: Floats) -> Floats:
    """Return conductances (rows, lines) in S that hold weights (inputs + 1, outputs) under the pair policy.

    Where each cell is known, pairs are shifted into its bounds, and the partner of a stuck cell makes up for it.
    """
    layer, model = mover.layer, mover.layer.model
    difference = weights * layer.k
    targets = np.empty((layer.rows, layer.lines))
    middle = (model.g_min + model.g_max) / 2
    if mover.policy == "set-only":
        targets[:, 0::2] = model.g_min + np.maximum(difference, 0.0)
        targets[:, 1::2] = model.g_min + np.maximum(-difference, 0.0)
    elif mover.policy == "fixed-reference":
        reference = middle if model.symmetry_point is None else model.symmetry_point
        targets[:, 0::2] = np.clip(reference + difference, model.g_min, model.g_max)
        targets[:, 1::2] = reference
    else:
        targets[:, 0::2] = middle + difference / 2
        targets[:, 1::2] = middle - difference / 2
    if layer.bounds is None:
        return targets
    return shifted(targets[:, 0::2], difference, layer.bounds)
