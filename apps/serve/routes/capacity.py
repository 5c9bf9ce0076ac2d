"""Capacity: bounds as curves, their theorems, and experiments that a server runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hdc import bounds
from hdc.apps.serve import models, page_results
from hdc.apps.serve.answers import answer
from hdc.apps.serve.bodies import body_of
from hdc.apps.serve.capacity import AXES, Setting, answered, choices
from hdc.apps.serve.description import answers, described
from hdc.apps.serve.indexes import Served
from hdc.apps.serve.trials import Trials

NUMBERS = {
    "items": (200, "Items that are stored together."),
    "universe": (1_000_000, "Symbols that items are drawn from."),
    "error": (0.001, "Probability of a wrong answer that you accept."),
}


def _parameters() -> list[dict[str, Any]]:
    """Return what OpenAPI says of the parameters of bounds."""

    def one(name: str, description: str, **schema: Any) -> dict[str, Any]:
        return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}

    numbers = [
        one(name, text, type="integer" if isinstance(default, int) else "number", default=default)
        for name, (default, text) in NUMBERS.items()
    ]
    return [
        one("task", "What is asked of a bundle.", type="string", enum=list(bounds.TASKS), default="membership"),
        one("model", "The model.", type="string", enum=list(bounds.MODELS), default="MAP-B"),
        *numbers,
        one("axis", "What the curves run along.", type="string", enum=list(AXES), default="items"),
    ]


def router(served: Served) -> APIRouter:
    """Return the routes."""
    trials = Trials()

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        trials.cancel()

    routes = APIRouter(tags=["capacity"], lifespan=lifespan)

    @routes.get("/api/capacity", responses=answers(page_results.Choices))
    async def capacity_choices() -> Response:
        """List the tasks, models and bounds.

        Returns what the other operations of this group take, with ranges and defaults.
        """
        return answer(choices())

    @routes.get(
        "/api/capacity/bounds",
        openapi_extra={"parameters": _parameters()},
        responses=answers(page_results.Bounds),
    )
    async def capacity_bounds(request: Request) -> Response:
        """Compute how many dimensions a task needs.

        Returns the dimension that each known bound asks for, with its theorem; the same along an axis; and the storage
        of all models. The options of a task are parameters too, such as ``depth=3`` for ``nested``.
        """
        asked = dict(request.query_params)
        setting, axis = Setting.of(asked), asked.get("axis", "items")
        return answer(await served.run(lambda: answered(setting, axis)))

    @routes.get("/api/capacity/experiment", responses=answers(page_results.Experiment | None))
    async def get_experiment() -> Response:
        """Return the latest experiment.

        Returns the state of the experiment that began last, with the points so far; null if there was none.
        """
        run = trials.latest()
        return answer(None if run is None else await served.run(run.to_json))

    @routes.post(
        "/api/capacity/experiment",
        status_code=202,
        openapi_extra=described(models.MakeExperiment),
        responses=answers(page_results.Experiment, 409, 413, 422, ok=202),
    )
    async def start_experiment(request: Request) -> Response:
        """Start an experiment.

        The server tries the task with random symbols at several dimensions, for at most 60 seconds. Read the points
        from ``GET /api/capacity/experiment`` meanwhile. One experiment runs at a time.
        """
        asked = await body_of(request, models.MakeExperiment, served.limits)
        setting = Setting.of({name: _text(value) for name, value in asked.setting.items()})
        run = await served.run(lambda: trials.start(setting, asked.trials))
        return answer(await served.run(run.to_json), 202)

    @routes.delete("/api/capacity/experiment", responses=answers(page_results.Experiment | None))
    async def cancel_experiment() -> Response:
        """Cancel the experiment that is running.

        Returns the latest experiment, whose points stay; null if there was none.
        """
        await served.run(trials.cancel)
        run = trials.latest()
        return answer(None if run is None else await served.run(run.to_json))

    return routes


def _text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
