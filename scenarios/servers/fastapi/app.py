"""FastAPI: Server-Sent Events with sse-starlette, and a WebSocket.

Usage: uvicorn --app-dir fastapi app:app --port PORT
"""

import asyncio
from collections import defaultdict

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from sse_starlette import EventSourceResponse

app = FastAPI()
queues = defaultdict(set)  # channel -> the queue of each SSE subscriber
sockets = defaultdict(set)  # channel -> the WebSockets


@app.post("/publish/{channel}", status_code=204)
async def publish(channel: str, request: Request):
    payload = (await request.body()).decode()
    for queue in queues[channel]:
        queue.put_nowait(payload)
    for socket in list(sockets[channel]):
        await socket.send_text(payload)
    return Response(status_code=204)


@app.get("/events/{channel}")
async def events(channel: str):
    queue = asyncio.Queue()
    queues[channel].add(queue)

    async def stream():
        try:
            while True:
                yield {"data": await queue.get()}
        finally:
            queues[channel].discard(queue)

    return EventSourceResponse(stream())  # with a ping every 15 s


@app.websocket("/ws/{channel}")
async def websocket(socket: WebSocket, channel: str):
    await socket.accept()
    sockets[channel].add(socket)
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        sockets[channel].discard(socket)
