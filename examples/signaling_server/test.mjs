// Devices that are not ours: node test.mjs SERVER [DIRECTORY], where SERVER is the built signaling_server.
//
// They speak by the package `ws` of npm: of the distribution (Debian: node-ws), or else installed into DIRECTORY.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import tls from 'node:tls';

const [program, directory] = [process.argv[2], resolve(process.argv[3] ?? '.')];
const patience = 10_000; // ms
const WebSocket = findWebSocket();
const hasIpv6 = Object.values(networkInterfaces()).flat().some((one) => one.address === '::1');

function findWebSocket() {
    const from = createRequire(`${directory}/node_modules/`);
    const find = () => {
        for (const name of ['/usr/share/nodejs/ws', 'ws']) {
            try {
                return from(name);
            } catch (error) {
                if (error.code !== 'MODULE_NOT_FOUND') throw error;
            }
        }
    };
    try {
        return find() ?? (execFileSync('npm', ['install', '--silent', '--no-save', '--prefix', directory, 'ws@8'],
            { stdio: 'ignore', timeout: 60_000 }), find());
    } catch (error) {
        console.log(`skipped: no package ws for node (Debian: node-ws), nor can it be installed: ${error.message}`);
        process.exit(0);
    }
}

function within(promise, what, ms = patience) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), ms);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The server under test. */
class Server {
    static all = [];
    static async start(options = [], environment = {}) {
        const server = new Server();
        server.process = spawn(program, options,
            { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'inherit'] });
        Server.all.push(server);
        server.exited = once(server.process, 'close');
        server.output = '';
        server.clients = [];
        const lines = createInterface({ input: server.process.stdout });
        server.port = await within(new Promise((resolve, reject) => {
            server.exited.then(([code]) => reject(new Error(`the server ended with ${code}`)));
            lines.on('line', (line) => {
                server.output += `${line}\n`;
                const [, port] = /^listening on port (\d+)$/.exec(line) ?? [];
                if (port) resolve(Number(port));
            });
        }), 'the server');
        server.certificate = server.output.slice(0, server.output.indexOf('listening'));
        return server;
    }

    /** An attempt of a device to connect. */
    connect(alias, { from = '127.0.0.1', path, ...more } = {}) {
        const d = Buffer.from(JSON.stringify(describe(alias))).toString('base64url');
        const host = from === '::1' ? '[::1]' : '127.0.0.1';
        const socket = new WebSocket(`wss://${host}:${this.port}${path ?? `/v1/ws?d=${d}`}`,
            { localAddress: from, ca: this.certificate, servername: 'localhost', ...more });
        socket.on('error', () => {}); // its end is what is looked at
        return socket;
    }
    /** A device that is connected. */
    async join(alias, more) {
        const device = new Device(alias, this.connect(alias, more));
        this.clients.push(device);
        device.hello = await device.next('HELLO');
        device.id = device.hello.client.id;
        return device;
    }
    /** What a device is told that is not let in: a status, or nothing. */
    async refusal(alias, more) {
        const socket = this.connect(alias, more);
        return within(new Promise((resolve, reject) => {
            socket.on('unexpected-response', (request, response) => {
                request.destroy();
                resolve({ status: response.statusCode, retryAfter: response.headers['retry-after'] });
            });
            socket.on('error', () => resolve({}));
            socket.on('open', () => reject(new Error(`${alias} was let in`)));
        }), `a refusal of ${alias}`);
    }

    /** All that it answers to these bytes, until it closes. */
    async talk(bytes) {
        const socket = tls.connect({ host: '127.0.0.1', port: this.port, ca: this.certificate, servername: 'localhost' });
        let answer = '';
        socket.on('data', (data) => { answer += data; });
        socket.on('error', () => {}); // its end is what is looked at
        socket.write(bytes);
        await within(new Promise((resolve) => socket.on('close', resolve)), 'the end of a connection');
        return answer;
    }

    /** Asks it to stop; its exit code and the milliseconds until then. */
    async stop() {
        const begin = performance.now();
        this.process.kill('SIGTERM');
        const [code, signal] = await within(this.exited, 'the end of the server');
        for (const client of this.clients) client.socket.terminate();
        return { code: code ?? signal, ms: performance.now() - begin };
    }
}

