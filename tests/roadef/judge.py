"""Judges batches of moves by the checker's own evaluation.

    judge.py SCORE MODEL INITIAL < batches

SCORE is the checker's file. Each line of the input is a batch: `process machine` pairs, all moved at once from the
initial assignment. For each a line says which constraints it breaks: as the instance has them, and, after a bar, with
every resource taken for transient.
"""
import importlib.util
import sys

score_path, model_path, initial_path = sys.argv[1:]
spec = importlib.util.spec_from_file_location("score", score_path)
score = importlib.util.module_from_spec(spec)
spec.loader.exec_module(score)

model = score.Model(model_path)
initial = score.read_assignment(initial_path, model)
flags = model.transient


def broken(new, transient):
    model.transient = transient
    violations, _, _ = score.evaluate(model, initial, new)
    return " ".join(sorted({violation.split(":")[0] for violation in violations}))


for line in sys.stdin:
    words = [int(word) for word in line.split()]
    new = initial[:]
    for process, machine in zip(words[::2], words[1::2]):
        new[process] = machine
    print(broken(new, flags), "|", broken(new, [True] * model.nr))
