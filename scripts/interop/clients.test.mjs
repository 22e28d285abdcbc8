// curl, the packages `ws` and `eventsource`, Node's `net`: each receives what another published.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { EventSource } from 'eventsource';
import { WebSocket } from 'ws';

import {
  Inbox,
  checkResume,
  openTcp,
  openWebSocket,
  parseMessage,
  publish,
  startServer,
} from './support.mjs';

let server;
before(async () => (server = await startServer()));
after(() => server?.stop());

/** Runs curl; `code` is its exit code, `status` that of the response. */
function curl(...args) {
  return new Promise((resolve) => {
    const flags = ['--silent', '--show-error', '--max-time', '10', '--write-out', '\n%{http_code}'];
    execFile('curl', [...flags, ...args], (error, stdout) => {
      const end = stdout.lastIndexOf('\n');
      const [body, status] = [stdout.slice(0, end), Number(stdout.slice(end + 1))];
      resolve({ code: error?.code ?? 0, status, body });
    });
  });
}

function openEventSource(url, channel, inbox, names = []) {
  const source = new EventSource(`${url}/channels/${channel}/sse?after=0`);
  for (const name of ['message', ...names]) {
    source.addEventListener(name, (e) => inbox.push(e.lastEventId, e.type, e.data));
  }
  return source;
}

const opened = (source) => new Promise((resolve) => source.addEventListener('open', resolve));

describe('curl long polling', { timeout: 30_000 }, () => {
  const path = (channel, query) => `${server.url}/channels/${channel}/long-poll?${query}`;

  test('is held until a WebSocket publishes', async () => {
    const held = curl(path('held', 'after=0'));
    const publisher = await openWebSocket(server.url, 'held');
    const early = await Promise.race([held, sleep(300)]);
    assert.equal(early, undefined, 'no answer before there is news');
    publisher.send('news');
    const { status, body } = await held;
    publisher.close();
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body), { events: [{ id: 1, data: 'news' }], last_event_id: 1 });
  });

  test('answers 204 when nothing comes', async () => {
    assert.deepEqual(await curl(path('quiet', 'timeout_ms=50')), { code: 0, status: 204, body: '' });
  });

  test('goes on from each of the places where the position may be', async () => {
    await publish(server.url, 'places', 'a\nb\nc', { query: '?split=lines' });
    const rest = { events: [{ id: 3, data: 'c' }], last_event_id: 3 };
    for (const args of [
      [path('places', 'after=2')],
      ['--header', 'Last-Event-ID: 2', path('places', '')],
      ['--header', 'X-Last-Event-Id: 2', path('places', '')],
    ]) {
      assert.deepEqual(JSON.parse((await curl(...args)).body), rest, args.join(' '));
    }
  });

  test('loses nothing when it is cut', () =>
    checkResume(server, 'curl-cut', (url, channel, inbox) => {
      let ended = false;
      const loop = (async () => {
        for (let last = 0; !ended; ) {
          const query = `after=${last}&timeout_ms=500`;
          const { code, status, body } = await curl(`${url}/channels/${channel}/long-poll?${query}`);
          // An answer that was cut off counts as none, and is asked for again.
          if (code !== 0 || status !== 200) continue;
          const { events, last_event_id } = JSON.parse(body);
          for (const { id, data } of events) inbox.push(id, 'message', data);
          last = last_event_id;
        }
      })();
      return () => {
        ended = true;
        return loop;
      };
    }));
});

