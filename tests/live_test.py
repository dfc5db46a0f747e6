"""normkit train --plots training-progress: the address, the page's data, Stop, and that looking changes nothing."""

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import onnx
import pytest

SMALL = ["--data", "digits:400", "--network", "mlp", "--mini-batch-size", "16", "--validation-frequency", "5"]
PLOTS = ["--plots", "training-progress"]
LONG = ["--max-epochs", "100000"]


class Training:
    def __init__(self, program, folder, *words, env=None):
        self.process = subprocess.Popen([program, "train", *words], cwd=folder, env=env, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.first_line = self.process.stdout.readline()
        self.url = self.first_line.split()[-1] if "http://" in self.first_line else None

    def get(self, path="/", **headers):
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()

    def data(self):
        return json.loads(self.get("/data"))

    def wait_for(self, iterations):
        while len(self.data()["iterations"]) < iterations:
            assert self.process.poll() is None
            time.sleep(0.02)

    def post(self, body=None, **headers):
        """The status of POST /stop."""
        request = urllib.request.Request(self.url + "/stop", data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def form(self):
        token = re.search(r'name="token" value="(\w+)"', self.get())[1]
        return urllib.parse.urlencode({"token": token}).encode()

    def end(self):
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, self.first_line + out, err


@contextlib.contextmanager
def training(program, folder, *words, env=None):
    started = Training(program, folder, *words, env=env)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
            started.process.communicate()


def test_the_address_comes_first_and_at_once(program, tmp_path):
    with training(program, tmp_path, *SMALL, *LONG, *PLOTS, "--output", "out") as run:
        assert re.fullmatch(r"The training is shown at http://127\.0\.0\.1:\d+\n", run.first_line)
        run.wait_for(40)
        data = run.data()
        assert data["state"] == "training" and data["samples"]
        last = data["iterations"][-1]
        assert last[0] >= 40 and last[2] > 0 and 0 <= last[3] <= 100 and last[4] > 0
        assert [row[0] for row in data["validations"]][:3] == [5, 10, 15]
        about = json.loads(run.get("/about"))
        assert ["network", "mlp"] in about["settings"] and about["per_epoch"] == 22
        plots = {curve["plot"] for curve in about["curves"]}
        assert plots == {"Norm of the gradient", "Scale", "Offset", "Trained mean", "Trained standard deviation"}
        assert len(data["samples"][0]) == 1 + sum(3 if curve["band"] else 1 for curve in about["curves"])


def deep(norms):
    """A network file of so many normalizations in a row."""
    layers = [{"type": "feature-input", "num_features": 4}]
    for _ in range(norms):
        layers += [{"type": "fully-connected", "output_size": 4}, {"type": "batch-normalization"}]
    return json.dumps({"layers": [*layers, {"type": "fully-connected", "output_size": 2}, {"type": "softmax"}]})


def test_what_does_not_fit_on_the_page_is_said(program, tmp_path):
    np.savez(tmp_path / "rows.npz", x=np.random.default_rng(1).normal(size=(40, 4)), y=np.arange(40) % 2)
    for norms, left_out in [(20, ""), (60, "Shown are gradients of layers of the first 99 of 121; normalizations of the first 25 of 60.")]:
        (tmp_path / "deep.json").write_text(deep(norms))
        with training(program, tmp_path, "--data", "rows.npz", "--network", "deep.json", "--mini-batch-size", "8", *LONG,
                      *PLOTS, "--output", "out", "--overwrite") as run:  # fmt: skip
            run.wait_for(2)
            about = json.loads(run.get("/about"))
            assert about["left_out"] == left_out
            bands = [curve["layer"] for curve in about["curves"] if curve["band"]]
            assert len(bands) == 4 * len(set(bands)) and len(about["curves"]) <= 200


def test_normalizations_of_networks_of_others(normkit, program, tmp_path):
    normkit("train", *SMALL, "--max-epochs", 1, "--output", "first", cwd=tmp_path)
    proto = onnx.load(tmp_path / "first/model.onnx")
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / "others.onnx")
    words = ["--data", "digits:400", "--from", "others.onnx", "--mini-batch-size", "16", *PLOTS]
    with training(program, tmp_path, *words, *LONG, "--output", "out") as run:
        run.wait_for(2)
        plots = {curve["plot"] for curve in json.loads(run.get("/about"))["curves"]}
        assert plots == {"Norm of the gradient", "Scale", "Offset", "Trained mean", "Trained standard deviation"}
    normkit("train", *words, "--max-epochs", 1, "--output", "done", cwd=tmp_path)
    page = (tmp_path / "done/report.html").read_text()
    assert "Normalization layers" in page and page.count("trained standard deviation") >= 3


def test_stop_ends_as_an_interrupt_does(program, normkit, tmp_path):
    words = [*SMALL, "--max-epochs", "300"]
    with training(program, tmp_path, *words, *PLOTS, "--output", "out") as run:
        run.wait_for(3)
        form = run.form()
        assert run.post() == 403
        assert run.post(form[:-1]) == 403
        assert run.post(form, Origin="http://evil.example") == 403
        assert run.post(form, Origin="null") == 403
        assert run.post(form, Host="evil.example") == 403
        assert run.process.poll() is None and run.data()["state"] == "training"
        assert run.post(form, Origin=run.url) == 200
        code, _, err = run.end()
    assert code == 1
    said = re.search(r"training stopped at iteration (\d+); go on with: normkit train --resume out/checkpoint.npz", err)
    assert said and int(said[1]) < 6600
    normkit("train", "--resume", "out/checkpoint.npz", *PLOTS, cwd=tmp_path)
    normkit("train", *words, "--output", "whole", cwd=tmp_path)
    assert (tmp_path / "out/model.onnx").read_bytes() == (tmp_path / "whole/model.onnx").read_bytes()


def test_json_stays_alone_on_standard_output(normkit, tmp_path):
    done = normkit("train", *SMALL, "--max-epochs", 1, *PLOTS, "--output", "out", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["iterations"] == 22
    assert "shown at http://127.0.0.1:" in done.stderr


def test_what_is_wrong_stands_alone(normkit, tmp_path):
    done = normkit("train", "--data", "none", *PLOTS, "--output", "out", cwd=tmp_path, code=1)
    assert done.stdout == "" and done.stderr.count("\n") == 1


def test_the_last_state_is_seen(program, tmp_path):
    states = []
    with training(program, tmp_path, *SMALL, "--max-epochs", "30", *PLOTS, "--output", "out") as run:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            while True:
                states.append(run.data())
                time.sleep(0.2)
        code, _, _ = run.end()
    assert code == 0
    assert states[-1]["state"] == "done" and states[-1]["note"] == "Model out/model.onnx, report out/report.html"
    assert len(states[-1]["iterations"]) == 660


def test_viewers_change_nothing(program, normkit, tmp_path):
    """Many that ask at once, and many that connect and never read: same bytes, and nobody waits for them."""
    words = [*SMALL, "--max-epochs", "300"]
    with training(program, tmp_path, *words, *PLOTS, "--output", "watched") as run:
        address = ("127.0.0.1", int(run.url.rsplit(":", 1)[1]))
        silent = [socket.create_connection(address, timeout=60) for _ in range(30)]
        for connection in silent[::2]:
            connection.sendall(b"GET /data HTTP/1.1\r\nHost: localhost\r\n\r\n")

        looks = []

        def look():
            with contextlib.suppress(OSError):
                while True:
                    looks.append(run.data()["state"])

        viewers = [threading.Thread(target=look) for _ in range(8)]
        for viewer in viewers:
            viewer.start()
        code, _, err = run.end()
        for viewer in viewers:
            viewer.join()
        assert len(looks) > len(viewers)
        for connection in silent:
            connection.close()
    assert code == 0, err
    normkit("train", *words, "--output", "alone", cwd=tmp_path)
    for name in ("model.onnx", "config.json"):
        assert (tmp_path / "watched" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


@pytest.mark.parametrize("desktop", [{"DISPLAY": ":9"}, {"WAYLAND_DISPLAY": "wayland-0"}, {}])
def test_it_is_opened_where_there_is_a_desktop(program, tmp_path, desktop):
    opener = tmp_path / "bin/xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/part && mv {tmp_path}/part {tmp_path}/opened\n')
    opener.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.endswith("DISPLAY")}
    env |= desktop | {"PATH": f"{opener.parent}:{env['PATH']}"}
    with training(program, tmp_path, *SMALL, *LONG, *PLOTS, "--output", "out", env=env) as run:
        run.wait_for(5)
        for _ in range(600 if desktop else 1):
            if (tmp_path / "opened").exists():
                break
            time.sleep(0.1)
        assert (tmp_path / "opened").exists() == bool(desktop)
        if desktop:
            assert (tmp_path / "opened").read_text() == run.url + "\n"
