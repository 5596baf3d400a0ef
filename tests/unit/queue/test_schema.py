"""What a database may hold: tools of root open what a worker that was taken over could have written."""

import sqlite3
from pathlib import Path

import pytest

from gatepost.queue import schema

_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS key, i AS sender FROM n"
PROGRAMS = {
    "view": f"DROP TABLE message; CREATE VIEW message AS {_ENDLESS};",
    "trigger": f"CREATE TRIGGER t AFTER UPDATE ON recipient BEGIN INSERT INTO signal SELECT * FROM ({_ENDLESS}); END;",
    "table": "CREATE VIRTUAL TABLE t USING fts5(words);",
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_what_runs_by_itself_is_refused(tmp_path: Path, kind: str) -> None:
    schema.connect(tmp_path).executescript(PROGRAMS[kind]).connection.close()
    with pytest.raises(sqlite3.DatabaseError, match=rf"the {kind} '\w+' in the database is none of Gatepost's"):
        schema.connect(tmp_path)


def test_a_database_of_ours_is_opened_again(tmp_path: Path) -> None:
    for _ in range(2):
        schema.connect(tmp_path).close()
