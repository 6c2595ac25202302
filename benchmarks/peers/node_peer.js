'use strict';
// Node as a row: the interface of bench. undici's Pool where it is installed (NODE_PATH says where else to look),
// http.Agent of Node itself where not.
const fs = require('fs');

// The optimizing compiler takes longer to come to rest than what is compiled ahead of time.
const warm_up = { small: 3000, large: 500 };

function find_undici() {
    try {
        return { ...require('undici'), version: require('undici/package.json').version };
    } catch (error) {
        if (error.code !== 'MODULE_NOT_FOUND') throw error;
        return null;
    }
}
const undici = find_undici();
const node = `Node ${process.versions.node}`;
const row = undici ? 'undici' : 'node';
const title = undici ? `undici ${undici.version} Pool, ${node}` : `http.Agent of ${node}`;

function parse_work(work) {
    const parts = /^(plain|tls)-(seq|[0-9]+)-([0-9]+)([km]?)$/.exec(work);
    if (!parts) throw new Error(`not a kind of work: ${work}`);
    const unit = { '': 1, k: 1 << 10, m: 1 << 20 }[parts[4]];
    return {
        tls: parts[1] === 'tls',
        connections: parts[2] === 'seq' ? 1 : Number(parts[2]),
        body_bytes: Number(parts[3]) * unit,
        path: `/${parts[3]}${parts[4]}`,
    };
}

function check(status, received, job) {
    if (status !== 200 || received !== job.body_bytes)
        throw new Error(`unexpected response: ${status} with ${received} bytes`);
}

// What makes one exchange, and what ends its connections.
function undici_client(job, options, ca) {
    const origin = `${job.tls ? 'https' : 'http'}://${options.host}:${options.port}`;
    const pool = new undici.Pool(origin, { connections: job.connections, pipelining: 1, connect: { ca } });
    return {
        async exchange() {
            const { statusCode, body } = await pool.request({ method: 'GET', path: job.path });
            check(statusCode, (await body.arrayBuffer()).byteLength, job);
        },
        close: () => pool.destroy(),
    };
}

function agent_client(job, options, ca) {
    const layer = require(job.tls ? 'https' : 'http');
    const agent = new layer.Agent({ keepAlive: true, maxSockets: job.connections });
    const request = { host: options.host, port: options.port, path: job.path, agent, ca };
    return {
        exchange: () => new Promise((resolve, reject) => {
            layer.get(request, (response) => {
                let received = 0;
                response.on('data', (part) => { received += part.length; });
                response.on('error', reject);
                response.on('end', () => {
                    try {
                        resolve(check(response.statusCode, received, job));
                    } catch (error) {
                        reject(error);
                    }
                });
            }).on('error', reject);
        }),
        close: () => agent.destroy(),
    };
}

async function run(client, job, requests) {
    let unsent = requests;
    const visitor = async () => { while (unsent-- > 0) await client.exchange(); };
    await Promise.all(Array.from({ length: job.connections }, visitor));
}

async function measure(options) {
    if (options.row !== row) throw new Error(`no row ${options.row}`);
    const job = parse_work(options.work);
    const requests = Number(options.requests);
    if (!(requests > 0)) throw new Error('no number of requests');
    const ca = job.tls ? fs.readFileSync(options.ca) : undefined;
    const client = (undici ? undici_client : agent_client)(job, options, ca);
    await run(client, job, job.body_bytes < 1 << 20 ? warm_up.small : warm_up.large);
    const start = process.hrtime.bigint();
    const before = process.cpuUsage();
    await run(client, job, requests);
    const spent = process.cpuUsage(before);
    const wall_ns = Number(process.hrtime.bigint() - start);
    const user_ns = (spent.user * 1000) / requests;
    const system_ns = (spent.system * 1000) / requests;
    const fields = {
        row, work: options.work, requests, title,
        per_second: ((requests * 1e9) / wall_ns).toFixed(1),
        cpu_ns: (user_ns + system_ns).toFixed(1),
        user_ns: user_ns.toFixed(1),
        system_ns: system_ns.toFixed(1),
    };
    console.log(Object.entries(fields).map(([name, value]) => `${name}=${value}`).join('\t'));
    await client.close();
}

async function main() {
    const options = { host: '127.0.0.1' };
    for (let i = 2; i + 1 < process.argv.length; i += 2) options[process.argv[i].slice(2)] = process.argv[i + 1];
    if (options.list === undefined) return measure(options);
    parse_work(options.list);
    console.log(`${row}\t${title}`);
}

main().catch((error) => {
    console.error(`node_peer: ${error.message}`);
    process.exit(1);
});
