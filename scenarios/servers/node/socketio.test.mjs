// What Socket.IO loses over long polling, whoever asks: an answer counts as received when it is written, also to a
// connection that has gone. The session goes on then, so that nobody recovers it. Where this fails with a later version,
// reconnect.toml can hold recovery over long polling against its promise.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import test from 'node:test';
import { Server } from 'socket.io';

test('Socket.IO forgets what it has written to a poll whose connection has gone', async (t) => {
    const server = http.createServer().listen(0, '127.0.0.1');
    const io = new Server(server, { connectionStateRecovery: {} });
    t.after(() => {
        io.close();
        server.closeAllConnections();
    });
    await once(server, 'listening');
    const url = `http://127.0.0.1:${server.address().port}/socket.io/?EIO=4&transport=polling`;
    const ask = async (query, body) => {
        const answer = await fetch(url + query, body ? { method: 'POST', body } : {});
        return [answer.status, await answer.text()];
    };
    const [, opened] = await ask('');
    const session = `&sid=${JSON.parse(opened.slice(1)).sid}`;
    await ask(session, '40');
    assert.match((await ask(session))[1], /^40/);

    const asked = once(server, 'request');
    const poll = assert.rejects(ask(session));
    const [{ socket }] = await asked;
    // The server learns of it in the next round of its event loop. Until then it writes.
    socket.destroy();
    io.emit('event', 'gone');
    await poll;
    io.emit('event', 'next');
    const [status, messages] = await ask(session);
    assert.equal(status, 200, 'the session goes on');
    assert.match(messages, /"next"/);
    assert.doesNotMatch(messages, /"gone"/);
});
