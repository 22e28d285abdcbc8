// Runs the subscribers of a trial: it opens what its plan says, takes the time of each event first of all, and hands over
// in batches what came when. It must not know what becomes of it, nor when a trial begins or ends.
//
// It says lines, several in a message: see message.rs. Times are milliseconds of performance.now().
'use strict';

/** How long what has come waits for more, before it is handed over. */
const FLUSH_MS = 20;

/** What of a payload is handed over: its stamp. */
const STAMP_CHARACTERS = 46;

/** Why one may wait. */
const LIMIT = 'browsers open only some to one origin over HTTP/1.1, and HTTP/2 has no such limit';

const control = new WebSocket(`${location.href.replace('http', 'ws')}control`);
let plan;

/** When the first of them was answered. */
let firstAnswer;

/** Lines that are to be handed over, and the timer that does it. */
let lines = [];
let timer;

/** Events that were handled so far, and how long that took. */
const cost = { events: 0, ms: 0 };

function flush() {
  clearTimeout(timer);
  timer = undefined;
  if (control.readyState !== WebSocket.OPEN) return;
  lines.push(`cost ${cost.events} ${cost.ms.toFixed(3)}`);
  control.send(lines.join('\n'));
  lines = [];
}

function sayNow(line) {
  lines.push(line);
  flush();
}

/** An event of a subscriber, which came at `at`. */
function take(subscriber, at, name, payload) {
  const stamp = payload.slice(0, STAMP_CHARACTERS);
  const isLagged = name.split('/').at(-1) === 'lagged';
  const when = `${subscriber.number} ${at.toFixed(3)}`;
  lines.push(isLagged ? `lagged ${when}` : `event ${when} ${stamp}`);
  timer ??= setTimeout(flush, FLUSH_MS);
}

/** So many events were handled, which came at `at`. */
function handled(events, at) {
  cost.events += events;
  cost.ms += performance.now() - at;
}

/** A subscriber is subscribed. How long that took, nobody knows of one that asks: its first answer is more than that. */
function opened(subscriber, hasAsked = false) {
  const now = performance.now();
  const took = hasAsked ? '' : ` ${(now - subscriber.since).toFixed(3)}`;
  subscriber.isOpen = true;
  sayNow(`open ${subscriber.number} ${now.toFixed(3)}${took}`);
}

/** A subscriber is no longer subscribed: it is `away` and comes back by itself, or `lost` until it is told to. */
function ended(how, subscriber, reason) {
  subscriber.isOpen = false;
  sayNow(`${how} ${subscriber.number} ${performance.now().toFixed(3)} ${reason}`);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Where a subscriber goes on behind what it has. */
function url(subscriber, more = '') {
  return `${subscriber.urls[subscriber.place]}?after=${subscriber.after}${more}`;
}

/** Something that another attempt does not change. */
class Refused extends Error {}

/** Asks once for what is new. */
async function ask(subscriber, more) {
  const response = await fetch(url(subscriber, more), { cache: 'no-store' });
  if (response.status === 204) return;
  const text = await response.text();
  const at = performance.now();
  if (!response.ok) {
    const reason = `the server answered ${response.status}: ${text.split('\n', 1)[0]}`;
    throw [502, 503, 504].includes(response.status) ? new Error(reason) : new Refused(reason);
  }
  const { events } = JSON.parse(text);
  // As text: an id may be larger than what a number holds exactly. Before anything is taken, which would come again
  // otherwise.
  const [, last] = /"last_event_id":(\d+)\}$/.exec(text) ?? [];
  if (last === undefined) throw new Refused('the server answered without "last_event_id" at the end');
  subscriber.after = last;
  for (const { event = 'message', data } of events) take(subscriber, at, event, data);
  handled(events.length, at);
}