/** What a device says of itself. */
function describe(alias) {
    return { alias, version: '2.3', deviceModel: 'Node', deviceType: 'HEADLESS', token: `token of ${alias}` };
}

class Device {
    constructor(alias, socket) {
        this.alias = alias;
        this.socket = socket;
        this.messages = [];
        this.pings = 0;
        this.closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)));
        socket.on('ping', () => ++this.pings);
        socket.on('message', (data, isBinary) => {
            assert(!isBinary);
            this.messages.push(JSON.parse(data));
            this.arrived?.();
        });
    }
    send(message) {
        this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
    }
    /** The next message, which must be of that type. */
    async next(type) {
        while (this.messages.length === 0)
            await within(Promise.race([
                new Promise((resolve) => { this.arrived = resolve; }),
                this.closed.then((code) => {
                    if (this.messages.length === 0) throw new Error(`${this.alias}: closed with ${code}, not ${type}`);
                }),
            ]), `${type} at ${this.alias}`);
        const message = this.messages.shift();
        assert.equal(message.type, type, `${this.alias} got ${JSON.stringify(message).slice(0, 200)}`);
        return message;
    }
    /** That nothing came before the answer to something that has one. */
    async expectNothing() {
        this.send({ type: 'NOTHING' });
        assert.deepEqual(await this.next('ERROR'), { type: 'ERROR', code: 400 });
    }
    async close() {
        this.socket.close(1000);
        return within(this.closed, `the end of ${this.alias}`);
    }
}

