"""Builds the CUDA kernels for this machine's processor, over the shim, from the very sources that nvcc compiles.

Needs g++ on x86-64 and the CUDA toolkit's headers, no GPU and no driver. A build stands in build/emulated/ under the
hash of its sources, so nothing is built twice.
"""

import fcntl
import functools
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "gnnctl" / "native"
SHIM = Path(__file__).parent / "shim"
BUILT = ROOT / "build" / "emulated"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
USUAL = ("/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda", "/usr")


@dataclass(frozen=True)
class Variant:
    """One way to build the kernels.

    Attributes:
        name: of the folder.
        flags: of the compiler.
        sanitize: what -fsanitize is given.
        mutated: a source of kernels, for which a file is edited: (source, file, text, its replacement).
    """

    name: str
    flags: tuple[str, ...] = ("-O1",)
    sanitize: str | None = None
    mutated: tuple[str, str, str, str] | None = None


PLAIN = Variant("plain")
QUICK = ("-O1", "-DGNNCTL_ONLY_FLOAT32")
ADDRESS = Variant("address", (*QUICK, "-g1", "-fno-omit-frame-pointer"), "address,undefined")
THREAD = Variant("thread", (*QUICK, "-g1"), "thread")


@functools.cache
def toolkit_headers() -> Path | None:
    """The toolkit's include folder: CUDA_HOME's, CUDA_PATH's, nvcc's, of PyPI's packages, or in the usual places."""
    nvcc = shutil.which("nvcc")
    places = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH")]
    places += [str(Path(nvcc).resolve().parents[1])] if nvcc else []
    places += [str(path) for path in Path(sysconfig.get_path("purelib")).glob("nvidia/cu1*")]
    for place in [*places, *USUAL]:
        if place and (Path(place) / "include" / "cuda_fp16.h").is_file():
            return Path(place) / "include"
    return None


def why_not() -> str | None:
    """What is missing to build here, or None."""
    if platform.machine() != "x86_64":
        return f"the shim runs on x86-64, not on {platform.machine()}"
    if toolkit_headers() is None:
        return "the CUDA toolkit's headers are not installed (set CUDA_HOME, or pip install nvidia-cuda-runtime)"
    return None if shutil.which("g++") else "g++ is not installed"


def build(variant: Variant = PLAIN) -> Path:
    """The extension of this variant, compiled where it is not there yet."""
    digest = hashlib.sha256(repr((variant, SUFFIX)).encode())
    for path in sorted(_sources()):
        digest.update(path.name.encode() + path.read_bytes())
    folder = BUILT / f"{variant.name}-{digest.hexdigest()[:16]}"
    target = folder / f"_emulated{SUFFIX}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _compile(variant, folder, target)
            for older in BUILT.glob(f"{variant.name}-{'?' * 16}"):
                if older != folder:
                    shutil.rmtree(older, ignore_errors=True)
    return target


def load(variant: Variant = PLAIN) -> ModuleType:
    """The extension of this variant, imported."""
    path = build(variant)
    spec = importlib.util.spec_from_file_location("_emulated", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _sources() -> list[Path]:
    ours = [path for path in (NATIVE / "cuda").iterdir() if path.suffix in {".cu", ".cuh", ".cpp", ".h"}]
    return [*ours, *SHIM.iterdir(), NATIVE / "arrays.cpp", *NATIVE.glob("*.h")]


def _copy(to: Path) -> Path:
    """The shim beside the kernels, as one tree."""
    for path in _sources():
        place = to / ("shim" if path.parent == SHIM else path.parent.relative_to(NATIVE)) / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    return to


def _mutated(to: Path, name: str, old: str, new: str) -> Path:
    (edited,) = _copy(to).rglob(name)
    text = edited.read_text()
    if text.count(old) != 1:
        raise ValueError(f"{name}: expected once, found {text.count(old)} times: {old}")
    edited.write_text(text.replace(old, new))
    return to


def _compile(variant: Variant, folder: Path, target: Path) -> None:
    import pybind11

    copied = _copy(folder / "native")
    includes = [str(copied / "shim"), str(toolkit_headers()), sysconfig.get_path("include"), pybind11.get_include()]
    common = ["g++", "-std=c++20", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unknown-pragmas"]
    common += ["-DGNNCTL_EMULATED", "-DGNNCTL_CUDA_MODULE=_emulated", f"-I{includes[0]}"]
    common += [flag for path in includes[1:] for flag in ("-isystem", path)]

    def unit(path: Path) -> Path:
        kernels = path.suffix == ".cu"
        flags = [*variant.flags, "-Werror"] if kernels or path.name == "engine.cpp" else ["-O0"]
        if path.name == "matmul.cu":
            flags = [
                flag for flag in flags if flag != "-DGNNCTL_ONLY_FLOAT32"
            ]  # half precision is another kernel there
        # Bindings hold no kernel; the engine says to ThreadSanitizer by hand what orders memory accesses.
        if path.name == "engine.cpp" and variant.sanitize == "thread":
            flags += ["-DGNNCTL_SHIM_TSAN"]
        elif variant.sanitize and (kernels or path.name == "engine.cpp"):
            flags += [f"-fsanitize={variant.sanitize}", "-fno-sanitize-recover=all"]
        key = hashlib.sha256(repr((common[: common.index("-isystem") - 1], flags, _with_headers(path))).encode())
        out = BUILT / "objects" / f"{path.stem}-{key.hexdigest()[:24]}.o"
        if not out.exists():
            out.parent.mkdir(exist_ok=True)
            partial = out.with_suffix(f".{os.getpid()}")
            subprocess.run([*common, *flags, "-x", "c++", "-c", str(path), "-o", str(partial)], check=True)
            partial.rename(out)
        return out

    units = sorted(path for path in copied.rglob("*") if path.suffix in {".cu", ".cpp"})
    if variant.mutated:
        source, *edit = variant.mutated
        other = _mutated(folder / "mutated", *edit)
        units = [other / path.relative_to(copied) if path.name == source else path for path in units]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        objects = list(pool.map(unit, units))
    linked = folder / f"linking{SUFFIX}"
    sanitizer = [f"-fsanitize={variant.sanitize}"] if variant.sanitize else []
    subprocess.run(["g++", "-shared", *sanitizer, *map(str, objects), "-o", str(linked)], check=True)
    linked.rename(target)
    shutil.rmtree(copied)
    shutil.rmtree(folder / "mutated", ignore_errors=True)


def _with_headers(path: Path) -> dict[str, str]:
    """A source and all of ours that it includes, by name."""
    found: dict[str, str] = {}
    left = [path.name]
    by_name = {other.name: other for folder in (path.parent, path.parent.parent) for other in folder.rglob("*.*")}
    while left:
        name = left.pop()
        if name in by_name and name not in found:
            found[name] = by_name[name].read_text()
            left += [Path(wanted).name for wanted in re.findall(r'#include "([^"]+)"', found[name])]
    return found
