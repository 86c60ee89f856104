"""Kill a real search at random moments with SIGKILL, start it again, and check that nothing finished is lost.

    python benchmarks/kill_and_resume.py --kills 20

After each kill: no trial that had finished may be missing or changed, policy.yaml (where there is one) must load. The
last run is left alone and must end with a verdict. Waiting times are drawn over most of the length of an undisturbed run,
and a study that has ended makes room for a fresh one, so that calibration, search, confirmation and verdict are all met;
which phase was hit is printed.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna

import autonoise

optuna.logging.set_verbosity(optuna.logging.ERROR)


def trials_of(out: Path, name: str) -> dict[int, tuple[str, object]]:
    """State and values of the finished trials."""
    if not (out / "study.db").exists():
        return {}
    try:
        study = optuna.load_study(study_name=name, storage=f"sqlite:///{out / 'study.db'}")
    except (KeyError, ValueError, RuntimeError):
        return {}
    return {t.number: (t.state.name, t.values) for t in study.trials if t.state.is_finished()}


def phase_of(out: Path) -> str:
    if (out / "result.json").exists():
        return "after the verdict"
    runs = [p.name for p in (out / "runs").glob("*.npz")] if (out / "runs").exists() else []
    if any("-test-" in r for r in runs):
        return "verdict"
    if runs:
        return "confirmation"
    return "search" if trials_of(out, out.name) else "before the first trial"


def told(out: Path, total: int) -> None:
    """What a study ended with; exits when trials are missing or the policy is not valid."""
    final, trials = autonoise.load_policy(out / "policy.yaml", warn=False), trials_of(out, out.name)
    counted = sum(state in ("COMPLETE", "PRUNED") for state, _ in trials.values())
    print(
        f"ended: {final.name}, verdict {final.scores['verdict']}, {counted} of {total} trials and "
        f"{len(trials) - counted} killed ones",
        flush=True,
    )
    if counted < total:
        sys.exit("trials are missing")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="breast_cancer")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as root:
        reference, out = Path(root) / "whole", Path(root) / "killed-0"

        def command(folder: Path) -> list[str]:
            return [
                sys.executable,
                "-m",
                "autonoise",
                "search",
                args.data,
                "--trials",
                str(args.trials),
                "--epochs",
                str(args.epochs),
                "--seeds",
                "3",
                "--out",
                str(folder),
                "--study",
                folder.name,
            ]

        begun = time.time()
        subprocess.run(command(reference), check=True, stdout=subprocess.DEVNULL)
        length = time.time() - begun
        print(f"an undisturbed run takes {length:.0f} s; killing {args.kills} times", flush=True)
        kills, ended = 0, 0
        while kills < args.kills:
            before = trials_of(out, out.name)
            process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            wait = draw.uniform(0.05, 0.8) * length
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                where = phase_of(out)
                after = trials_of(out, out.name)
                lost = {n: v for n, v in before.items() if after.get(n) != v}
                policy = out / "policy.yaml"
                loaded = autonoise.load_policy(policy, warn=False).name if policy.exists() else "none yet"
                print(
                    f"kill {kills:2d} after {wait:5.1f} s in: {where}; {len(after)} finished, lost {len(lost)}, "
                    f"policy {loaded}",
                    flush=True,
                )
                if lost:
                    sys.exit(f"trials were lost: {lost}")
                continue
            if process.returncode:
                sys.exit(f"the search failed: {process.stderr.read().decode() if process.stderr else ''}")
            told(out, args.trials)
            ended += 1
            out = Path(root) / f"killed-{ended}"
        subprocess.run(command(out), check=True)
        told(out, args.trials)


if __name__ == "__main__":
    main()
