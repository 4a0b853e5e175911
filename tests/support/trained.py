"""Short jobs that train, on real images, through the real run path."""

from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.jobs.recipe import Recipe
from bench.jobs.schedule import Gradual
from bench.pairs.preparing.dense import Dense
from bench.run.one_job import run_job
from methods import build, configuration

BUDGET = Budget(calibration_examples=50, backward_passes=500, recomputations=10, training_steps=110)


RECIPE = Recipe(epochs=2, batch=64, learning_rate=0.02)


def job(method: str, protocol: str, **changes) -> Job:
    few = {"samples": 50} if method == "woodfisher" else {}
    few |= {"interval": 10} if method in ("str", "rigl") else {}
    fields = {
        "pair": "mlpnet-mnist5k",
        "method": method,
        "hyperparameters": configuration(build(method, few)),
        "allocation": "global",
        "sparsity": 0.9,
        "seed": 0,
        "protocol": protocol,
        "training": RECIPE,
        "schedule": Gradual(end=1.5, frequency=0.25) if protocol == "gradual" else None,
        "budget": BUDGET,
    }
    return Job(**(fields | changes))


def run(job: Job, dense: Dense, **more):
    return run_job(job, dense, "study", job.method, **more)
