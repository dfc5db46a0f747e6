"""Installs current PyTorch from the Python registry without the CUDA libraries.

The registry's PyTorch for x86-64 Linux is built with CUDA and asks for some 3 GB of libraries that a
run on the CPU never calls. This installs it without them: the CUDA runtime proper (a few MB) is
installed, because PyTorch registers its kernels there when it is loaded; every function of the other
libraries becomes one that ends the process, in a stub library that the loader finds under their
names. Where PyTorch can be imported as it comes, nothing is done.
"""

import collections
import pathlib
import re
import subprocess
import sys
import sysconfig

FOLDER = pathlib.Path(sysconfig.get_path("purelib")) / "torch/lib"
# Small packages that are really needed, of the major version of CUDA that libcudart.so.N names.
REAL = ["nvidia-cuda-runtime", "nvidia-cuda-cupti", "nvidia-cufile"]
STUBBED = re.compile(
    r"cublas|cudnn|cufft|curand|cusolver|cusparse|nccl|nvJitLink|nvrtc|nvshmem|_Z.*nvshmem"
)


def pip(*arguments):
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *arguments], check=True)


def importable():
    return subprocess.run([sys.executable, "-c", "import torch"], capture_output=True).returncode == 0


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def needed(library):
    return re.findall(r"NEEDED\).*\[(.+)\]", output_of("readelf", "-d", str(library)))


def undefined(library):
    """(symbol, version) of what the library expects of others."""
    for line in output_of("nm", "-D", "--undefined-only", str(library)).splitlines():
        symbol, _, version = line.split()[-1].partition("@")
        yield symbol, version.strip("@")


def write_stubs(libraries):
    """One library that answers to every missing name and defines every missing function."""
    versions = collections.defaultdict(set)
    functions = set()
    for library in libraries:
        for symbol, version in undefined(library):
            if STUBBED.match(symbol):
                functions.add(symbol)
                if version:
                    versions[version].add(symbol)
    source, script = FOLDER / "stubs.c", FOLDER / "stubs.map"
    source.write_text("".join(f"void {f}(void) {{ __builtin_trap(); }}\n" for f in sorted(functions)))
    script.write_text(
        "".join(f"{v} {{ global: {'; '.join(sorted(s))}; }};\n" for v, s in versions.items())
    )
    stubs = FOLDER / "libcuda_stubs.so"
    command = ["gcc", "-w", "-shared", "-fPIC", f"-Wl,--version-script={script}"]
    subprocess.run([*command, "-o", stubs, source], check=True)
    return stubs


def main():
    pip("--no-deps", "torch")
    if importable():
        return
    libraries = list(FOLDER.glob("libtorch*.so")) + list(FOLDER.glob("libc10*.so"))
    names = {name for library in libraries for name in needed(library)}
    major = next(int(n.rpartition(".")[2]) for n in names if n.startswith("libcudart.so."))
    for package in REAL:
        pip("--no-deps", package if major >= 13 else f"{package}-cu{major}")
    stubs = write_stubs(libraries)
    # Needs functions of the others, and is needed itself: stubbed as a whole.
    nvshmem = FOLDER / "libtorch_nvshmem.so"
    if nvshmem.exists():
        nvshmem.unlink()
        nvshmem.symlink_to(stubs.name)
    for name in names:
        if STUBBED.match(name.removeprefix("lib")) and not (FOLDER / name).exists():
            (FOLDER / name).symlink_to(stubs.name)
    if not importable():
        sys.exit("PyTorch cannot be imported; try: pip install torch")


if __name__ == "__main__":
    main()