/** The ways to subscribe. Each ends with why it cannot go on. */
const ways = {
  async polling(subscriber) {
    await ask(subscriber);
    // A poll is a connection and a request, and nobody sees which took how long.
    opened(subscriber, true);
    for (;;) {
      // Slots that have passed are left out.
      const passed = Math.ceil((performance.now() - subscriber.slot) / plan.interval_ms);
      subscriber.slot += Math.max(passed, 0) * plan.interval_ms;
      await sleep(subscriber.slot - performance.now());
      await ask(subscriber);
      subscriber.slot += plan.interval_ms;
    }
  },

  async 'long-polling'(subscriber) {
    const held = subscriber.isNew ? plan.held_ms : 1;
    await ask(subscriber, `&timeout_ms=${held}`);
    firstAnswer ??= performance.now();
    const late = performance.now() - firstAnswer;
    // Whoever was asked only when the first one was answered is held as long as that once more.
    if (subscriber.isNew && plan.shows_waiting && late > 0.9 * held) {
      const how = `${late.toFixed(0)} ms after the first one was, and each was held for ${held} ms`;
      throw new Refused(`its first long poll was answered ${how}, so it probably waited for a connection: ${LIMIT}`);
    }
    opened(subscriber, true);
    await ask(subscriber, `&timeout_ms=${subscriber.first_timeout_ms}`);
    for (;;) await ask(subscriber, `&timeout_ms=${plan.timeout_ms}`);
  },

  sse(subscriber) {
    return new Promise((_, reject) => {
      const source = new EventSource(url(subscriber));
      source.onopen = () => opened(subscriber);
      const receive = (event) => {
        const at = performance.now();
        subscriber.after = event.lastEventId;
        take(subscriber, at, event.type, event.data);
        handled(1, at);
      };
      for (const name of subscriber.names) source.addEventListener(name, receive);
      source.onerror = () => {
        const reason = 'the event stream broke';
        // It comes back by itself, always to the same server.
        const goesOn = !subscriber.isOpen && subscriber.urls.length > 1;
        if (source.readyState === EventSource.CLOSED || goesOn) {
          source.close();
          reject(new Error(reason));
        } else {
          ended('away', subscriber, reason);
        }
      };
    });
  },

  websocket(subscriber) {
    return new Promise((_, reject) => {
      const socket = new WebSocket(url(subscriber).replace('http', 'ws'), 'pushbench.v1');
      socket.onopen = () => opened(subscriber);
      socket.onmessage = ({ data }) => {
        const at = performance.now();
        const end = data.indexOf('\n');
        const [id, name = 'message'] = data.slice(0, end).split(' ');
        subscriber.after = id;
        take(subscriber, at, name, data.slice(end + 1, end + 1 + STAMP_CHARACTERS));
        handled(1, at);
      };
      socket.onclose = ({ code }) => reject(new Error(`the WebSocket closed with code ${code}`));
    });
  },

  async webtransport(subscriber) {
    const value = new Uint8Array(plan.certificate);
    const session = new WebTransport(url(subscriber), {
      serverCertificateHashes: [{ algorithm: 'sha-256', value }],
    });
    // That it ends, its stream says.
    session.closed.catch(() => {});
    await session.ready;
    const streams = session.incomingUnidirectionalStreams.getReader();
    const { value: stream, done: hasEnded } = await streams.read();
    if (hasEnded) throw new Error('the session ended without a stream');
    opened(subscriber);
    const pieces = stream.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { value: piece, done } = await pieces.read();
      const at = performance.now();
      if (done) throw new Error('the stream of the session ended');
      const blocks = (text + piece).split('\n\n');
      text = blocks.pop();
      let events = 0;
      for (const block of blocks) {
        const [, data] = /^data: ?(.*)$/m.exec(block) ?? [];
        if (data === undefined) continue;
        const [, id] = /^id: ?(\d+)$/m.exec(block) ?? [];
        const [, name] = /^event: ?(.*)$/m.exec(block) ?? [undefined, 'message'];
        subscriber.after = id ?? subscriber.after;
        take(subscriber, at, name, data);
        events += 1;
      }
      handled(events, at);
    }
  },
};

/** Runs a subscriber, which comes back as often as it loses what it has. */
async function run(subscriber) {
  for (;;) {
    subscriber.since = performance.now();
    let reason;
    try {
      reason = await ways[plan.way](subscriber);
    } catch (error) {
      reason = error;
    }
    const words = String(reason?.message ?? reason).replaceAll('\n', ' ');
    if (reason instanceof Refused) {
      sayNow(`failed ${subscriber.number} ${words}`);
      return;
    }
    if (!subscriber.isOpen) subscriber.place = (subscriber.place + 1) % subscriber.urls.length;
    const told = new Promise((resolve) => (subscriber.comeBack = resolve));
    ended('lost', subscriber, words);
    subscriber.isNew = false;
    await told;
  }
}

function start(text) {
  plan = JSON.parse(text);
  const epoch = performance.now();
  plan.subscribers.forEach((subscriber, number) => {
    const slot = epoch + subscriber.phase_ms;
    Object.assign(subscriber, { number, slot, place: 0, after: '0', isNew: true, isOpen: false });
    run(subscriber);
  });
}

/** The least step of the clock. */
function resolution() {
  let least = Infinity;
  for (let step = 0; step < 50; step += 1) {
    const begin = performance.now();
    let now = begin;
    while (now === begin) now = performance.now();
    least = Math.min(least, now - begin);
  }
  return least;
}

/** What goes wrong in the page itself ends the trial. */
function broken(reason) {
  sayNow(`broken ${String(reason?.message ?? reason).replaceAll('\n', ' ')}`);
}

addEventListener('error', ({ error, message }) => broken(error ?? message));
addEventListener('unhandledrejection', ({ reason }) => broken(reason));

control.onopen = () => sayNow(`page ${resolution().toFixed(6)}`);

control.onmessage = ({ data }) => {
  const now = performance.now();
  const end = data.indexOf(' ');
  const rest = data.slice(end + 1);
  switch (data.slice(0, end)) {
    case 'ping':
      control.send(`pong ${rest} ${now.toFixed(3)}`);
      break;
    case 'plan':
      start(rest);
      break;
    case 'again': {
      const [number, ms] = rest.split(' ').map(Number);
      setTimeout(() => plan.subscribers[number].comeBack(), ms);
      break;
    }
  }
};
