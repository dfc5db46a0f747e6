"""What mpirun starts: the same files as of one process, one report, one line of errors; ranks that die."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(not shutil.which("mpirun"), reason="there is no mpirun here")

MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
       "OMP_NUM_THREADS": "1"}  # fmt: skip
TRAIN = ["train", "--data", "digits:150", "--network", "small-cnn", "--norm", "batch", "--max-epochs", "2"]


@pytest.fixture
def start(program, tmp_path):
    def run(ranks, *words, before=(), env=None, cwd=tmp_path, **environment):
        command = [*before, "mpirun", "--quiet", "-n", str(ranks), str(program), *map(str, words)]
        return subprocess.Popen(command, cwd=cwd, env=env or os.environ | MPI | environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip

    return run


@pytest.fixture
def mpirun(start):
    def run(ranks, *words, code=0):
        process = start(ranks, *words)
        out, err = process.communicate(timeout=300)
        assert (process.returncode == 0) == (code == 0), err
        return out, "".join(line + "\n" for line in err.splitlines() if line.startswith("normkit"))

    return run


def test_same_bytes_for_any_number_of_ranks(mpirun, normkit, tmp_path):
    """Mini-batches of 48: the last of 135 has 39 observations; mini-batches of 3 are smaller than the ranks."""
    for size in (48, 3):
        for ranks in (1, 2, 4):
            out, err = mpirun(ranks, *TRAIN, "--mini-batch-size", size, "--output", f"{size}-{ranks}")
            assert out.count("Base Learning") == 1 and out.count("Report ") == 1
            assert err.count("normkit: ") == 1  # what the data are
        alone = normkit(*TRAIN, "--mini-batch-size", size, "--output", tmp_path / f"{size}-0")
        assert alone.stdout.count("\n") == out.count("\n")
        folders = [tmp_path / f"{size}-{ranks}" for ranks in (0, 1, 2, 4)]
        assert len({(folder / "model.onnx").read_bytes() for folder in folders}) == 1
        histories = [[row.split(",") for row in (folder / "history.csv").read_text().split()] for folder in folders]
        for history in histories:
            assert all(row.pop(2) for row in history)  # seconds
            assert history == histories[0]


def test_other_commands_share_their_work(mpirun, normkit, tmp_path):
    model = tmp_path / "out/model.onnx"
    normkit(*TRAIN, "--output", model.parent)
    evaluate = ["eval", model, "--data", "digits:333", "--mini-batch-size", "32", "--json"]
    alone = normkit(*evaluate).stdout
    for ranks in (2, 3):
        assert mpirun(ranks, *evaluate)[0] == alone

    rng = np.random.default_rng(1)
    for i in range(5):
        np.save(tmp_path / f"{i}.npy", rng.uniform(0, 255, (i + 1, 28, 28)).astype(np.float32))
    (tmp_path / "5.npy").write_bytes(b"no array")
    predict = ["predict", model, *(tmp_path / f"{i}.npy" for i in range(6)), "--json"]
    alone = normkit(*predict, code=1)
    out, err = mpirun(3, *predict, code=1)
    assert out == alone.stdout and len(json.loads(out)) == 15
    assert err == alone.stderr

    for method in ("auto", "population", "moving"):
        statistics = ["statistics", model, "--data", "digits:333", "--mini-batch-size", "32", "--method", method,
                      "--output", tmp_path / "mended.onnx"]  # fmt: skip
        alone = normkit(*statistics).stdout
        mended = (tmp_path / "mended.onnx").read_bytes()
        (tmp_path / "mended.onnx").unlink()
        assert mpirun(3, *statistics)[0] == alone
        assert (tmp_path / "mended.onnx").read_bytes() == mended

    compare = ["compare", "--data", "digits:60", "--network", "mlp", "--norm", "none,batch", "--max-epochs", "1",
               "--mini-batch-size", "20", "--output"]  # fmt: skip
    normkit(*compare, tmp_path / "alone")
    out, _ = mpirun(2, *compare, "shared")
    assert out.count("Report ") == 1
    assert (tmp_path / "shared/final.csv").read_text() == (tmp_path / "alone/final.csv").read_text()


WRONG = [
    (["train", "--nonsense"], "unknown option '--nonsense'"),
    (["train", "--data", "nowhere", "--output", "x"], "data 'nowhere': there is no such file"),
    (["train", "--data", "digits:20", "--output", "full"], "full: holds model.onnx of another run"),
    (["normalize", "x.npy"], "normalize: started as 2 ranks"),
    (["eval", "nowhere.onnx", "--data", "digits:20"], "nowhere.onnx"),
]


@pytest.mark.parametrize("words, message", WRONG, ids=lambda v: v if isinstance(v, str) else "")
def test_what_is_wrong_is_said_once(mpirun, tmp_path, words, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/model.onnx").write_bytes(b"")
    out, err = mpirun(2, *words, code=1)
    assert out == "" and message in err
    assert err.count("\n") == 1 and err.count("normkit: ") + err.count("normkit train: ") == 1


def test_any_rank_may_tell_of_itself(mpirun):
    for words in (["--version"], ["train", "--help"], ["help"]):
        out, _ = mpirun(2, *words)
        assert len(out) > 100


def pid_of(rank, output):
    """Of the process that is this rank of the job which writes this folder."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as words, open(f"/proc/{pid}/environ", "rb") as environment:
                own = words.read().split(b"\0")
                if os.fsencode(output) in own and b"mpirun" not in own[0]:
                    if f"OMPI_COMM_WORLD_RANK={rank}".encode() in environment.read().split(b"\0"):
                        return int(pid)
        except OSError:
            continue
    raise AssertionError(f"rank {rank} does not run")


