"""Does Prometheus' own client read what the engine writes for it?

    cargo run --example prometheus | python3 tests/prometheus.py

Exits with 1 if anything is not as it should be. Needs the package prometheus_client.
"""
import re
import sys

from prometheus_client.parser import text_string_to_metric_families

text = sys.stdin.read()
families = {family.name: family for family in text_string_to_metric_families(text)}
samples = [sample for family in families.values() for sample in family.samples]
labels = {label for sample in samples for label in sample.labels}
workers = {sample.labels["worker"] for sample in samples if "worker" in sample.labels}
value = {sample.name: sample.value for sample in samples if not sample.labels}
series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in samples]
lines = [line for line in text.splitlines() if not line.startswith("#")]

rules = {
    "every line is read": len(samples) == len(lines) > 20,
    "text ends with a line": text.endswith("\n"),
    "every family has its help and its type": all(
        family.documentation and family.type in ("gauge", "counter") for family in families.values()
    ),
    "names are in snake case, with the prefix": all(
        re.fullmatch(r"evenkeel(_[a-z]+)+", sample.name) for sample in samples
    ),
    "counters, and only they, end in _total": all(
        sample.name.endswith("_total") == (family.type == "counter")
        for family in families.values()
        for sample in family.samples
    ),
    "no series twice": len(series) == len(set(series)),
    "labels": labels == {"worker", "reason"},
    "names survive": workers == {'rack 3 "hot"', r"\\share\idle"},
    "what is unknown is left out": len(families["evenkeel_worker_load_ratio"].samples) == 2,
    "counters count": value["evenkeel_rounds_total"] == 12
    and value["evenkeel_migrations_initiated_total"]
    == value["evenkeel_migrations_failed_total"] + value["evenkeel_migrations_in_flight"] > 0
    and value["evenkeel_migrations_completed_total"] == 0,
    "the forecast is there": 0 <= value["evenkeel_forecast_confidence_ratio"] <= 1
    and len(families["evenkeel_worker_forecast_load_ratio"].samples) == 2,
    "loads": abs(value["evenkeel_load_max_ratio"] - (6.0 + 0.8 * 12) / 16) < 1e-12,
}
broken = [rule for rule, holds in rules.items() if not holds]
print(f"{len(families)} families, {len(samples)} samples: ", end="")
sys.exit("broken: " + ", ".join(broken) if broken else print("read as they should be"))
