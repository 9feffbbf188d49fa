import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pyarrow as pa
import pytest

from gnnctl.artifacts import Artifact, ArtifactWriter, Parent, Recipe, directory, finished
from gnnctl.errors import ArtifactError, ResourceError, UsageError


def recipe(parents=(), **options):
    return Recipe("report", "bench", 1, options, list(parents))


def make(path, value=1, *, force=False, parents=(), **options):
    with ArtifactWriter(path, recipe(parents, value=value, **options), force=force) as writer:
        writer.array("numbers", np.full(100, value))
        writer.table("rows", pa.table({"v": [value]}))
        writer.json("document", {"v": value})
        writer.file("notes.txt").write_text(str(value))
        writer.file("log.txt", content=False).write_text(str(time.time_ns()))
        writer.summary["value"] = value
    return Artifact.open(path)


def test_what_is_written_is_read(tmp_path):
    artifact = make(tmp_path / "deep" / "a", 7)
    np.testing.assert_array_equal(artifact.array("numbers"), np.full(100, 7))
    assert artifact.table("rows").to_pydict() == {"v": [7]}
    assert artifact.json("document") == {"v": 7}
    assert artifact.manifest.summary == {"value": 7}
    assert artifact.array_names() == ["numbers"]
    assert artifact.verify() == []
    assert [p.name for p in artifact.path.parent.iterdir()] == ["a"]


def test_content_is_what_is_said_and_not_where_or_when(tmp_path):
    one, two, other = make(tmp_path / "a"), make(tmp_path / "b"), make(tmp_path / "c", 2)
    assert one.content == two.content != other.content
    assert one.fingerprint == two.fingerprint != other.fingerprint
    (tmp_path / "a").rename(tmp_path / "moved")
    assert Artifact.open(tmp_path / "moved").fingerprint == two.fingerprint


def test_a_finished_recipe_is_found_and_another_is_refused_by_name(tmp_path):
    make(tmp_path / "a", 1)
    assert finished(tmp_path / "a", recipe(value=1)) is not None
    assert finished(tmp_path / "none", recipe(value=1)) is None
    with pytest.raises(ArtifactError, match=r"value was 1, now 2; pass --force"):
        finished(tmp_path / "a", recipe(value=2))
    assert finished(tmp_path / "a", recipe(value=2), force=True) is None
    assert make(tmp_path / "a", 2, force=True).json("document") == {"v": 2}


