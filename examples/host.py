"""A host in another language: it runs the engine as `replay -` and completes migrations through the pipe.

    cargo build --release --example replay && python3 examples/host.py target/release/examples/replay
"""
import json
import subprocess
import sys

engine = subprocess.Popen([sys.argv[1], "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def tell(message):
    engine.stdin.write(json.dumps(message) + "\n")
    engine.stdin.flush()
    return json.loads(engine.stdout.readline())


tasks = {task: {"on": 1, "cores": 1.5} for task in range(1, 10)}  # all on worker 1
for now in range(30_000, 330_000, 30_000):
    used = {w: sum(t["cores"] for t in tasks.values() if t["on"] == w) for w in (1, 2, 3)}
    workers = [{"id": w, "capacity": {"cpu": 15.0}, "used": {"cpu": used[w]}} for w in used]
    listed = [{"id": i, "placement": {"on": t["on"]}, "demand": {"cpu": t["cores"]}} for i, t in tasks.items()]
    outcome = tell({"tick": {"at": now, "workers": workers, "tasks": listed}})["outcome"]
    print(f"{now // 1000:4} s  cores used {used}", *[f"{c['task']}: {c['action']}" for c in outcome["commands"]])
    for command in outcome["commands"]:
        migration = {"migration": command["migration"]}
        reply = tell({"report": {"at": now + 1_000, "event": {"released": migration}}})["reply"]
        tasks[command["task"]]["on"] = reply["commands"][0]["action"]["assign"]["to"]
        tell({"report": {"at": now + 2_000, "event": {"running": migration}}})

loads = [sum(t["cores"] for t in tasks.values() if t["on"] == w) / 15.0 for w in (1, 2, 3)]
assert max(loads) <= 0.85, loads
print("balanced:", loads)
