"""Where and with what it was measured."""

import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

PACKAGES = ("fnn", "jax", "jaxlib", "optax", "numpy", "flax", "dm-haiku", "equinox", "torch")


def describe_machine() -> dict[str, Any]:
    """Returns processor, cores, memory and system, and the device that JAX uses."""
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_gib": _memory(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        **({"torch_threads": sys.modules["torch"].get_num_threads()} if "torch" in sys.modules else {}),
        "device": f"{jax.device_count()} × {jax.devices()[0].device_kind} ({jax.default_backend()})",
    }


def find_versions() -> dict[str, str]:
    """Returns the version of Python and of every package that is installed and took part."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def _cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