def test_a_folder_of_the_user_is_never_replaced(tmp_path):
    (tmp_path / "a").mkdir()
    assert finished(tmp_path / "a", recipe(value=1)) is None
    (tmp_path / "a" / "thesis.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(ArtifactError, match="is no artifact"):
            make(tmp_path / "a", force=force)
    assert (tmp_path / "a" / "thesis.txt").read_text() == "mine"


def test_a_failing_stage_leaves_what_stood_before(tmp_path):
    make(tmp_path / "a", 1)
    with pytest.raises(RuntimeError, match="no"), ArtifactWriter(tmp_path / "a", recipe(value=2), force=True) as writer:
        writer.array_stream("numbers", np.int64, (5,)).append(np.arange(2))
        raise RuntimeError("no")
    assert Artifact.open(tmp_path / "a").json("document") == {"v": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a"]


def test_unfinished_work_is_resumed_by_the_same_recipe_only(tmp_path):
    def begin(value):
        with pytest.raises(KeyboardInterrupt), ArtifactWriter(tmp_path / "a", recipe(value=value), resume=True) as w:
            w.file("shard-0").write_text("done")
            raise KeyboardInterrupt

    begin(1)
    with ArtifactWriter(tmp_path / "a", recipe(value=1), resume=True) as writer:
        assert writer.resumed
        assert (writer.path / "shard-0").read_text() == "done"
    assert Artifact.open(tmp_path / "a").verify() == []
    (tmp_path / "a").rename(tmp_path / "b")
    begin(1)
    with ArtifactWriter(tmp_path / "a", recipe(value=2), resume=True) as writer:
        assert not writer.resumed
        assert not (writer.path / "shard-0").exists()


def test_two_writers_of_one_output_exclude_each_other(tmp_path):
    with ArtifactWriter(tmp_path / "a", recipe(value=1)), pytest.raises(ResourceError, match="another process"):
        ArtifactWriter(tmp_path / "a", recipe(value=1))


def test_parents_are_found_by_relative_path_and_checked(tmp_path):
    parent = make(tmp_path / "x" / "parent", 1)
    make(tmp_path / "x" / "child", 2, parents=[Parent("graph", parent)])
    (tmp_path / "x").rename(tmp_path / "y")
    child = Artifact.open(tmp_path / "y" / "child")
    assert child.parent("graph").json("document") == {"v": 1}
    make(tmp_path / "y" / "parent", 3, force=True)
    with pytest.raises(ArtifactError, match="made from another graph"):
        child.parent("graph")
    other = make(tmp_path / "elsewhere", 1)
    assert child.parent("graph", other.path).path == other.path
    (tmp_path / "y" / "parent").rename(tmp_path / "gone")
    with pytest.raises(ArtifactError, match="--graph"):
        child.parent("graph")


@pytest.mark.parametrize("damage", ["truncate", "remove", "options", "contents", "kind", "format", "json", "field"])
def test_damage_is_seen_when_the_artifact_is_opened(tmp_path, damage):
    artifact = make(tmp_path / "a")
    manifest = tmp_path / "a" / "manifest.json"
    document = json.loads(manifest.read_text())
    if damage == "truncate":
        with (tmp_path / "a" / "numbers" / "c" / "0").open("r+b") as file:
            file.truncate(10)
    elif damage == "remove":
        (tmp_path / "a" / "rows.arrow").unlink()
    elif damage == "json":
        manifest.write_text(manifest.read_text()[:-20])
    else:
        if damage == "options":
            document["options"]["value"] = 9
        elif damage == "contents":
            document["contents"]["numbers"] = "0" * 64
        elif damage == "kind":
            document["kind"] = "graph"
        elif damage == "format":
            document["format"] = 99
        else:
            del document["files"]
        manifest.write_text(json.dumps(document))
    with pytest.raises(ArtifactError) as caught:
        Artifact.open(artifact.path)
    assert str(tmp_path / "a") in str(caught.value)
    assert "; " in str(caught.value), "an error names its fix"


def test_verify_names_the_changed_byte_and_the_stranger(tmp_path):
    artifact = make(tmp_path / "a")
    chunk = tmp_path / "a" / "numbers" / "c" / "0"
    chunk.write_bytes(b"\x09" + chunk.read_bytes()[1:])
    (tmp_path / "a" / "stranger").write_text("?")
    problems = Artifact.open(artifact.path).verify()
    assert [str(chunk) in problems[0], "stranger" in problems[1], len(problems)] == [True, True, 2]


def test_replacement_without_exchange_recovers(tmp_path, monkeypatch):
    monkeypatch.setattr(directory, "_exchange", lambda one, other: False)
    make(tmp_path / "a", 1)
    assert make(tmp_path / "a", 2, force=True).json("document") == {"v": 2}
    (tmp_path / "a").rename(tmp_path / "a.replaced")  # as a crash between the two renames leaves it
    assert Artifact.open(tmp_path / "a").json("document") == {"v": 2}


REPLACE_FOREVER = """
    import sys
    import numpy as np
    from pathlib import Path
    from gnnctl.artifacts import ArtifactWriter, Recipe
    for value in range(2, 10_000):
        with ArtifactWriter(Path(sys.argv[1]), Recipe("report", "bench", 1, {"value": value}), force=True) as writer:
            writer.array("numbers", np.full(1000, value))
        print(value, flush=True)
"""


def test_kill_9_during_replacement_leaves_an_old_or_a_new_artifact(tmp_path):
    make(tmp_path / "a", 1)
    for attempt in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(REPLACE_FOREVER), str(tmp_path / "a")], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.013 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        artifact = Artifact.open(tmp_path / "a")
        assert artifact.verify() == []
        assert np.all(artifact.array("numbers") == artifact.manifest.options["value"])
    assert make(tmp_path / "a", 1, force=True).verify() == []
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_an_unwritable_folder_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file, not a folder"):
        make(tmp_path / "file" / "a")