describe('the package ws', { timeout: 30_000 }, () => {
  for (const protocols of [[], ['pushbench.v1'], ['other', 'pushbench.v1']]) {
    test(`receives text and binary when it offers [${protocols}]`, async () => {
      const channel = `ws-${protocols.length}`;
      const socket = await openWebSocket(server.url, channel, '?after=0', protocols);
      assert.equal(socket.protocol, protocols.length > 0 ? 'pushbench.v1' : '');
      const received = [];
      socket.on('message', (data, binary) => received.push({ binary, ...parseMessage(data) }));
      await publish(server.url, channel, 'two\nlines €');
      await publish(server.url, channel, 'up', { query: '?event=price' });
      const bytes = Buffer.from([0, 10, 255, 128]);
      await publish(server.url, channel, bytes, { type: 'application/octet-stream' });
      while (received.length < 3) await once(socket, 'message');
      assert.deepEqual(received, [
        { id: 1, event: 'message', payload: Buffer.from('two\nlines €'), binary: false },
        { id: 2, event: 'price', payload: Buffer.from('up'), binary: false },
        { id: 3, event: 'message', payload: bytes, binary: true },
      ]);
      socket.close(1000);
      const [code] = await once(socket, 'close');
      assert.equal(code, 1000);
    });
  }

  test('is refused when it offers another subprotocol only', async () => {
    const url = `${server.url.replace('http', 'ws')}/channels/other/ws`;
    const [request, response] = await once(new WebSocket(url, ['other']), 'unexpected-response');
    request.destroy();
    assert.equal(response.statusCode, 400);
  });

  test('publishes while it receives, whole and in fragments', async () => {
    const one = await openWebSocket(server.url, 'duplex');
    const other = await openWebSocket(server.url, 'duplex');
    const received = { one: [], other: [] };
    one.on('message', (data) => received.one.push(parseMessage(data).payload.toString()));
    other.on('message', (data) => received.other.push(parseMessage(data).payload.toString()));
    one.send('from one');
    while (received.other.length < 1) await once(other, 'message');
    other.send('frag', { fin: false });
    other.send('ments', { fin: true });
    while (received.one.length < 2) await once(one, 'message');
    while (received.other.length < 2) await once(other, 'message');
    assert.deepEqual(received.one, ['from one', 'fragments']);
    assert.deepEqual(received.other, received.one);
    one.close();
    other.close();
  });

  test('has its ping answered', async () => {
    const socket = await openWebSocket(server.url, 'ping');
    socket.ping('still there?');
    const [payload] = await once(socket, 'pong');
    assert.equal(payload.toString(), 'still there?');
    socket.close();
  });

  test('is pinged, and dropped when it does not answer', async () => {
    const impatient = await startServer('--heartbeat', '100ms');
    const mute = await openWebSocket(impatient.url, 'ping', '', [], { autoPong: false });
    const lively = await openWebSocket(impatient.url, 'ping');
    let pings = 0;
    lively.on('ping', () => (pings += 1));
    await once(mute, 'close');
    await once(lively, 'ping');
    assert.ok(pings >= 2);
    assert.equal(lively.readyState, WebSocket.OPEN);
    lively.close();
    await impatient.stop();
  });

  test('loses nothing when it is cut', () =>
    checkResume(server, 'ws-cut', (url, channel, inbox) => {
      let ended = false;
      let socket;
      let last = 0;
      const connect = () => {
        if (ended) return;
        socket = new WebSocket(
          `${url.replace('http', 'ws')}/channels/${channel}/ws?after=${last}`,
          'pushbench.v1',
        );
        socket.on('message', (data) => {
          const { id, event, payload } = parseMessage(data);
          inbox.push(id, event, payload.toString());
          last = id;
        });
        socket.on('error', () => {}).on('close', () => setTimeout(connect, 50));
      };
      connect();
      return () => {
        ended = true;
        socket.terminate();
      };
    }));
});

describe('the package eventsource', { timeout: 30_000 }, () => {
  test('receives several lines, names and binary', async () => {
    const inbox = new Inbox();
    const source = openEventSource(server.url, 'es', inbox, ['price', 'message;base64']);
    await opened(source);
    await publish(server.url, 'es', 'first\n\n: no comment\nlast');
    await publish(server.url, 'es', 'up', { query: '?event=price' });
    await publish(server.url, 'es', Buffer.from([0, 255]), { type: 'application/octet-stream' });
    await inbox.until(3);
    source.close();
    assert.deepEqual(inbox.events, [
      { id: 1, event: 'message', data: 'first\n\n: no comment\nlast' },
      { id: 2, event: 'price', data: 'up' },
      { id: 3, event: 'message;base64', data: 'AP8=' },
    ]);
  });

  test('loses nothing when it is cut', () =>
    checkResume(server, 'es-cut', async (url, channel, inbox) => {
      const source = openEventSource(url, channel, inbox);
      await opened(source);
      return () => source.close();
    }));
});

