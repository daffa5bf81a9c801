"""Run a notebook in a kernel of this interpreter: python run_notebook.py NOTEBOOK EXECUTED SECONDS-A-CELL.

Ends with 1 and a message that names the cell where one fails. A process of its own, so that sockets that the kernel's
client leaves open are no warnings of the tests.
"""

import asyncio
import re
import sys
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


async def run(notebook, seconds):
    """Execute every cell in the working directory. Exits where one fails."""
    started = []
    # No folder is searched: a kernel that someone registered as python3 may be of another interpreter.
    kernel = AsyncKernelManager(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    client = NotebookClient(
        notebook,
        km=kernel,
        timeout=seconds,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        on_cell_start=lambda cell, cell_index: started.append(cell.id),
    )
    try:
        await client.async_execute(cwd=str(Path.cwd()))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        sys.exit(f"cell '{started[-1]}': {COLOURS.sub('', str(error))}")
    finally:
        await kernel.shutdown_kernel(now=True)


if __name__ == "__main__":
    source, executed, seconds_a_cell = sys.argv[1:]
    found = nbformat.read(source, nbformat.NO_CONVERT)
    asyncio.run(run(found, int(seconds_a_cell)))
    nbformat.write(found, executed)
