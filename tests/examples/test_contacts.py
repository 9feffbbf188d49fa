"""examples/contacts on people who meet the same few others again and again."""

import json

import numpy as np


def test_a_memory_tells_who_meets_next(tmp_path, made_here):
    rng = np.random.default_rng(0)
    lines, friend = [], rng.integers(0, 24, 24)
    for time in range(700):
        one = int(rng.integers(0, 24))
        if rng.random() < 0.1 or friend[one] == one:
            friend[one] = (one + rng.integers(1, 24)) % 24
        roles = ["NUR" if person % 2 else "MED" for person in (one, int(friend[one]))]
        lines.append(f"{1000 + 20 * time}\t{one}\t{friend[one]}\t{roles[0]}\t{roles[1]}\n")
    (tmp_path / "met.tsv").write_text("".join(lines))
    train = "TRAIN=--hidden 16 --heads 2 --dropout 0 --lr 0.005 --batch-size 20 --epochs 5 --threads 1"
    made_here("contacts", f"CONTACTS={tmp_path / 'met.tsv'}", f"RUN={tmp_path / 'run'}", train)
    found = {
        name: json.loads((tmp_path / "run" / name / "metrics.json").read_text())["test"] for name in ("memory", "pairs")
    }
    assert found["pairs"]["average_precision"] > found["memory"]["average_precision"] > 0.05
    assert found["pairs"]["average_precision"] > 0.3
    again = json.loads((tmp_path / "run" / "predictions" / "metrics.json").read_text())["test"]
    assert again["average_precision"] == found["pairs"]["average_precision"]
