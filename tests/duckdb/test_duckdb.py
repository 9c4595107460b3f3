"""The metrics rows in a real DuckDB file: written by examples/metrics_rows, loaded by examples/duckdb/load.py, looked
at by DuckDB's own client.

    pip install duckdb && cargo build --example metrics_rows
    python3 tests/duckdb/test_duckdb.py target/debug/examples/metrics_rows [SEED]

The seed chooses the moments of the kills; without one, the clock does. It is printed.
"""
import datetime
import hashlib
import json
import math
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import duckdb

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "duckdb"
KILLS = 20

# The specification's table and queries, and the digests of its text.
COLUMNS = [
    ("id", "INTEGER"),
    ("timestamp", "TIMESTAMP"),
    ("system_load", "FLOAT"),
    ("threshold_high", "FLOAT"),
    ("threshold_low", "FLOAT"),
    ("imbalance_score", "FLOAT"),
    ("migrations_initiated", "INTEGER"),
    ("migrations_successful", "INTEGER"),
    ("prediction_accuracy", "FLOAT"),
    ("metrics", "JSON"),
]
TABLE = "3a8537002ae959bc195093174c92f937190a64e159ab912c2856fc1976687fdb"
QUERIES = "30ed069c0abfa8811bc2123c5c28b2baa9772f32e8473abc04b987a946afda9b"


def write(file, rounds):
    subprocess.run([WRITER, file, "--rounds", str(rounds)], check=True, capture_output=True)


