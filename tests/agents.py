"""A session of an agent with the tools of ``hdc serve --mcp``, by the official client, as a transcript."""

import asyncio
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
WIDTH = 118
"""Characters of a line of a transcript; what is cut ends in ``…``."""


def session(arguments, calls):
    """Return the tools of a server that is run as a subprocess, and (text, whether it is an error) of each call."""
    from mcp import Client, StdioServerParameters

    environment = {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "hdc.apps.start", "serve", *arguments, "--mcp"], env=environment
    )

    async def run():
        async with Client(server) as client:
            tools = (await client.list_tools()).tools
            answers = [await client.call_tool(name, given) for name, given in calls]
            return tools, [(answer.content[0].text, bool(answer.is_error)) for answer in answers]

    return asyncio.run(run())


def transcript(calls, answers):
    """Return calls and their answers as text."""
    lines = []
    for (name, given), (text, wrong) in zip(calls, answers, strict=True):
        lines += [f"> {name} {json.dumps(given)}", *(["(tool error)"] if wrong else []), *text.splitlines(), ""]
    return "\n".join(line if len(line) <= WIDTH else line[:WIDTH] + "…" for line in lines)


def calls_of(shown):
    """Return the calls of a transcript."""
    asked = [line[2:].split(" ", 1) for line in shown.splitlines() if line.startswith("> ")]
    return [(name, json.loads(given)) for name, given in asked]
