"""What the kernel says of processes, and of the machine."""

import os
import platform
from pathlib import Path

PROC = Path("/proc")


def tree(root):
    """A process and all that come from it."""
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        for task in (PROC / str(pid) / "task").glob("*/children"):
            queue += [int(child) for child in task.read_text().split()]
    return found


def cpu_nanoseconds(root):
    """How long the threads of a process tree have been on a CPU."""
    total = 0
    for pid in tree(root):
        for task in (PROC / str(pid) / "task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def memory_kib(root):
    """Memory of a process tree, with each shared page counted once."""
    lines = [line for pid in tree(root) for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def described():
    models = [line.split(":")[1].strip() for line in (PROC / "cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    return f"{os.cpu_count()} CPUs ({models[0] if models else platform.machine()}), Linux {platform.release()}"
