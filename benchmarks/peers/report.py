"""What the measuring programs share: going first, tables, the machine."""

import json
import os
import platform
import re


class RealTime:
    """While it is entered, all threads of this process, what it starts, and all threads of the
    processes given go before all others of the machine."""

    def __init__(self, wanted, processes=()):
        self.processes = ["self", *processes] if wanted else []

    def schedule(self, policy, priority):
        for process in self.processes:
            for thread in os.listdir(f"/proc/{process}/task"):
                try:
                    os.sched_setscheduler(int(thread), policy, os.sched_param(priority))
                except ProcessLookupError:  # it ended meanwhile
                    pass

    def __enter__(self):
        self.schedule(os.SCHED_RR, 1)

    def __exit__(self, *_):
        self.schedule(os.SCHED_OTHER, 0)


def add_options(parser, seconds_of):
    """What programs that measure row by row have in common."""
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="(default 1 2)")
    parser.add_argument("--seconds", type=float, default=3, help=f"of {seconds_of} (default 3)")
    parser.add_argument("--realtime", action="store_true",
                        help="go before other work of the machine while measuring (as root)")  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="a JSON line a row, as measured")
    parser.add_argument("--md", metavar="FILE", help="the table as Markdown")


def keep_row(arguments, rows):
    """The last one, as soon as it is measured."""
    if arguments.json:
        with open(arguments.json, "a" if len(rows) > 1 else "w") as file:
            file.write(json.dumps(rows[-1]) + "\n")


def show(arguments, title, lines):
    print(title, to_text(lines), sep="\n")
    if arguments.md:
        with open(arguments.md, "w") as file:
            file.write(f"{title}.\n\n{to_markdown(lines)}")


def to_markdown(lines):
    rule = ["---"] + ["---:"] * (len(lines[0]) - 1)
    return "".join(f"| {' | '.join(line)} |\n" for line in [lines[0], rule, *lines[1:]])


def to_text(lines):
    widths = [max(map(len, column)) for column in zip(*lines)]
    rows = [[cell.ljust(widths[0]) if i == 0 else cell.rjust(w)
             for i, (cell, w) in enumerate(zip(line, widths))] for line in lines]  # fmt: skip
    return "".join("  ".join(row) + "\n" for row in rows)


def machine():
    with open("/proc/cpuinfo") as file:
        info = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", file.read(), re.M))
    caches = []
    for index in range(8):
        try:
            folder = f"/sys/devices/system/cpu/cpu0/cache/index{index}/"
            level, kind, size = (open(folder + f).read().strip() for f in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            caches.append(f"L{level} {size}")
    wide = [name for name in ("avx512f", "avx2") if name in info.get("flags", "")]
    cores = len(os.sched_getaffinity(0))
    return f"{info.get('model name', platform.machine())}, {cores} cores, {', '.join(caches + wide[:1])}"
