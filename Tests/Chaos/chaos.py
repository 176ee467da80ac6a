#!/usr/bin/env python3
"""Random faults over one training that `dsv3 launch` watches, and what must hold afterwards:

  Tests/Chaos/chaos.py [--faults 50] [--seed 1] [--dsv3 .build/release/dsv3] [--keep]

Kills a random rank, stops one (a hang), kills mpirun, kills the coordinator and resumes, tears the
newest checkpoint at a random byte. The run must end, with every step's line in metrics.jsonl once
and the losses of an undisturbed run, bit for bit; nothing may outlive it. Everything that is random
comes from the seed but the moment within a step at which a fault strikes.
"""
import argparse
import fcntl
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

STEPS_PER_FAULT = 14
CONFIGURATION = """
model:
  dimensions: {{hidden: 16, layers: 4, dense_layers: 1, heads: 2, dense_width: 32}}
layout: {{pipeline: 2, data: 2, expert: 2}}
schedule: {{name: dualpipe, microbatches: 4}}
training: {{sequence: 16, steps: {steps}, lr_schedule: constant, ema_decay: 0.9}}
data: {{sources: [{text}], held_out: 0.02}}
checkpoint: {{every: 5, keep: 3}}
supervision: {{timeout: 2, max_restarts: 3, backoff: 0.1}}
"""


class Wrong(Exception):
    """Something that must hold doesn't."""


def processes(run):
    """Processes of a run's jobs: those that have its directory as --run-dir, coordinator excepted."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        name = os.path.basename(words[0])
        if name in (b"mpirun", b"dsv3-worker") and str(run).encode() in words and state != "Z":
            found.append(int(entry.name))
    return found


def wait(what, condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise Wrong(f"{what}: not within {seconds} s")


class Training:
    def __init__(self, dsv3, folder, name, steps):
        self.dsv3, self.run = dsv3, folder / name
        self.log = open(folder / (name + ".log"), "a")
        self.configuration = folder / "chaos.yaml"
        self.steps, self.launches = steps, 0
        self.process = None

    def start(self):
        first = self.launches == 0
        arguments = (
            ["--config", str(self.configuration), "--run-dir", str(self.run)]
            if first else ["--resume", str(self.run)])
        self.process = subprocess.Popen(
            [self.dsv3, "launch", "--quiet"] + arguments, stdout=self.log, stderr=self.log)
        self.launches += 1

    def lines(self):
        try:
            return (self.run / "metrics.jsonl").read_bytes().count(b"\n")
        except OSError:
            return 0

    def events(self, kind):
        try:
            text = (self.run / "events.jsonl").read_text()
        except OSError:
            return []
        return [event for event in map(json.loads, text.splitlines()) if event["kind"] == kind]

    def record(self):
        return json.loads((self.run / "run.json").read_text())

    def rank_process(self, rank):
        """The rank's process by its beat, if it lives and is of this run."""
        try:
            beat = (self.run / f"ranks/rank-{rank:05}.beat").read_bytes()
        except OSError:
            return None
        pid = struct.unpack_from("<q", beat, 16)[0]
        return pid if pid in processes(self.run) else None

    def ranks(self):
        pids = [self.rank_process(rank) for rank in range(4)]
        return pids if all(pids) else None

    def reach(self, step):
        """Waits until a job trains that has written the line of `step`."""
        def reached():
            if self.process.poll() is not None:
                raise Wrong(f"the launch ended with code {self.process.returncode} at step "
                            f"{self.lines()}; see {self.log.name}")
            return self.lines() >= step and self.ranks()
        return wait(f"step {step}", reached, 90)

    def losses(self):
        losses = []
        for number, line in enumerate((self.run / "metrics.jsonl").read_text().splitlines(), 1):
            step = json.loads(line)
            if step["step"] != number:
                raise Wrong(f"line {number} of metrics.jsonl is of step {step['step']}")
            losses.append((step["loss"], step["mtp_loss"], step["grad_norm"]))
        if len(losses) != self.steps:
            raise Wrong(f"metrics.jsonl has {len(losses)} lines for {self.steps} steps")
        return losses


def tear(run, dice):
    """Damages the newest checkpoint, if another is there to fall back on; says how."""
    folder = run / "checkpoints"
    steps = sorted(int(path.name[5:]) for path in folder.glob("step-*"))
    if len(steps) < 2:
        return None
    newest = folder / f"step-{steps[-1]}"
    files = sorted(path for path in newest.iterdir() if path.stat().st_size > 0)
    file = dice.choice(files)
    place = dice.randrange(file.stat().st_size)
    if dice.random() < 0.5:
        with open(file, "r+b") as stream:
            stream.truncate(place)
        return f"{newest.name}/{file.name} cut at byte {place}"
    with open(file, "r+b") as stream:
        stream.seek(place)
        byte = stream.read(1)[0]
        stream.seek(place)
        stream.write(bytes([byte ^ 1 << dice.randrange(8)]))
    return f"{newest.name}/{file.name} has a bit flipped in byte {place}"


