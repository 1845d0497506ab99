"""The offline teacher's Batch API: files and batches in memory, done the second time one looks.

A line of the results misbehaves where the same question would live, in the ways that a batch has: a
line with 429 or 500, or one that ran out of time. Results come in an order of their own.
"""

import json
from secrets import token_hex
from time import time
from typing import TYPE_CHECKING, Any

from stages.core.digest import digest

if TYPE_CHECKING:
    from aiohttp import web

    from stages.core.asking.offline.server import Offline

ENDPOINT = "/v1/chat/completions"
LARGEST = 2**28  # bytes of a request: a file of 200 MB fits


class Batches:
    """Files and batches.

    files:   file id -> bytes
    batches: batch id -> the batch, in the order of their creation
    """

    def __init__(self, teacher: "Offline") -> None:
        self.teacher = teacher
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}

    def add_to(self, app: "web.Application") -> None:
        """Serve the endpoints."""
        app.router.add_post("/v1/files", self.upload)
        app.router.add_get("/v1/files/{file}/content", self.content)
        app.router.add_post("/v1/batches", self.create)
        app.router.add_get("/v1/batches", self.listing)
        app.router.add_get("/v1/batches/{batch}", self.retrieve)
        app.router.add_post("/v1/batches/{batch}/cancel", self.cancel)

    async def upload(self, request: "web.Request") -> "web.Response":
        """Keep a file."""
        from aiohttp import web

        form = await request.post()
        uploaded = form.get("file")
        if not isinstance(uploaded, web.FileField) or form.get("purpose") != "batch":
            return refused(400, "a file with the purpose `batch` is needed")
        with uploaded.file as content:
            file = self._keep(content.read())
        return web.json_response(
            {"id": file, "object": "file", "bytes": len(self.files[file]), "purpose": "batch",
             "created_at": int(time()), "filename": uploaded.filename, "status": "processed"}
        )  # fmt: skip

    async def content(self, request: "web.Request") -> "web.Response":
        """Hand a file back."""
        from aiohttp import web

        kept = self.files.get(request.match_info["file"])
        return refused(404, "no such file") if kept is None else web.Response(body=kept)

    async def create(self, request: "web.Request") -> "web.Response":
        """Take a batch in; what is wrong with its file fails it when it is looked at."""
        from aiohttp import web

        asked = await request.json()
        if asked.get("input_file_id") not in self.files or asked.get("endpoint") != ENDPOINT:
            return refused(400, "no such file, or not an endpoint for batches")
        batch = {
            "id": f"batch_{token_hex(8)}", "object": "batch", "endpoint": ENDPOINT,
            "completion_window": asked["completion_window"], "created_at": int(time()),
            "input_file_id": asked["input_file_id"], "metadata": asked.get("metadata"),
            "status": "validating", "output_file_id": None, "error_file_id": None, "errors": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }  # fmt: skip
        self.batches[batch["id"]] = batch
        return web.json_response(batch)

    async def listing(self, request: "web.Request") -> "web.Response":
        """List the batches, the newest first, a page at a time."""
        from aiohttp import web

        ids = list(reversed(self.batches))
        after, limit = request.query.get("after"), int(request.query.get("limit", 20))
        begin = ids.index(after) + 1 if after in ids else 0
        page = [self.batches[each] for each in ids[begin : begin + limit]]
        more = begin + limit < len(ids)
        return web.json_response({"object": "list", "data": page, "has_more": more})

    async def retrieve(self, request: "web.Request") -> "web.Response":
        """Tell how far a batch is, and bring it on."""
        from aiohttp import web

        batch = self.batches.get(request.match_info["batch"])
        if batch is None:
            return refused(404, "no such batch")
        if batch["status"] == "validating":
            self.validate(batch)
        elif batch["status"] == "in_progress":
            self.finish(batch, "completed", batch["request_counts"]["total"])
        return web.json_response(batch)

    async def cancel(self, request: "web.Request") -> "web.Response":
        """End a batch; the first half of it has been answered."""
        from aiohttp import web

        batch = self.batches.get(request.match_info["batch"])
        if batch is None:
            return refused(404, "no such batch")
        if batch["status"] in ("validating", "in_progress"):
            self.validate(batch)
            if batch["status"] == "in_progress":
                self.finish(batch, "cancelled", batch["request_counts"]["total"] // 2)
        return web.json_response(batch)

    def validate(self, batch: dict[str, Any]) -> None:
        """Begin with a batch, or fail it with what is wrong."""
        try:
            ids = [line["custom_id"] for line in self._lines(batch)]
        except (ValueError, TypeError, KeyError) as error:
            wrong = {"code": "invalid_json_line", "message": f"a line is no request: {error}"}
        else:
            batch |= {"status": "in_progress"}
            batch["request_counts"] |= {"total": len(ids)}
            if ids and len(set(ids)) == len(ids):
                return
            wrong = {"code": "duplicate_custom_id", "message": "the ids are not one a line"}
        batch |= {"status": "failed", "errors": {"object": "list", "data": [wrong]}}

    def finish(self, batch: dict[str, Any], status: str, count: int) -> None:
        """Answer the first `count` questions of a batch and end it."""
        outputs, errors = [], []
        for number, line in enumerate(self._lines(batch)):
            late = status if number >= count else None
            response, error = self.outcome(line["body"], late)
            result = {"id": f"batch_req_{number}", "custom_id": line["custom_id"],
                      "response": response, "error": error}  # fmt: skip
            right = response is not None and response["status_code"] == 200
            (outputs if right else errors).append(result)
        for kind, results in (("output_file_id", outputs), ("error_file_id", errors)):
            results.sort(key=lambda result: digest(result["custom_id"]))
            text = "".join(json.dumps(result, ensure_ascii=False) + "\n" for result in results)
            batch[kind] = self._keep(text.encode()) if results else None
        batch |= {"status": status}
        batch["request_counts"] |= {"completed": len(outputs), "failed": len(errors)}

    def outcome(
        self, asked: dict[str, Any], late: str | None
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Return the response to one question, or the error that took its place."""
        fault = None if late else self.teacher.attempted(asked["messages"])
        if late or fault == "cut":
            code = f"batch_{late or 'expired'}"
            return None, {"code": code, "message": "This request could not be executed in time."}
        status, body = 200, self.teacher.reply(asked)
        if body is None:
            status, body = 400, {"error": {"message": "the offline teacher has no truth for this"}}
        elif fault == "rate_limited":
            status, body = 429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
        elif fault == "failing":
            status, body = 500, {"error": {"message": "internal"}}
        return {"status_code": status, "request_id": "", "body": body}, None

    def _keep(self, content: bytes) -> str:
        file = f"file-{token_hex(8)}"
        self.files[file] = content
        return file

    def _lines(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]


def refused(status: int, message: str) -> "web.Response":
    """Spell a refusal as the API does."""
    from aiohttp import web

    return web.json_response({"error": {"message": message, "code": None}}, status=status)
