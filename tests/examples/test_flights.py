"""examples/flights on flights of its own making: late ones come in bursts at an airport."""

import json

import duckdb


def test_the_makefile_runs_to_its_figures(tmp_path, made_here):
    table = tmp_path / "flights.parquet"
    duckdb.sql(f"""copy (
        select timestamp '2001-01-01' + to_minutes(7 * i) as date, 100 + i % 7 * 50 as distance, 'A' || i % 4 as origin,
               'A' || (i + 1 + i % 3) % 4 as destination,
               case when (i // 60 + i % 4) % 3 = 0 then 40 else -2 end as delay
        from range(900) t(i)) to '{table}'""")
    settings = [f"RUN={tmp_path / 'run'}", f"FLIGHTS={table}", "FROM=2001-01-01", "TO=2001-01-04", "EPOCHS=2"]
    out = made_here("flights", *settings, "TRAIN=--hidden 8 --batch-size 64 --seed 1", "WINDOWS=1 2", "all", "windows")
    assert "test auroc" in out.stdout
    run = tmp_path / "run" / "flights"
    assert json.loads((run / "model.json").read_text())["sampling"]["draw"] == "recent"
    assert "accuracy over time" in (run / "report.html").read_text()
    tested = [json.loads((tmp_path / f"run/window-{n}/model/metrics.json").read_text())["test"] for n in (1, 2)]
    assert all(found["seeds"] > 0 for found in tested)
    assert f"{sum(found['auroc'] for found in tested) / 2:.4f}" in out.stdout
