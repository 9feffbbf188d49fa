"""Run native tests under ThreadSanitizer, and under AddressSanitizer with UndefinedBehaviorSanitizer: make sanitize

    python tests/sanitize.py                # both
    python tests/sanitize.py thread         # one of them
    python tests/sanitize.py address tests/native/test_csc.py -k bad

Each builds the extension anew in build/sanitize-<name> and leaves the installed one alone: this file is also the pytest
plugin that puts the instrumented extension in its place. A race, a bad access or undefined behaviour ends the run.
"""

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

MODULE = "gnnctl.native._native"
VARIABLE = "GNNCTL_SANITIZED"
ROOT = Path(__file__).resolve().parent.parent

# Python, NumPy and torch are not instrumented: only what our code does is reported.
SETTINGS = {
    "thread": {
        "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:allocator_may_return_null=1:halt_on_error=1:exitcode=66",
    },
    "address": {
        # Python frees what it likes at exit; a refused allocation is std::bad_alloc, as without the sanitizer.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:exitcode=66",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=66",
        # Python's own allocator would hide overflows between neighbouring small objects.
        "PYTHONMALLOC": "malloc",
    },
}
RUNTIMES = {"thread": ["libtsan.so"], "address": ["libasan.so", "libstdc++.so.6"]}
TESTS = {
    "thread": ["tests/native", "tests/sampling/test_ordered.py", "tests/sampling/test_loader.py"],
    "address": ["tests/native", "tests/sampling/test_sampler.py", "tests/nn/test_ops.py"],
}


class _Finder:
    """Finds the instrumented extension where the installed one would be found."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != MODULE:
            return None
        return importlib.util.spec_from_file_location(name, os.environ[VARIABLE])


def build(name: str) -> Path:
    """The instrumented extension, built in a folder of its own."""
    import pybind11

    folder = ROOT / "build" / f"sanitize-{name}"
    configured = [
        *("cmake", "-S", str(ROOT / "gnnctl" / "native"), "-B", str(folder)),
        *("-DCMAKE_BUILD_TYPE=RelWithDebInfo", f"-DGNNCTL_SANITIZE={name}", "-DGNNCTL_CUDA=OFF"),
        *(f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"),
    ]
    subprocess.run(configured, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        ["cmake", "--build", str(folder), "--parallel", str(os.cpu_count() or 1)], check=True, stdout=subprocess.DEVNULL
    )
    (found,) = folder.glob("_native.*.so")
    return found


def runtime(library: str) -> str:
    """The compiler's copy of a sanitizer's library, loaded before Python, which was not linked with it."""
    compiler = os.environ.get("CXX", "c++")
    found = subprocess.run([compiler, f"-print-file-name={library}"], check=True, capture_output=True, text=True)
    return os.path.realpath(found.stdout.strip())


def run(name: str, arguments: list[str]) -> int:
    """Build, test; the exit code."""
    start = time.perf_counter()
    extension = build(name)
    built = time.perf_counter()
    environment = {
        **os.environ,
        **SETTINGS[name],
        VARIABLE: str(extension),
        "LD_PRELOAD": ":".join(map(runtime, RUNTIMES[name])),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    # Nothing captured: a sanitizer's report would die with the process.
    tests = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "sanitize", "-p", "no:cacheprovider", "--timeout", "900"]
    # Without random addresses: the sanitizers' own maps would not find room in some of the drawn layouts.
    fixed = ["setarch", "-R"] if sys.platform == "linux" else []
    code = subprocess.run([*fixed, *tests, *(arguments or TESTS[name])], cwd=ROOT, env=environment).returncode
    took = time.perf_counter() - built
    outcome = "clean" if code == 0 else f"FAILED ({code})"
    print(f"{name} sanitizer: {outcome}; built in {built - start:.0f} s, ran {took:.0f} s", flush=True)
    return code


def main(arguments: list[str]) -> int:
    """Run the named sanitizer, or all."""
    chosen = [arguments[0]] if arguments and arguments[0] in SETTINGS else list(SETTINGS)
    rest = arguments[1:] if arguments and arguments[0] in SETTINGS else arguments
    return max(run(name, rest) for name in chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
elif VARIABLE in os.environ:
    if MODULE in sys.modules:
        raise RuntimeError("the installed extension was loaded before the instrumented one")
    sys.meta_path.insert(0, _Finder())
