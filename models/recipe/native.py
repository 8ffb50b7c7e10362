"""Compiles the C parts of the recipe for this machine."""

import ctypes
import subprocess
import tempfile
from pathlib import Path


def build(source, head_dim):
    source = Path(__file__).with_name(source)
    library = Path(tempfile.mkdtemp()) / source.with_suffix(".so").name
    flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", f"-DHEAD_DIM={head_dim}"]
    subprocess.run(["cc", *flags, source, "-o", library, "-lm"], check=True)
    return ctypes.CDLL(str(library))
