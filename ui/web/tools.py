"""The endpoints as tools of MCP, beside what gradio's MCP server does itself.

That server calls the page over HTTP as a client of its own, and hands out what it hears as
Python's notation; here it gets the secret that the guard lets in, and tells results as JSON and
files as addresses.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
from gradio_client import Client
from gradio_client.utils import is_file_obj_with_meta

from ui.web.folders import SHOWN


def let_in(page: gr.Blocks, inside: str) -> None:
    """Make the MCP server of a running page work behind the guard that knows `inside`."""
    server = page.mcp_server_obj
    assert server is not None
    server._client_instance = Client(
        page.local_url,
        download_files=False,
        verbose=False,
        analytics_enabled=False,
        _skip_components=False,
        headers={"x-freckle-inside": inside, "x-gradio-user": "mcp"},
    )
    silent, told = server._execute_tool_without_progress, server._execute_tool_with_progress

    async def without_progress(job: Any) -> list[Any]:
        (result,) = await silent(job)
        return _readable(result if isinstance(result, list | tuple) else [result])

    async def with_progress(job: Any, token: Any) -> list[Any]:
        return _readable(await told(job, token))

    server._execute_tool_without_progress = without_progress
    server._execute_tool_with_progress = with_progress


def _readable(outputs: Any) -> list[Any]:
    """Files without their place, so that their address is told; all else as JSON."""
    return [
        {**one, "path": SHOWN} if is_file_obj_with_meta(one) else json.dumps(one) for one in outputs
    ]
