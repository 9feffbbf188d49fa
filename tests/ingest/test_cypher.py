"""Tables from an embedded graph database are tables like others."""

import pytest

from gnnctl.artifacts import Artifact
from gnnctl.graph import Graph

ladybug = pytest.importorskip("ladybug")
PEOPLE = [("ada", 36, "red"), ("bob", 41, "blue"), ("cy", 29, "red")]
KNOWS = [("ada", "bob", 3.0), ("bob", "cy", 1.0), ("cy", "ada", 2.0), ("ada", "cy", 5.0)]

SPEC = """
[nodes.person]
{people}
id = "name"
label = "team"
[nodes.person.features]
age = "standard"
[edges."person knows person"]
{knows}
source = "a"
target = "b"
weight = "times"
"""
CYPHER = {
    "people": 'database = "people.lbug"\n'
    'cypher = "MATCH (p:Person) RETURN p.name AS name, p.age AS age, p.team AS team"',
    "knows": 'database = "people.lbug"\n'
    'cypher = "MATCH (p:Person)-[k:Knows]->(q:Person) RETURN p.name AS a, q.name AS b, k.times AS times"',
}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A folder with a database, and the same in CSV."""
    folder = tmp_path_factory.mktemp("people")
    database = ladybug.Database(str(folder / "people.lbug"))
    with ladybug.Connection(database) as connection:
        connection.execute("CREATE NODE TABLE Person(name STRING PRIMARY KEY, age INT64, team STRING)")
        connection.execute("CREATE REL TABLE Knows(FROM Person TO Person, times DOUBLE)")
        for name, age, team in PEOPLE:
            connection.execute(f"CREATE (:Person {{name: '{name}', age: {age}, team: '{team}'}})")
        for a, b, times in KNOWS:
            ends = f"MATCH (p:Person {{name: '{a}'}}), (q:Person {{name: '{b}'}})"
            connection.execute(f"{ends} CREATE (p)-[:Knows {{times: {times}}}]->(q)")
    database.close()
    rows = [",".join(map(str, row)) for row in PEOPLE]
    (folder / "people.csv").write_text("\n".join(["name,age,team", *rows]) + "\n")
    (folder / "knows.csv").write_text("\n".join(["a,b,times", *(f"{a},{b},{n}" for a, b, n in KNOWS)]) + "\n")
    (folder / "csv.toml").write_text(SPEC.format(people='table = "people.csv"', knows='table = "knows.csv"'))
    (folder / "cypher.toml").write_text(SPEC.format(**CYPHER))
    return folder


def test_it_is_the_graph_of_the_same_tables(cli, people, tmp_path):
    for name in ("csv", "cypher"):
        code, _, error = cli("ingest", people / f"{name}.toml", "-o", tmp_path / name, "--quiet")
        assert code == 0, error
    one, other = (Graph.open(tmp_path / name) for name in ("csv", "cypher"))
    assert other.nodes["person"].ids.to_pylist() == ["ada", "bob", "cy"]
    assert Artifact.open(tmp_path / "csv").manifest.contents["nodes/person/x"] is not None
    for key in ("nodes/person/x", "nodes/person/ids", "nodes/person/columns"):
        assert one.artifact.manifest.contents[key] == other.artifact.manifest.contents[key]
    for edge_type, store in one.edges.items():
        for part in ("colptr", "row", "weight"):
            assert (getattr(store, part) == getattr(other.edges[edge_type], part)).all()
    code, text, error = cli("ingest", people / "cypher.toml", "-o", tmp_path / "cypher")
    assert code == 0
    assert "up to date" in text + error


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("p:Person)", "p:Persona)", "Table Persona does not exist"),
        ("MATCH (p:Person) RETURN", "MATCH (p:Person RETURN", "Parser exception"),
        ("MATCH (p:Person) RETURN", "CREATE (p:Person {name: 'x'}) RETURN", "read-only"),
        ("people.lbug", "nobody.lbug", "nobody.lbug does not exist"),
        ("people.lbug", "people.csv", "not a valid"),
        ("p.age AS age", "p.age AS years", "column 'age' is missing"),
        ('cypher = "MATCH (p:Person) ', 'sql = "', "both sql and database"),
        ("database = ", "table = ", "has cypher and no database"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(cli, people, tmp_path, old, new, words):
    text = (people / "cypher.toml").read_text()
    assert old in text
    spec = people / "wrong.toml"
    spec.write_text(text.replace(old, new, 1))
    code, _, error = cli("ingest", spec, "-o", tmp_path / "graph")
    assert code == 3
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "graph").exists()