def strike(training, kind, dice):
    """Makes a fault; what was done, in words."""
    ranks = training.ranks() or wait("the ranks", training.ranks, 30)
    rank = dice.randrange(len(ranks))
    time.sleep(dice.random() * 0.03)
    # It may have died of something else meanwhile, and its number be another's.
    ranks = training.ranks() or wait("the ranks", training.ranks, 30)
    if kind == "kill":
        os.kill(ranks[rank], signal.SIGKILL)
        return f"rank {rank} killed"
    if kind == "hang":
        os.kill(ranks[rank], signal.SIGSTOP)
        return f"rank {rank} stopped"
    if kind == "mpirun":
        os.kill(training.record()["job"]["pid"], signal.SIGKILL)
        return "mpirun killed"
    if kind == "tear":
        damage = tear(training.run, dice)
        os.kill(ranks[rank], signal.SIGKILL)
        return f"{damage or 'no checkpoint to tear'}, rank {rank} killed"
    training.process.send_signal(signal.SIGKILL)
    training.process.wait()
    start = time.monotonic()
    if dice.random() < 0.5:
        wait("the end of the ranks", lambda: not processes(training.run), 10)
        after = f"ranks gone after {time.monotonic() - start:.1f} s"
    else:
        after = "resumed at once"
    training.start()
    return "coordinator killed, " + after


def prove(folder, options):
    dice = random.Random(options.seed)
    steps = STEPS_PER_FAULT * (options.faults + 1)
    (folder / "text.txt").write_text(
        "".join(f"token {n * n % 97} of the text\n" for n in range(4000)))
    (folder / "chaos.yaml").write_text(
        CONFIGURATION.format(steps=steps, text=folder / "text.txt"))
    calm = Training(options.dsv3, folder, "calm", steps)
    calm.start()
    if calm.process.wait(300) != 0:
        raise Wrong(f"the undisturbed run failed; see {calm.log.name}")
    print(f"undisturbed: {steps} steps, loss {calm.losses()[-1][0]:.4f}", flush=True)

    rough = Training(options.dsv3, folder, "rough", steps)
    rough.start()
    try:
        kinds = options.kinds.split(",")
        plan = [kinds[number % len(kinds)] for number in range(options.faults)]
        dice.shuffle(plan)
        for number, kind in enumerate(plan, 1):
            rough.reach(number * STEPS_PER_FAULT + dice.randrange(STEPS_PER_FAULT // 2))
            launched = len(rough.events("launched"))
            done = strike(rough, kind, dice)
            print(f"{number:3}/{options.faults} after step {rough.lines()}: {done}", flush=True)
            wait("the next job", lambda: len(rough.events("launched")) > launched
                 or rough.process.poll() is not None, 60)
        code = rough.process.wait(300)
    finally:
        if rough.process.poll() is None:
            rough.process.terminate()
            rough.process.wait(60)
    if code != 0:
        raise Wrong(f"the launch ended with code {code}; see {rough.log.name}")
    check(calm, rough)


def check(calm, rough):
    wanted, found = calm.losses(), rough.losses()
    for step, pair in enumerate(zip(wanted, found), 1):
        if pair[0] != pair[1]:
            raise Wrong(f"step {step} has {pair[1]}, undisturbed {pair[0]}")
    left = processes(rough.run)
    if left:
        raise Wrong(f"processes are left over: {left}")
    if rough.record()["state"] != "finished":
        raise Wrong(f"run.json says {rough.record()['state']}")
    with open(rough.run / "run.json.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    names = ["launched", "failure", "restart", "fallback"]
    counts = ", ".join(f"{name} {len(rough.events(name))}" for name in names)
    print(f"the same losses in all {len(wanted)} steps, no process and no lock left ({counts})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dsv3", default=str(root / ".build/release/dsv3"))
    parser.add_argument("--kinds", default="kill,hang,mpirun,coordinator,tear")
    parser.add_argument("--keep", action="store_true", help="keep the runs")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dsv3-chaos-"))
    start = time.monotonic()
    try:
        prove(folder, options)
    except Wrong as error:
        print(f"chaos (seed {options.seed}): {error}; the runs are in {folder}", file=sys.stderr)
        return 1
    print(f"{options.faults} faults, seed {options.seed}, {time.monotonic() - start:.0f} s")
    if options.keep:
        print(f"the runs are in {folder}")
    else:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
