"""Capacity: bounds as curves, their theorems, and experiments that a server runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from hdc.apps.serve.answers import answer
from hdc.apps.serve.bodies import body_of, described, failures
from hdc.apps.serve.capacity import Setting, answered, choices
from hdc.apps.serve.indexes import Served
from hdc.apps.serve.models import Body
from hdc.apps.serve.trials import MOST_TRIALS, Trials


class Asked(Body):
    """An experiment: the setting, as the query of /api/capacity/bounds has it, and the trials per point."""

    setting: dict[str, str | int | float | bool]
    trials: Annotated[int, Field(ge=1, le=MOST_TRIALS)] = 256


def router(served: Served) -> APIRouter:
    """Return the routes."""
    trials = Trials()

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        trials.cancel()

    routes = APIRouter(lifespan=lifespan)

    @routes.get("/api/capacity", responses=failures())
    async def tasks() -> Response:
        """List what can be asked."""
        return answer(choices())

    @routes.get("/api/capacity/bounds", responses=failures())
    async def bounds(request: Request) -> Response:
        """Return the dimension that each bound asks for, as curves, with theorems, and the storage of all models."""
        asked = dict(request.query_params)
        setting, axis = Setting.of(asked), asked.get("axis", "items")
        return answer(await served.run(lambda: answered(setting, axis)))

    @routes.get("/api/capacity/experiment", responses=failures())
    async def latest() -> Response:
        """Return the points of the experiment that began last."""
        run = trials.latest()
        return answer(None if run is None else await served.run(run.to_json))

    @routes.post(
        "/api/capacity/experiment", status_code=202, openapi_extra=described(Asked), responses=failures(409, 413, 422)
    )
    async def start(request: Request) -> Response:
        """Begin an experiment."""
        asked = await body_of(request, Asked, served.limits)
        setting = Setting.of({name: _text(value) for name, value in asked.setting.items()})
        run = await served.run(lambda: trials.start(setting, asked.trials))
        return answer(await served.run(run.to_json), 202)

    @routes.delete("/api/capacity/experiment", responses=failures())
    async def cancel() -> Response:
        """Call off the experiment that is running."""
        await served.run(trials.cancel)
        run = trials.latest()
        return answer(None if run is None else await served.run(run.to_json))

    return routes


def _text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
