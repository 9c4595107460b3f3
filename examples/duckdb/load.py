"""Loads metrics rows (JSON lines, one per round) into a DuckDB file, where the specification's queries run on them.

    pip install duckdb
    cargo run --example metrics_rows -- ROWS.jsonl
    python3 examples/duckdb/load.py METRICS.duckdb ROWS.jsonl [--query 1|2|3] [--export OTHER.jsonl]

Run it as often as you like, while rows are being written, too: it goes on where it stopped, and rows that are there
are not loaded twice. Killed at any moment, it has loaded a block of lines and noted it, or neither. What a writer has
not finished waits; a line that cannot be read is named and left out, and the rest goes on.

`--query` prints one of the queries of queries.sql. `--export` writes the table's rows back as JSON lines. FLOAT
columns hold seven digits; the document in `metrics` is as it was.

Exit status: 0, or 1 if lines were refused (they are named once), or 2 if nothing could be done.
"""
import argparse
import hashlib
import json
import os
import pathlib
import sys

import duckdb

HERE = pathlib.Path(__file__).parent
BLOCK = 4 << 20  # bytes of a transaction, or a line
TAIL = 1024  # bytes by which a file is known again

EXPORT = """
    COPY (
        SELECT * REPLACE (
            strftime(timestamp, '%Y-%m-%d %H:%M:%S.%g') AS timestamp,
            system_load::VARCHAR::DOUBLE AS system_load,
            threshold_high::VARCHAR::DOUBLE AS threshold_high,
            threshold_low::VARCHAR::DOUBLE AS threshold_low,
            imbalance_score::VARCHAR::DOUBLE AS imbalance_score,
            prediction_accuracy::VARCHAR::DOUBLE AS prediction_accuracy
        )
        FROM load_balancer_metrics ORDER BY id
    ) TO '{}' (FORMAT json)
"""


def main():
    words = argparse.ArgumentParser(
        description="Loads metrics rows (JSON lines) into a DuckDB file, as often as you like.",
        epilog="Exit status: 1 if lines were refused, 2 if nothing could be done.",
    )
    words.add_argument("database", metavar="METRICS.duckdb", help="made where there is none")
    words.add_argument("rows", metavar="ROWS.jsonl", nargs="*", help="files to load what is new in")
    words.add_argument("--query", type=int, choices=(1, 2, 3), help="print the answer to one of queries.sql")
    words.add_argument("--export", metavar="OTHER.jsonl", help="write the table's rows to a new file")
    words = words.parse_args()
    try:
        with duckdb.connect(words.database) as db:
            make_tables(db)
            refused = sum(load(db, file) for file in words.rows)
            if words.query:
                db.sql((HERE / "queries.sql").read_text().split(";")[words.query - 1]).show(max_rows=1000)
            if words.export:
                export(db, words.export)
    except (OSError, duckdb.Error) as error:
        print(f"load.py: {error}", file=sys.stderr)
        return 2
    return 1 if refused else 0


def make_tables(db):
    table, files = db.extract_statements((HERE / "metrics.sql").read_text())
    db.begin()
    if not db.execute("FROM duckdb_tables() WHERE table_name = 'load_balancer_metrics'").fetchall():
        db.execute(table)
    db.execute(files)
    db.commit()


def load(db, file):
    """Loads what is new in a file, a block of lines per transaction; how many lines were refused."""
    name, refused, before = os.path.realpath(file), 0, count(db)
    with open(file, "rb") as rows:
        offset, lines = resume(db, name, rows)
        while block := whole_lines(rows, offset):
            db.begin()
            # Bytes that are no UTF-8 become what is no JSON.
            db.execute("SET VARIABLE lines = $1", [block.decode(errors="backslashreplace")])
            db.execute((HERE / "load.sql").read_text())
            # Told before it is noted: after a kill perhaps twice, but not never.
            for number, field, value, reason in db.execute("FROM refused ORDER BY number").fetchall():
                refused += 1
                tell(file, lines + number, f"{field}: {start(value)} {reason}")
            offset, lines = offset + len(block), lines + block.count(b"\n")
            noted = [name, offset, lines, digest(rows, offset)]
            db.execute("INSERT OR REPLACE INTO load_balancer_files VALUES ($1, $2, $3, $4)", noted)
            db.commit()
        rows.seek(offset)
        torn = rows.readline().decode(errors="replace").strip()
        if torn:
            tell(file, lines + 1, f"not finished, left for later: {start(torn)}")
    print(f"{file}: {count(db) - before} new rows, {refused} lines refused")
    return refused


def resume(db, name, rows):
    """Where to go on in a file: the offset, and how many lines have ended before it."""
    found = db.execute("SELECT bytes, lines, tail FROM load_balancer_files WHERE file = $1", [name]).fetchall()
    if not found:
        return 0, 0
    offset, lines, tail = found[0]
    if digest(rows, offset) != tail:
        print(f"{name} is not the file it was: read from its beginning", file=sys.stderr)
        return 0, 0
    return offset, lines


def whole_lines(rows, offset):
    """A block of lines from here on, without the last one of the file while that is not finished."""
    rows.seek(offset)
    block = rows.read(BLOCK) + rows.readline()
    end = block.rfind(b"\n") + 1
    try:
        # No beginning of a row is a row: one that lacks nothing but its newline is finished.
        json.loads(block[end:])
        return block
    except ValueError:
        return block[:end]


def digest(rows, offset):
    start = max(offset - TAIL, 0)
    rows.seek(start)
    return hashlib.sha256(rows.read(offset - start)).hexdigest()


def count(db):
    return db.execute("SELECT count(*) FROM load_balancer_metrics").fetchall()[0][0]


def export(db, file):
    with open(file, "x"):  # never over another file
        pass
    db.execute(EXPORT.format(file.replace("'", "''")))


def tell(file, line, what):
    print(f"{file}:{line}: {what}", file=sys.stderr, flush=True)


def start(value):
    """As much of a value as fits a line."""
    text = "(nothing)" if value is None else "".join(c if c.isprintable() else "?" for c in value.strip())
    return text if len(text) <= 60 else text[:60] + "..."


if __name__ == "__main__":
    sys.exit(main())
