"""An event a second, for as long as somebody listens."""

import asyncio


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] != "/events":
        return await answer(send, 404, "text/plain", b"there is nothing but /events\n")
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    left = asyncio.create_task(gone(receive))
    second = 0
    while not left.done():
        event = f"id: {second}\ndata: {second}\n\n".encode()
        await send({"type": "http.response.body", "body": event, "more_body": True})
        await asyncio.wait([left], timeout=1)
        second += 1


async def gone(receive):
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer(send, status, kind, body):
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]})
    await send({"type": "http.response.body", "body": body})
