"""Colour profiles (ICC), made byte by byte."""

import struct

import numpy as np

# XYZ of red, green and blue, adapted to D50.
DISPLAY_P3 = [(0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841)]
ADOBE = [(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)]
SRGB = [(0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)]
D50 = (0.9642, 1.0, 0.8249)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def _fixed(values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _xyz(values):
    return b"XYZ \0\0\0\0" + _fixed(values)


def _curve(parameters):
    """A power, or the five parameters of sRGB's kind of curve."""
    if isinstance(parameters, float):
        return b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(parameters * 256))
    return b"para\0\0\0\0\0\3\0\0" + _fixed(parameters)


def profile(kind, space, connection, tags):
    """The file of these tags, after its size and signatures."""
    text = b"a profile\0"
    tags = {"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78), "wtpt": _xyz(D50)} | tags
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name.encode() + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 128 + len(table) + len(body)
    head = struct.pack(">IIBBH4s4s4s", size, 0, 2, 0x40, 0, kind.encode(), space.encode(), connection.encode())
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(D50)
    return head.ljust(128, b"\0") + table + body


def rgb(primaries, curve, **more):
    tags = {f"{c}XYZ": _xyz(xyz) for c, xyz in zip("rgb", primaries)} | {f"{c}TRC": _curve(curve) for c in "rgb"}
    return profile("mntr", "RGB ", "XYZ ", tags | more)


def grey(curve):
    return profile("mntr", "GRAY", "XYZ ", {"kTRC": _curve(curve)})


def cmyk(grid=7):
    """Inks that are not clean, and a black that is not quite black, by a table of Lab."""
    c, m, y, k = np.meshgrid(*[np.linspace(0, 1, grid)] * 4, indexing="ij")
    light = 97 * (1 - 0.35 * c) * (1 - 0.45 * m) * (1 - 0.08 * y) * (1 - 0.9 * k)
    paper = (1 - 0.9 * k) / 1.2
    a, b = paper * (75 * m - 35 * c - 6 * y), paper * (95 * y - 50 * c - 6 * m)
    lab = np.stack([light * 255 / 100, a + 128, b + 128], axis=-1)
    table = np.clip(np.rint(lab), 0, 255).astype(np.uint8).tobytes()
    matrix = _fixed(np.eye(3).ravel())
    straight = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, grid, 0]) + matrix + straight * 4 + table + straight * 3
    return profile("prtr", "CMYK", "Lab ", {"A2B0": lut})