const tests = {
    async 'a device is told who is there, and the others that it came and went'() {
        const server = await Server.start();
        const one = await server.join('one');
        assert.match(one.id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
        assert.deepEqual(one.hello, { type: 'HELLO', client: { id: one.id, ...describe('one') }, peers: [] });
        const two = await server.join('two');
        assert.deepEqual(two.hello.peers, [{ id: one.id, ...describe('one') }]);
        assert.deepEqual(await one.next('JOIN'), { type: 'JOIN', peer: { id: two.id, ...describe('two') } });
        const three = await server.join('three');
        assert.deepEqual(three.hello.peers.map((p) => p.alias), ['one', 'two']);
        await one.next('JOIN');
        await two.next('JOIN');

        one.send({ type: 'UPDATE', info: describe('first') });
        const changed = { type: 'UPDATE', peer: { id: one.id, ...describe('first') } };
        assert.deepEqual(await two.next('UPDATE'), changed);
        assert.deepEqual(await three.next('UPDATE'), changed);
        const four = await server.join('four');
        assert.deepEqual(four.hello.peers.map((p) => p.alias), ['first', 'two', 'three']);
        for (const other of [one, two, three]) await other.next('JOIN');

        assert.equal(await four.close(), 1000);
        three.socket.terminate();
        const gone = [await one.next('LEFT'), await one.next('LEFT')].map((m) => m.peerId);
        assert.deepEqual(gone.sort(), [three.id, four.id].sort());
        await one.expectNothing();
        assert.equal((await server.stop()).code, 0);
    },

    async 'an offer and its answer go to one peer'() {
        const server = await Server.start();
        const [one, two, three] = [await server.join('one'), await server.join('two'), await server.join('three')];
        for (const [device, count] of [[one, 2], [two, 1]])
            for (let i = 0; i < count; ++i) await device.next('JOIN');
        one.send({ type: 'OFFER', sessionId: 's1', target: two.id, sdp: 'offered' });
        assert.deepEqual(await two.next('OFFER'),
            { type: 'OFFER', peer: { id: one.id, ...describe('one') }, sessionId: 's1', sdp: 'offered' });
        two.send({ type: 'ANSWER', sessionId: 's1', target: one.id, sdp: 'answered' });
        assert.deepEqual(await one.next('ANSWER'),
            { type: 'ANSWER', peer: { id: two.id, ...describe('two') }, sessionId: 's1', sdp: 'answered' });
        for (let i = 0; i < 20; ++i)
            one.send({ type: 'OFFER', sessionId: `${i}`, target: two.id, sdp: 'x'.repeat(2000) });
        for (let i = 0; i < 20; ++i) assert.equal((await two.next('OFFER')).sessionId, `${i}`);
        await three.expectNothing();
        one.send({ type: 'OFFER', sessionId: 's2', target: '00000000-0000-0000-0000-000000000000', sdp: '' });
        assert.deepEqual(await one.next('ERROR'), { type: 'ERROR', code: 404 });
        await server.stop();
    },

    async 'groups know nothing of one another'() {
        const server = await Server.start();
        const devices = [await server.join('home'), await server.join('office', { from: '127.0.0.2' })];
        if (hasIpv6) devices.push(await server.join('outside', { from: '::1' }));
        for (const device of devices) assert.deepEqual(device.hello.peers, []);
        const [home, office] = devices;
        home.send({ type: 'UPDATE', info: describe('renamed') });
        home.send({ type: 'OFFER', sessionId: 's', target: office.id, sdp: '' });
        assert.deepEqual(await home.next('ERROR'), { type: 'ERROR', code: 404 });
        const neighbour = await server.join('neighbour', { from: '127.0.0.2' });
        assert.deepEqual(neighbour.hello.peers.map((p) => p.alias), ['office']);
        await office.next('JOIN');
        await home.close();
        for (const device of devices.slice(1)) await device.expectNothing();
        await server.stop();
    },

    async 'messages that mean nothing are answered so'() {
        const server = await Server.start();
        const one = await server.join('one');
        const target = one.id;
        const updates = [undefined, { alias: 'a', version: '1' }, { ...describe('a'), alias: 1 },
            { ...describe('a'), deviceType: 2 }, describe('a'.repeat(257))];
        const offers = [{ target }, { target: 'me', sdp: '' }, { target: `${target}0`, sdp: '' },
            { target: target.replaceAll('-', ''), sdp: '' }, { target: target.replaceAll('-', '_'), sdp: '' }];
        for (const message of ['{', '[]', '"UPDATE"', '{}', { type: 'HELLO' },
            ...updates.map((info) => ({ type: 'UPDATE', info })),
            ...offers.map((offer) => ({ type: 'OFFER', sessionId: 's', ...offer }))]) {
            one.send(message);
            assert.deepEqual(await one.next('ERROR'), { type: 'ERROR', code: 400 }, JSON.stringify(message));
        }
        one.send(''); // what LocalSend's clients keep their connection alive with
        await one.expectNothing();
        one.socket.send(Buffer.from('bytes'));
        assert.equal(await within(one.closed, 'an end'), 1003);
        const two = await server.join('two');
        two.send('x'.repeat(70_000));
        assert.equal(await within(two.closed, 'an end'), 1009);
        await server.stop();
    },

    async 'requests for anything else are refused'() {
        const server = await Server.start();
        const d = (text) => `/v1/ws?d=${Buffer.from(text).toString('base64url')}`;
        assert.equal((await server.refusal('elsewhere', { path: '/' })).status, 404);
        const incomplete = d(JSON.stringify({ alias: 'a', version: '1' }));
        for (const path of ['/v1/ws?d=', '/v1/ws?d=*', d('{}'), d('nothing'), incomplete, '/v1/ws?d=e30='])
            assert.equal((await server.refusal(path, { path })).status, 400);
        const head = (d) => `GET /v1/ws?d=${d} HTTP/1.1\r\nHost: localhost\r\n`;
        const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
            + `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\n\r\n`;
        const good = Buffer.from(JSON.stringify(describe('raw'))).toString('base64url');
        assert.match(await server.talk(`${head(good)}\r\n`), /^HTTP\/1.1 426 /);
        assert.equal(await server.talk(`${head(good)}${upgrade}more`), '');
        assert.equal(await server.talk('nonsense\r\n\r\n'), '');
        assert.equal(await server.talk(`${head('A'.repeat(20_000))}${upgrade}`), '');
        await server.join('still served');
        await server.stop();
    },

    async 'only so many may be on their way in at once'() {
        const server = await Server.start(['--handshakes', '2']);
        for (let i = 0; i < 3; ++i) await server.join(`device ${i}`);
        const silent = [];
        for (let i = 0; i < 2; ++i) {
            silent.push(connect(server.port, '127.0.0.1'));
            await once(silent[i], 'connect');
        }
        assert.deepEqual(await server.refusal('another'), {});
        for (const one of silent) one.destroy();
        await server.stop();
    },

    async 'one group has ten connections and not eleven'() {
        const server = await Server.start();
        const ten = [];
        for (let i = 0; i < 10; ++i) ten.push(await server.join(`device ${i}`));
        assert.deepEqual(await server.refusal('eleventh'), {});
        await server.join('elsewhere', { from: '127.0.0.2' });
        await ten[0].close();
        for (let i = 2; i < 10; ++i) await ten[1].next('JOIN');
        await ten[1].next('LEFT'); // its place is free then
        const late = await server.join('in its place');
        assert.equal(late.hello.peers.length, 9);
        await server.stop();
        assert.match(server.output, /connections: 12 admitted, 1 refused/);
    },

    async 'a group that has used up its requests is told so'() {
        const server = await Server.start([], { MAX_REQUESTS_PER_IP_PER_HOUR: '5' });
        const one = await server.join('one'); // the first
        const two = await server.join('two'); // the second
        await one.next('JOIN');
        for (let i = 0; i < 3; ++i) one.send({ type: 'OFFER', sessionId: `${i}`, target: two.id, sdp: '' });
        for (let i = 0; i < 3; ++i) await two.next('OFFER');
        one.send({ type: 'OFFER', sessionId: 'too many', target: two.id, sdp: '' });
        assert.deepEqual(await one.next('ERROR'), { type: 'ERROR', code: 429 });
        assert.equal(await within(one.closed, 'its end'), 1013);
        assert.deepEqual(await two.next('LEFT'), { type: 'LEFT', peerId: one.id });
        const three = await server.join('three', { from: '127.0.0.2' });
        for (let i = 0; i < 5; ++i) three.send('what waits is sent before'); // the first was its coming
        for (let i = 0; i < 4; ++i) assert.equal((await three.next('ERROR')).code, 400);
        assert.equal((await three.next('ERROR')).code, 429);
        const { status, retryAfter } = await server.refusal('one again');
        assert.equal(status, 429);
        assert(retryAfter > 0 && retryAfter <= 3600, `Retry-After: ${retryAfter}`);
        if (hasIpv6) await server.join('elsewhere', { from: '::1' });
        await server.stop();
    },

    async 'behind a proxy that is trusted, groups are the clients that it names'() {
        const server = await Server.start(['--proxy', '127.0.0.2']);
        const from = (client) => ({ headers: { 'X-Forwarded-For': client } });
        const near = await server.join('near', { from: '127.0.0.2', ...from('192.0.2.1') });
        const far = await server.join('far', { from: '127.0.0.2', ...from('192.0.2.1, 192.0.2.2') });
        assert.deepEqual(far.hello.peers, []);
        const twin = await server.join('twin', { from: '127.0.0.2', ...from('192.0.2.1') });
        assert.deepEqual(twin.hello.peers.map((p) => p.alias), ['near']);
        assert.equal((await near.next('JOIN')).peer.alias, 'twin');
        const liar = await server.join('liar', from('192.0.2.1'));
        assert.deepEqual(liar.hello.peers, []);
        await server.stop();
    },

    async 'who does not read is ended, and the others go on'() {
        const server = await Server.start(['--queue', '4'], { MAX_REQUESTS_PER_IP_PER_HOUR: '0' });
        const stuck = await server.join('stuck');
        const reader = await server.join('reader');
        const sender = await server.join('sender');
        await reader.next('JOIN');
        stuck.socket.pause();
        let sent = 0;
        for (let left; !left; ++sent) {
            assert(sent < 2000, 'the stuck one is still there');
            sender.send({ type: 'OFFER', sessionId: `${sent}`, target: stuck.id, sdp: 'x'.repeat(60_000) });
            sender.send({ type: 'OFFER', sessionId: `${sent}`, target: reader.id, sdp: '' });
            const begin = performance.now();
            while (reader.messages.length === 0) await new Promise((resolve) => { reader.arrived = resolve; });
            assert(performance.now() - begin < 3000, 'the reader waits for the stuck one');
            left = reader.messages.find((m) => m.type === 'LEFT');
            reader.messages.length = 0;
        }
        stuck.socket.terminate();
        await sender.close();
        await server.stop();
        assert.match(server.output, /messages: \d+ queued, [1-9]\d* dropped;.* slow_reader 1/);
    },

    async 'who is silent is asked, and ended when no answer comes'() {
        const server = await Server.start(['--heartbeat', '1']);
        const alive = await server.join('alive');
        const dead = await server.join('dead', { autoPong: false });
        await alive.next('JOIN');
        dead.socket._receiver.removeAllListeners('ping'); // of ws 8.11, which has no autoPong
        const gone = await alive.next('LEFT');
        assert.equal(gone.peerId, dead.id);
        assert(alive.pings >= 3, `${alive.pings} pings`);
        assert.equal(await within(dead.closed, 'its end'), 1006);
        await server.stop();
        assert.match(server.output, /ended: heartbeat_missed 1 drained 1/);
    },

    async 'a server that stops says so and closes'() {
        const server = await Server.start();
        const devices = [await server.join('one'), await server.join('two')];
        devices.push(await server.join('elsewhere', { from: '127.0.0.2' }));
        const stopped = server.stop();
        await devices[0].next('JOIN');
        for (const device of devices) {
            assert.deepEqual(await device.next('ERROR'), { type: 'ERROR', code: 503 });
            assert.equal(await within(device.closed, 'the end'), 1001);
        }
        const { code, ms } = await stopped;
        assert.equal(code, 0);
        assert(ms < 2000, `it took ${ms} ms`);
    },

    async 'what waits for a device is written before the last word to it'() {
        const server = await Server.start(['--queue', '200'], { MAX_REQUESTS_PER_IP_PER_HOUR: '0' });
        const slow = await server.join('slow');
        const sender = await server.join('sender');
        await slow.next('JOIN');
        slow.socket.pause();
        for (let i = 0; i < 150; ++i)
            sender.send({ type: 'OFFER', sessionId: `${i}`, target: slow.id, sdp: 'x'.repeat(60_000) });
        await sender.expectNothing(); // all of them are read
        const stopped = server.stop();
        await sender.next('ERROR');
        slow.socket.resume();
        for (let i = 0; i < 150; ++i) assert.equal((await slow.next('OFFER')).sessionId, `${i}`);
        assert.deepEqual(await slow.next('ERROR'), { type: 'ERROR', code: 503 });
        assert.equal(await within(slow.closed, 'the end'), 1001);
        assert.equal((await stopped).code, 0);
    },

    async 'a server that stops waits for nobody longer than it was told'() {
        const server = await Server.start(['--drain', '1']);
        const silent = connect(server.port, '127.0.0.1');
        await once(silent, 'connect');
        const deaf = await server.join('deaf');
        deaf.socket.pause();
        const { code, ms } = await server.stop();
        silent.destroy();
        assert.equal(code, 0);
        assert(ms > 900 && ms < 3000, `it took ${ms} ms`);
        assert.match(server.output, /ended: drained 1 drain_timed_out 1/);
    },
};

let failed = 0;
const only = process.env.ONLY;
for (const [name, test] of Object.entries(tests)) {
    if (only && !name.includes(only)) continue;
    const begin = performance.now();
    try {
        await test();
        console.log(`ok      ${name} (${Math.round(performance.now() - begin)} ms)`);
    } catch (error) {
        ++failed;
        console.log(`FAILED  ${name}\n${error.stack}`);
    }
}
if (!hasIpv6) console.log('left out: [::1], which this machine has not');
console.log(failed === 0 ? 'all passed' : `${failed} failed`);
for (const server of Server.all) server.process.kill('SIGKILL');
process.exit(failed === 0 ? 0 : 1);
