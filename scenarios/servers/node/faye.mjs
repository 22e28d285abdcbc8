// Faye, which speaks the Bayeux protocol over WebSocket and by long polling at /faye.
// Usage: node faye.mjs PORT
import http from 'node:http';
import faye from 'faye';

const server = http.createServer(async (request, response) => {
    const [, route, channel] = request.url.split('/');
    if (request.method !== 'POST' || route !== 'publish') return response.writeHead(404).end();
    let payload = '';
    for await (const part of request.setEncoding('utf8')) payload += part;
    await bayeux.getClient().publish(`/${channel}`, payload);
    response.writeHead(204).end();
});

const bayeux = new faye.NodeAdapter({ mount: '/faye', timeout: 45 });
bayeux.attach(server); // takes what begins with /faye

server.listen(Number(process.argv[2]), '127.0.0.1');