class Trace:
    """Holds the first thread of a process, the one that computes: it hangs, and the others live."""

    SEIZE, INTERRUPT, ALL = 0x4206, 0x4207, 0x40000000

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        self.pid = None

    def hold(self, pid):
        if self.libc.ptrace(self.SEIZE, pid, None, None):
            pytest.skip(f"processes may not be traced here: {os.strerror(ctypes.get_errno())}")
        self.pid = pid
        self.libc.ptrace(self.INTERRUPT, pid, None, None)

    def wait(self, job):
        """Until the job ends: what is traced ends when its tracer has heard so."""
        end = time.monotonic() + 300
        while job.poll() is None and time.monotonic() < end:
            if self.pid:
                self.libc.waitpid(self.pid, None, os.WNOHANG | self.ALL)
            time.sleep(0.01)


@pytest.mark.parametrize("sent, rank, line", [
    (signal.SIGKILL, 1, "waiting for the other ranks"),
    (signal.SIGSTOP, 1, "rank 1 (on "),
    (signal.SIGSTOP, 0, "rank 0 (on "),
    (None, 1, "has used no processor time"),
])  # fmt: skip
def test_rank_that_is_lost(start, mpirun, normkit, tmp_path, sent, rank, line):
    """One line, a checkpoint, and with another number of ranks the bytes of a run that nothing happened to."""
    train = ["train", "--data", "digits:150", "--network", "mlp", "--norm", "batch", "--mini-batch-size", "8",
             "--max-epochs", "40", "--output"]  # fmt: skip
    job = start(2, *train, "lost", NORMKIT_PATIENCE="5")  # with 20 s the test would take as long
    checkpoint = tmp_path / "lost/checkpoint.npz"
    seen = set()
    while len(seen) < 3:  # the third is one that training was done for
        assert job.poll() is None, job.communicate()
        if checkpoint.exists():
            seen.add(checkpoint.stat().st_mtime_ns)
        time.sleep(0.001)
    trace = Trace()
    if sent:
        os.kill(pid_of(rank, "lost"), sent)
    else:
        trace.hold(pid_of(rank, "lost"))
    trace.wait(job)
    _, err = job.communicate(timeout=300)
    assert job.returncode != 0
    own = [text for text in err.splitlines() if text.startswith("normkit: ") and "digits" not in text]
    assert len(own) == 1 and line in own[0] and "--resume lost/checkpoint.npz" in own[0]

    mpirun(3, "train", "--resume", "lost/checkpoint.npz")
    normkit(*train, tmp_path / "whole")
    assert (tmp_path / "lost/model.onnx").read_bytes() == (tmp_path / "whole/model.onnx").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root runs all other tests here as a user")
def test_as_a_user(start, normkit, program, tmp_path):
    """What root does with two variables of Open MPI, anybody else does without."""
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    if not shutil.which("setpriv") or subprocess.run([*user, program, "--version"], capture_output=True).returncode:
        pytest.skip("nobody cannot run the program where it lies, or there is no setpriv")
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies in one of root's
        shutil.chown(folder, "nobody")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OMPI_")}
        environment |= {"HOME": folder, "TMPDIR": folder, "OMPI_MCA_rmaps_base_oversubscribe": "1"}
        job = start(2, *TRAIN, "--output", f"{folder}/out", before=user, env=environment, cwd=folder)
        _, err = job.communicate(timeout=300)
        assert job.returncode == 0, err
        normkit(*TRAIN, "--output", tmp_path / "root")
        assert open(f"{folder}/out/model.onnx", "rb").read() == (tmp_path / "root/model.onnx").read_bytes()