def loading(database, *words):
    command = [sys.executable, EXAMPLE / "load.py", database, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def load(database, *words, status=0):
    """Runs the loader to its end; what it complained of. No status: 0, or 1 for lines that were refused."""
    loader = loading(database, *words)
    said, complaints = loader.communicate()
    if loader.returncode not in ((0, 1) if status is None else (status,)):
        raise AssertionError(f"load.py ended with {loader.returncode}\n{said}{complaints}")
    return complaints.splitlines()


def query(database, text):
    with duckdb.connect(str(database), read_only=True) as db:
        return db.execute(text).fetchall()


def single(number):
    """As a FLOAT column holds it."""
    return None if number is None else struct.unpack("f", struct.pack("f", number))[0]


def complete_rows(file):
    """What the table has to hold, by plain reading: every line that is a row, by id."""
    rows = {}
    for line in file.read_bytes().split(b"\n"):
        try:
            row = json.loads(line)
        except ValueError:
            if line.count(b'{"id":') > 1:
                raise AssertionError(f"{file}: a row was written on to what was cut short: {line}")
            continue  # cut short, or empty
        if row["id"] in rows:
            raise AssertionError(f"{file} has two rows with id {row['id']}")
        floats = {name: single(row[name]) for name, kind in COLUMNS if kind == "FLOAT"}
        rows[row["id"]] = row | floats | {"timestamp": datetime.datetime.fromisoformat(row["timestamp"])}
    return rows


def loaded_rows(database):
    names = [name for name, _ in COLUMNS]
    rows = [dict(zip(names, row)) for row in query(database, "FROM load_balancer_metrics ORDER BY id")]
    return [row | {"metrics": json.loads(row["metrics"])} for row in rows]


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.rows = self.directory / "rows.jsonl"
        self.database = self.directory / "metrics.duckdb"

    def assert_every_row_once(self, rows=None):
        """How many rows the file has, and the table, too."""
        rows = rows or complete_rows(self.rows)
        self.assertEqual(loaded_rows(self.database), [rows[id] for id in sorted(rows)])
        return len(rows)


class Table(Case):
    def test_names_and_types_are_the_specifications(self):
        load(self.database)
        columns = query(self.database, "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name ="
                        " 'load_balancer_metrics' ORDER BY column_index")
        self.assertEqual(columns, COLUMNS)
        keys = query(self.database, "SELECT constraint_column_names FROM duckdb_constraints() WHERE table_name ="
                     " 'load_balancer_metrics' AND constraint_type = 'PRIMARY KEY'")
        self.assertEqual(keys, [(["id"],)])

    def test_table_and_queries_are_the_specifications_word_for_word(self):
        made = (EXAMPLE / "metrics.sql").read_text()
        table = re.search(r"CREATE TABLE load_balancer_metrics \(\n.*?\n\)", made, re.S)[0]
        self.assertEqual(hashlib.sha256(table.encode() + b"\n").hexdigest(), TABLE)
        self.assertEqual(hashlib.sha256((EXAMPLE / "queries.sql").read_bytes()).hexdigest(), QUERIES)


class Figures(Case):
    """The three queries, against the same figures computed from the lines."""

    @classmethod
    def setUpClass(cls):
        cls.written = pathlib.Path(tempfile.mkdtemp()) / "rows.jsonl"
        cls.addClassCleanup(shutil.rmtree, cls.written.parent)
        write(cls.written, 3000)  # a day and an hour
        write(cls.written, 3000)  # in another epoch
        cls.lines = [json.loads(line) for line in cls.written.read_text().splitlines()]
        cls.lines.sort(key=lambda row: row["timestamp"], reverse=True)

    def setUp(self):
        super().setUp()
        shutil.copy(self.written, self.rows)
        load(self.database, self.rows)
        self.queries = (EXAMPLE / "queries.sql").read_text().split(";")

    def expect(self, number, figures):
        self.assertEqual(query(self.database, self.queries[number - 1]), figures)
        self.assertTrue(figures)

    def test_recent_thresholds(self):
        columns = ["threshold_high", "threshold_low", "system_load"]
        self.expect(1, [(moment(row), *(single(row[name]) for name in columns)) for row in self.lines[:50]])

    def test_success_rates(self):
        figures = []
        for date in sorted({row["timestamp"][:10] for row in self.lines}, reverse=True):
            rows = [row for row in self.lines if row["timestamp"].startswith(date)]
            begun, done = (sum(row[f"migrations_{name}"] for row in rows) for name in ("initiated", "successful"))
            figures.append((datetime.date.fromisoformat(date), begun, done, math.floor(done * 1000 / begun + 0.5) / 10))
        self.assertEqual(len(figures), 3)
        self.expect(2, figures)

    def test_prediction_accuracy(self):
        columns = ["prediction_accuracy", "system_load", "imbalance_score"]
        judged = [row for row in self.lines if row["prediction_accuracy"] is not None][:100]
        self.expect(3, [(moment(row), *(single(row[name]) for name in columns)) for row in judged])

    def test_the_loader_prints_them(self):
        for number, column in enumerate(["threshold_low", "success_rate", "prediction_accuracy"], 1):
            printed, complaints = loading(self.database, self.rows, "--query", str(number)).communicate()
            self.assertEqual(complaints, "")
            self.assertIn(column, printed)

    def test_every_row_is_there_and_can_be_read_back(self):
        self.assertEqual(self.assert_every_row_once(), 6000)
        again, database = self.directory / "again.jsonl", self.directory / "again.duckdb"
        load(self.database, "--export", again)
        load(self.database, "--export", again, status=2)  # not over a file
        load(database, again)
        self.assertEqual(loaded_rows(database), loaded_rows(self.database))
        load(self.database, again)  # the same rows: nothing new, nothing refused
        self.assert_every_row_once()


def moment(row):
    return datetime.datetime.fromisoformat(row["timestamp"])


class Lines(Case):
    """Lines that are not as they should be."""

    def test_bad_lines_are_named_and_the_rest_goes_on(self):
        write(self.rows, 8)
        lines = self.rows.read_text().splitlines()
        other = lines[0].replace('"migrations_successful":0', '"migrations_successful":9')
        bad = [
            (lines[1].replace('"system_load":', '"system_load":"much","x":'), "2: system_load: \"much\" is no FLOAT"),
            (lines[2].replace('"system_load":0', '"system_load":7'), "3: system_load: 7."),
            (lines[3][:100], "4: line: {\"id\":4,\"timestamp\""),
            (lines[4].replace("2026-11-21", "yesterday"), "5: timestamp: \"yesterday 00:02:30.000\" is no TIMESTAMP"),
            (lines[5].replace('"migrations_initiated"', '"begun"'), "6: migrations_initiated: (nothing) is no INTEGER"),
            (other, "7: id: 1 is in the table already"),
        ]
        self.rows.write_text("\n".join([lines[0]] + [line for line, _ in bad] + lines[7:]) + "\n")
        complaints = load(self.database, self.rows, status=1)
        self.assertEqual(len(complaints), len(bad), complaints)
        for complaint, (_, wanted) in zip(complaints, bad):
            self.assertTrue(complaint.startswith(f"{self.rows}:{wanted}"), complaint)
        self.assertEqual([row["id"] for row in loaded_rows(self.database)], [1, 8])

    def test_a_torn_last_line_waits_and_lines_keep_their_numbers(self):
        write(self.rows, 3)
        text = self.rows.read_bytes()
        for end in (len(text) - 100, len(text) - 1, len(text)):
            self.rows.write_bytes(text[:end])
            complaints = load(self.database, self.rows)
            self.assertEqual(len(complaints), int(end == len(text) - 100), complaints)
            self.assert_every_row_once()
        with self.rows.open("ab") as rows:
            rows.write(b"nonsense\n")
        self.assertEqual(load(self.database, self.rows, status=1), [f"{self.rows}:4: line: nonsense is no JSON"])
        self.assertEqual(load(self.database, self.rows), [])

    def test_another_file_of_the_same_name_is_read_from_its_beginning(self):
        write(self.rows, 3)
        load(self.database, self.rows)
        self.rows.write_text(self.rows.read_text().replace('"id":', '"id":10'))
        load(self.database, self.rows)
        self.assertEqual([row["id"] for row in loaded_rows(self.database)], [1, 2, 3, 101, 102, 103])


class Kills(Case):
    """kill -9, at random moments: after the next load the table holds every complete row exactly once."""

    def test_while_rows_are_written(self):
        torn = refused = 0
        for kill in range(KILLS):
            before = self.rows.stat().st_size if self.rows.exists() else 0
            writer = subprocess.Popen([WRITER, self.rows, "--rounds", "1000000"], stdout=subprocess.DEVNULL)
            time.sleep(DICE.uniform(0.0, 0.3))
            self.assertIsNone(writer.poll(), "the writer ended by itself")
            writer.kill()
            writer.wait()
            if kill % 2:
                torn += self.tear(before)
            if self.rows.exists():
                complaints = load(self.database, self.rows, status=None)
                refused += sum("is no JSON" in complaint for complaint in complaints)
                self.assert_every_row_once()
        write(self.rows, 10)
        refused += len(load(self.database, self.rows, status=None))
        rows = self.assert_every_row_once()
        lives = len({id >> 20 for id in complete_rows(self.rows)})
        print(f"{KILLS} kills while writing: {rows} rows of {lives} lives, {torn} lines cut short", file=sys.stderr)
        self.assertEqual(refused, torn)
        self.assertGreater(torn, 0)
        self.assertGreater(lives, KILLS // 2)

    def tear(self, before):
        """A machine that stops may leave any part of a line that is being written; whether a row is cut short."""
        text = self.rows.read_bytes() if self.rows.exists() else b""
        line = max(text.rfind(b"\n", 0, max(len(text) - 1, 0)) + 1, before)
        if line == len(text):
            return False
        left = text[line : DICE.randint(line, len(text) - 1)]
        self.rows.write_bytes(text[:line] + left)
        return left != b"" and left != text[line:-1]

    def test_while_rows_are_loaded(self):
        self.make_many_rows()
        at_once = time.monotonic()
        load(self.database, self.rows)
        whole = time.monotonic() - at_once
        rows = complete_rows(self.rows)
        at_once = time.monotonic()
        load(self.database, self.rows)
        idle = time.monotonic() - at_once
        held, late = [], 0
        while len(held) < KILLS:
            self.database = self.directory / f"{len(held)}.{late}.duckdb"
            loader = loading(self.database, self.rows)
            time.sleep(DICE.uniform(0.8 * idle, whole))
            if loader.poll() is not None:
                late += 1
                self.assertLess(late, 3 * KILLS, "the loader is always done before it is killed")
            loader.kill()
            loader.communicate()
            if loader.returncode == -9:
                held.append(len(loaded_rows(self.database)) if self.has_table() else 0)
                load(self.database, self.rows)
                self.assert_every_row_once(rows)
            self.database.unlink(missing_ok=True)
        held.sort()
        print(f"{KILLS} kills while {len(rows)} rows are loaded in {whole:.1f} s: rows there {held}", file=sys.stderr)
        self.assertTrue(any(0 < there < len(rows) for there in held), "no kill came in the middle")

    def make_many_rows(self):
        """16,000 rows of 16 lives, some 11 MB: several transactions."""
        write(self.rows, 1000)
        text = self.rows.read_text()
        lives = (re.sub(r'"id":(\d+)', lambda id: f'"id":{int(id[1]) + (life << 20)}', text) for life in range(16))
        self.rows.write_text("".join(lives))

    def has_table(self):
        if not self.database.exists():
            return False
        with duckdb.connect(str(self.database)) as db:  # not read-only: it may have to recover
            return bool(db.execute("FROM duckdb_tables() WHERE table_name = 'load_balancer_metrics'").fetchall())

    def test_rows_are_loaded_while_they_are_written_and_by_one_writer(self):
        writer = subprocess.Popen([WRITER, self.rows, "--rounds", "1500"], stdout=subprocess.DEVNULL)
        while not self.rows.exists() or not self.rows.stat().st_size:
            time.sleep(0.01)
        self.assertEqual(subprocess.run([WRITER, self.rows], capture_output=True).returncode, 2)
        loads = 0
        while writer.poll() is None:
            load(self.database, self.rows)
            loads += 1
        load(self.database, self.rows)
        self.assertEqual(self.assert_every_row_once(), 1500)
        self.assertGreater(loads, 0)


if __name__ == "__main__":
    WRITER = pathlib.Path(sys.argv[1]).resolve()
    SEED = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns()
    DICE = random.Random(SEED)
    print(f"DuckDB {duckdb.__version__}, seed {SEED}", file=sys.stderr)
    unittest.main(argv=sys.argv[:1], verbosity=2)
