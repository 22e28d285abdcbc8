// The official SignalR client against the stub of a hub.
import test from 'node:test';
import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { inbox, receivesAll, start } from './support.mjs';

async function subscribed(t, server, options) {
    const connection = new HubConnectionBuilder()
        .withUrl(`${server.url}/hub`, options)
        .configureLogging(LogLevel.Error)
        .build();
    const received = inbox();
    // A handler that returns something would be answering.
    connection.on('event', (payload) => void received.push(payload));
    t.after(() => connection.stop());
    await connection.start();
    await connection.invoke('Subscribe', 'channel-0');
    return received;
}

for (const name of ['WebSockets', 'ServerSentEvents', 'LongPolling']) {
    test(`SignalR receives by ${name}`, async (t) => {
        const server = await start(t, 'signalr.mjs');
        const received = await subscribed(t, server, { transport: HttpTransportType[name] });
        await receivesAll(server, 'channel-0', received);
    });
}

test('SignalR receives by a WebSocket without negotiation', async (t) => {
    const server = await start(t, 'signalr.mjs');
    const options = { transport: HttpTransportType.WebSockets, skipNegotiation: true };
    await receivesAll(server, 'channel-0', await subscribed(t, server, options));
});
