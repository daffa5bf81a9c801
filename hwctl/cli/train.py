"""`hwctl train`: train a task on one or more arrays."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from hwctl.cli.output import Json, emulator_of, write_json
from hwctl.cli.watch import LogPulses, Record, watching
from hwctl.errors import BadInput, Interrupted, LinkClosed, LinkError, LinkTimeout, SessionLost
from hwctl.packages import need

if TYPE_CHECKING:
    from hwctl.links.watched import Wrap
    from hwctl.training.config import TrainConfig
    from hwctl.training.runfolder import RunFolder
    from hwctl.training.trainer import Trainer

OPTIMIZERS = "sgd, momentum, adagrad, rmsprop, adam, momentum-adaptive, momentum-global-rate"
SCHEDULES = "accumulate, cell, outer, sign, verify"
POLICIES = "bidirectional, set-only, fixed-reference"


def train(
    task: Annotated[str | None, typer.Argument(help="wbc, iris, wine or mnist; 'hwctl tasks' lists them.")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target", "-t", metavar="URL", help="Board; repeat it for a network on several. Default emulator:"
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Preset, or path of a preset file: the emulator's device; with --target, that of the array's cells."
        ),
    ] = None,
    chip: Annotated[
        Path | None,
        typer.Option(
            "--chip",
            metavar="FILE.h5",
            help="Record of the chip: train with what it says of each cell: its steps, its range, and if it is stuck.",
        ),
    ] = None,
    hidden: Annotated[str | None, typer.Option(metavar="SIZES", help="Hidden layers, for example 100,50.")] = None,
    activation: Annotated[str | None, typer.Option(help="sigmoid, tanh or relu.")] = None,
    loss: Annotated[str, typer.Option(help="cross-entropy or mse.")] = "cross-entropy",
    optimizer: Annotated[str, typer.Option(help=f"{OPTIMIZERS}.")] = "momentum",
    rate: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    final_rate: Annotated[float, typer.Option(help="Share of the rate left at the end; it falls linearly.")] = 0.05,
    momentum: Annotated[float, typer.Option(help="Decay of the momentum.")] = 0.9,
    decay: Annotated[float, typer.Option(help="Decay of the mean square gradient.")] = 0.999,
    schedule: Annotated[str, typer.Option(help=f"{SCHEDULES}.")] = "accumulate",
    fire_threshold: Annotated[
        float | None,
        typer.Option(
            help="Pulses due before 'accumulate' touches a weight.",
            show_default="10, or what a tenth of the range takes",
        ),
    ] = None,
    replay: Annotated[int, typer.Option(help="Past updates that 'outer' sends again, for momentum.")] = 8,
    replay_draws: Annotated[
        float, typer.Option(help="Events of a layer that 'outer' sends an update on average, drawn by size; 0: all.")
    ] = 0.0,
    rank: Annotated[int, typer.Option(help="Events of a layer that 'low-rank' sends at a time.")] = 1,
    hold: Annotated[int, typer.Option(help="Updates that 'low-rank' adds up before it sends.")] = 8,
    transfer_every: Annotated[
        int, typer.Option(help="Updates between two rows that 'tiki-taka' reads of its second array.")
    ] = 1,
    transfer_rate: Annotated[float, typer.Option(help="Share of such a reading that is added to what is due.")] = 0.1,
    zero_shift: Annotated[
        int, typer.Option(help="Pairs of SET and RESET with which each cell of the second array begins.")
    ] = 500,
    policy: Annotated[str | None, typer.Option(help=f"Differential pairs: {POLICIES}.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training part.")] = None,
    batch: Annotated[int | None, typer.Option(help="Samples of one update.")] = None,
    seed: Annotated[int, typer.Option(help="Draws split, weights, order and the emulator's chip.")] = 0,
    start: Annotated[str, typer.Option(help="Weights at the start: programmed or fabricated.")] = "programmed",
    largest_weight: Annotated[
        float | None, typer.Option(help="Weight of a pair at its bounds; sets the siemens per weight.")
    ] = None,
    replicas: Annotated[
        int, typer.Option(help="Copies of every layer, whose signals are averaged: stuck cells and noise weigh less.")
    ] = 1,
    remap: Annotated[
        bool,
        typer.Option("--remap", help="Assign rows and outputs so that cells found stuck do least harm."),
    ] = False,
    spare: Annotated[int, typer.Option(help="Extra rows, and extra pairs of columns, of every layer for --remap.")] = 0,
    reread_share: Annotated[
        float, typer.Option(help="Read a cell again where its uncertainty exceeds this multiple of the wished change.")
    ] = 10.0,
    averages: Annotated[int, typer.Option(help="Conversions of one reading, a power of two.")] = 1,
    pulse_budget: Annotated[
        int | None, typer.Option(help="Pulses that one cell may take; a physical array demands it.")
    ] = None,
    validation: Annotated[
        float, typer.Option(help="Share of the training rows kept for validation; the test part is read once, then.")
    ] = 0.0,
    evaluations: Annotated[
        int, typer.Option(help="Times an epoch that rows kept back are measured; writes trace.csv.")
    ] = 1,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with the data files; MNIST: else HWCTL_DATA, else downloaded.")
    ] = None,
    run: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Run folder; default runs/TASK-N.")] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html, its CSV files and training.png.")
    ] = True,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Go on with an interrupted run; --target if its board is elsewhere now."),
    ] = None,
    record: Record = None,
    pulse_log: LogPulses = None,
    json: Json = None,
) -> None:
    """Train a multilayer network on a crossbar, in situ, and write a run folder with a report.

    What is not given is the task's own: 'hwctl train wbc' is a good start. Ctrl-C saves a checkpoint and leaves the
    board SAFE; --resume goes on from there.
    """
    from hwctl.training import setup  # noqa: PLC0415  numba and matplotlib are not needed for --help
    from hwctl.training.config import TrainConfig  # noqa: PLC0415
    from hwctl.training.runfolder import RunFolder  # noqa: PLC0415

    # Before a cell is pulsed, not when the first epoch is done.
    need("h5py", "the checkpoint of a run")
    if report:
        need("matplotlib", "the report", "add --no-report")
    if remap:
        need("scipy", "--remap", "leave it out")
    if (task is None) == (resume is None):
        raise BadInput("name a task to train, or a run to go on with: 'hwctl train wbc', 'hwctl train --resume FOLDER'")
    if resume is not None:
        folder = RunFolder(resume)
        config = folder.config().moved(tuple(target or ()))
        with watching(record, pulse_log) as wraps:
            _train(config, folder, json, wraps, resuming=True, report=report)
        return
    assert task is not None
    config = setup.resolve(
        TrainConfig(
            task=task, targets=tuple(target or [emulator_of(device)]), device=device if target else None,
            chip=str(chip) if chip else None,
            hidden=_sizes(hidden), activation=activation, loss=loss, optimizer=optimizer, rate=rate,
            final_rate=final_rate, momentum=momentum, decay=decay, schedule=schedule, fire_threshold=fire_threshold,
            replay=replay, replay_draws=replay_draws, rank=rank, hold=hold, transfer_every=transfer_every,
            transfer_rate=transfer_rate, zero_shift=zero_shift, replicas=replicas, remap=remap, spare=spare,
            policy=policy, epochs=epochs, batch=batch, seed=seed, start=start, largest_weight=largest_weight,
            reread_share=reread_share, averages=averages, pulse_budget=pulse_budget, validation=validation,
            evaluations=evaluations,
            data_dir=str(data_dir) if data_dir else None,
        )
    )  # fmt: skip
    path = run or RunFolder.next_free(Path("runs"), task)
    with watching(record, pulse_log) as wraps:
        _train(config, RunFolder(path), json, wraps, resuming=False, report=report)


def _sizes(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(size) for size in text.split(",") if size.strip())
    except ValueError:
        raise BadInput(f"hidden layers '{text}'; give sizes joined by commas, for example 100,50") from None


def _train(
    config: "TrainConfig",
    folder: "RunFolder",
    json: Path | None,
    wraps: Sequence["Wrap"],
    *,
    resuming: bool,
    report: bool,
) -> None:
    """Open everything, train, save, and report."""
    from hwctl.training import setup  # noqa: PLC0415
    from hwctl.training.runfolder import RunFolder  # noqa: PLC0415
    from hwctl.training.trainer import Trainer  # noqa: PLC0415

    console = Console(stderr=json is not None and str(json) == "-")
    saved = folder.load() if resuming else None
    data = setup.load_data(config)
    crossbars = setup.open_crossbars(config, wraps)
    try:
        with _resumable(folder):
            trainer = Trainer(config, crossbars, setup.step_model(crossbars, config.device), data)
            if saved is None:
                folder = RunFolder.create(folder.path, config)
                _introduce(console, trainer, folder)
                trainer.start()
                folder.save(trainer.checkpoint(), trainer.history)
            else:
                trainer.resume(saved)
                folder.keep(config)  # its boards may be elsewhere now
                _introduce(console, trainer, folder)
                if not trainer.bit_identical:
                    console.print("the board cannot restore its state: cells were read back, bits will differ")
            try:
                _loop(console, trainer, folder)
            except LinkError:
                folder.add(trainer.sent())
                raise
        summary = trainer.summary()
        if report:
            _report(trainer, folder, summary)
    finally:
        for crossbar in crossbars:
            crossbar.close()
    write_json(folder.path / "summary.json", summary)
    write_json(json, summary)
    _conclude(console, summary)
    if report:
        console.print(f"report: {folder.path / 'report.html'}", highlight=False, soft_wrap=True)


@contextmanager
def _resumable(folder: "RunFolder") -> Iterator[None]:
    """Where the link dies, say how to go on with the run; what its last checkpoint holds is kept."""
    try:
        yield
    except (LinkClosed, LinkTimeout, SessionLost) as error:
        again = f"run 'hwctl train --resume {folder.path}'" if folder.has_checkpoint() else "start the run again"
        error.todo = f"reconnect and {again}"
        raise


def _introduce(console: Console, trainer: "Trainer", folder: "RunFolder") -> None:
    from hwctl.training.setup import layer_sizes  # noqa: PLC0415

    config = trainer.config
    layers = "-".join(map(str, layer_sizes(config)))
    console.print(
        f"{config.task} {layers} on {trainer.crossbars[0].identity.device}: {config.optimizer}, rate {config.rate:g}, "
        f"schedule {config.schedule}, pairs {trainer.movers[0].policy}, batch {config.batch}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"data: {trainer.data.provenance}", highlight=False, soft_wrap=True)
    if config.chip is not None:
        known = [mover.layer.bounds for mover in trainer.movers if mover.layer.bounds is not None]
        stuck, cells = sum(int(b.stuck.sum()) for b in known), sum(b.stuck.size for b in known)
        console.print(f"chip: {config.chip}, {stuck} of {cells} cells stuck", highlight=False, soft_wrap=True)
    console.print(f"run:  {folder.path}   target: {', '.join(config.targets)}", highlight=False, soft_wrap=True)


@contextmanager
def _stop_on_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list; a second one stops at once."""
    received: list[int] = []

    def take(number: int, _: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _loop(console: Console, trainer: "Trainer", folder: "RunFolder") -> None:
    """Train with a progress bar on a terminal; save after every epoch and where a signal comes."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    total = trainer.epochs * len(trainer.data.train_y)
    columns = (TextColumn("samples"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _stop_on_signals() as received, Progress(*columns, console=console, transient=True) as bar:
        bar_task = bar.add_task("train", total=total, completed=trainer.progress.samples)
        # A bar that moves more often than it is drawn only costs time.
        every = max(total // 200, 1)
        shown = 0

        def on_batch(progress: Any) -> None:
            nonlocal shown
            if progress.samples - shown >= every:
                shown = progress.samples
                bar.update(bar_task, completed=shown)

        def on_epoch(metrics: dict[str, float]) -> None:
            bar.console.print(_epoch_line(metrics, trainer.epochs), highlight=False, soft_wrap=True)
            folder.save(trainer.checkpoint(), trainer.history)

        done = trainer.run(stop=lambda: bool(received), on_batch=on_batch, on_epoch=on_epoch)
        if not done:
            folder.save(trainer.checkpoint(), trainer.history)
            for crossbar in trainer.crossbars:
                crossbar.safe()
    if not done:
        raise Interrupted(
            f"interrupted after {trainer.progress.samples} samples; checkpoint written, board SAFE; "
            f"go on with 'hwctl train --resume {folder.path}'"
        )


def _epoch_line(metrics: dict[str, float], epochs: int) -> str:
    pulses = int(metrics["pulses_set"] + metrics["pulses_reset"])
    return (
        f"epoch {int(metrics['epoch']):2d}/{epochs}  loss {metrics['train_loss']:.4f}  "
        f"train {metrics['train_accuracy'] * 100:5.2f}%  {_unseen(metrics)}  "
        f"pulses {pulses:,}  worst cell {int(metrics['pulses_max_cell']):,}"
    )


def _unseen(metrics: dict[str, float]) -> str:
    """Return the accuracy on rows that were not trained on."""
    if "validation_accuracy" in metrics:
        return f"validation {metrics['validation_accuracy'] * 100:5.2f}%"
    return f"test {metrics['test_accuracy'] * 100:5.2f}%"


def _report(trainer: "Trainer", folder: "RunFolder", summary: dict[str, Any]) -> None:
    from hwctl.report import LayerSnapshot, write_report, write_training_plot  # noqa: PLC0415

    layers = [
        LayerSnapshot(
            name=trainer.copies.name(n),
            before=trainer.before[n],
            after=mover.layer.tracker.mean,
            pulses=pulses,
            g_min=trainer.model.g_min,
            g_max=trainer.model.g_max,
            symmetry_point=trainer.model.symmetry_point,
        )
        for n, (mover, pulses) in enumerate(zip(trainer.movers, trainer.cell_pulses(), strict=True))
    ]
    write_report(folder.path, summary, trainer.history, layers)
    write_training_plot(folder.path / "training.png", summary, trainer.history)


def _conclude(console: Console, summary: dict[str, Any]) -> None:
    from hwctl.cli.output import quantity  # noqa: PLC0415

    console.print(
        f"test accuracy {summary['test_accuracy'] * 100:.2f}%, {summary['pulses_set']:,} SET and "
        f"{summary['pulses_reset']:,} RESET pulses, worst cell {summary['pulses_max_cell']:,}, "
        f"{summary['reads']:,} reads, {quantity(summary['array_seconds'], 's')} on the array, "
        f"{summary['host_seconds']:.1f} s in all",
        highlight=False,
        soft_wrap=True,
    )
