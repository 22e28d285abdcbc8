// A chat with `ws`: whoever says something says it over the same kind of connection as everybody else.
// Usage: node chat.mjs PORT
import { WebSocketServer } from 'ws';

const rooms = new Map(); // name -> Set of sockets

const sockets = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]) });
sockets.on('connection', (socket) => {
    const joined = new Set();
    socket.on('error', console.error);
    socket.on('close', () => joined.forEach((room) => rooms.get(room).delete(socket)));
    socket.on('message', (data) => {
        const { type, room, text } = JSON.parse(data);
        if (!rooms.has(room)) rooms.set(room, new Set());
        if (type === 'join') {
            rooms.get(room).add(socket);
            joined.add(room);
            socket.send(JSON.stringify({ type: 'joined', room }));
        } else if (type === 'say') {
            const line = JSON.stringify({ type: 'line', room, text });
            for (const member of rooms.get(room)) member.send(line);
            socket.send(JSON.stringify({ type: 'said' }));
        }
    });
});