describe('raw TCP with net', { timeout: 30_000 }, () => {
  test('receives text, names and binary', async () => {
    const received = [];
    const socket = await openTcp(server.url, 'tcp', '?after=0', (message) => {
      received.push(message);
      socket?.emit('message');
    });
    await publish(server.url, 'tcp', 'two\nlines €');
    await publish(server.url, 'tcp', 'up', { query: '?event=price' });
    const bytes = Buffer.from([0, 10, 255, 128]);
    await publish(server.url, 'tcp', bytes, { type: 'application/octet-stream' });
    while (received.length < 3) await once(socket, 'message');
    socket.destroy();
    assert.deepEqual(received, [
      { id: 1, event: 'message', payload: Buffer.from('two\nlines €'), binary: false },
      { id: 2, event: 'price', payload: Buffer.from('up'), binary: false },
      { id: 3, event: 'message', payload: bytes, binary: true },
    ]);
  });

  test('publishes the frames that are sent', async () => {
    const received = [];
    const socket = await openTcp(server.url, 'tcp-sent', '', (message) => {
      received.push(message);
      socket.emit('message');
    });
    const frame = (payload, binary) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(payload.length + (binary ? 2 ** 31 : 0));
      return Buffer.concat([length, payload]);
    };
    const [text, bytes] = [Buffer.from('two\nlines €'), Buffer.from([0, 10, 255, 128])];
    const frames = Buffer.concat([frame(text, false), frame(bytes, true)]);
    socket.write(frames.subarray(0, 9));
    socket.write(frames.subarray(9));
    while (received.length < 2) await once(socket, 'message');
    socket.destroy();
    assert.deepEqual(received, [
      { id: 1, event: 'message', payload: text, binary: false },
      { id: 2, event: 'message', payload: bytes, binary: true },
    ]);
  });

  test('is refused without its upgrade', async () => {
    const response = await fetch(`${server.url}/channels/tcp/tcp`);
    assert.equal(response.status, 426);
    assert.equal(response.headers.get('upgrade'), 'pushbench-tcp');
    assert.match((await response.json()).error, /Upgrade: pushbench-tcp/);
  });

  test('is kept alive by empty frames', async () => {
    const lively = await startServer('--heartbeat', '100ms');
    const socket = await openTcp(lively.url, 'idle', '', () => assert.fail('there are no events'));
    await once(socket, 'heartbeat');
    await once(socket, 'heartbeat');
    socket.destroy();
    await lively.stop();
  });

  test('loses nothing when it is cut', () =>
    checkResume(server, 'tcp-cut', (url, channel, inbox) => {
      let ended = false;
      let socket;
      const loop = (async () => {
        for (let last = 0; !ended; await sleep(50)) {
          try {
            socket = await openTcp(url, channel, `?after=${last}`, ({ id, event, payload }) => {
              inbox.push(id, event, payload.toString());
              last = id;
            });
            await once(socket, 'close');
          } catch {
            // The line was cut: it comes back.
          }
        }
      })();
      return () => {
        ended = true;
        socket.destroy();
        return loop;
      };
    }));
});

test('one event reaches every kind of client', { timeout: 30_000 }, async () => {
  const inbox = new Inbox();
  const source = openEventSource(server.url, 'all', inbox);
  await opened(source);
  const socket = await openWebSocket(server.url, 'all');
  const message = once(socket, 'message');
  let framed;
  const tcp = await openTcp(server.url, 'all', '', ({ payload }) => (framed = payload.toString()));
  const poll = curl(`${server.url}/channels/all/long-poll?after=0`);
  const publisher = await openWebSocket(server.url, 'all');
  publisher.send('to all');
  await inbox.until(1);
  const [data] = await message;
  assert.equal(parseMessage(data).payload.toString(), 'to all');
  assert.equal(JSON.parse((await poll).body).events[0].data, 'to all');
  assert.equal(inbox.events[0].data, 'to all');
  while (framed === undefined) await once(tcp, 'data');
  assert.equal(framed, 'to all');
  tcp.destroy();
  source.close();
  socket.close();
  publisher.close();
});
