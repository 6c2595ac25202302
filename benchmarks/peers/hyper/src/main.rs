// Rust's hyper as a row: the interface of bench, a task for each connection on one thread.
// TLS is OpenSSL through native-tls: the server's certificate is its own root and names an address, and rustls of
// hyper 0.14's time takes neither.
use hyper::body::HttpBody;
use hyper::client::HttpConnector;
use hyper::{Body, Client, Request, StatusCode, Uri};
use hyper_tls::HttpsConnector;
use std::cell::Cell;
use std::collections::HashMap;
use std::error::Error;
use std::rc::Rc;
use std::time::Instant;

type Failure = Box<dyn Error>;
type PooledClient = Client<HttpsConnector<HttpConnector>>;

const TITLE: &str = "Rust hyper 0.14, tokio on one thread";
const WARM_UP: u64 = 500;

struct Job {
    tls: bool,
    connections: usize,
    body_bytes: u64,
    path: String,
}

fn parse_work(work: &str) -> Result<Job, Failure> {
    let parts: Vec<&str> = work.split('-').collect();
    if parts.len() != 3 || !["plain", "tls"].contains(&parts[0]) {
        return Err(format!("not a kind of work: {work}").into());
    }
    let body = parts[2];
    let shift = if body.ends_with('k') { 10 } else if body.ends_with('m') { 20 } else { 0 };
    Ok(Job {
        tls: parts[0] == "tls",
        connections: if parts[1] == "seq" { 1 } else { parts[1].parse()? },
        body_bytes: body.trim_end_matches(['k', 'm'].as_ref()).parse::<u64>()? << shift,
        path: format!("/{body}"),
    })
}

fn new_client(job: &Job, ca: &str) -> Result<PooledClient, Failure> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    let mut tls = native_tls::TlsConnector::builder();
    if job.tls {
        tls.add_root_certificate(native_tls::Certificate::from_pem(&std::fs::read(ca)?)?);
    }
    let connector = HttpsConnector::from((http, tls.build()?.into()));
    Ok(Client::builder().pool_max_idle_per_host(job.connections).build(connector))
}

async fn exchange(client: &PooledClient, uri: &Uri, body_bytes: u64) -> Result<(), Failure> {
    let request = Request::builder().uri(uri.clone()).header("connection", "keep-alive").body(Body::empty())?;
    let mut response = client.request(request).await?;
    let mut received = 0;
    while let Some(part) = response.body_mut().data().await {
        received += part?.len() as u64;
    }
    if response.status() != StatusCode::OK || received != body_bytes {
        return Err(format!("unexpected response: {} with {received} bytes", response.status()).into());
    }
    Ok(())
}

// Sends the requests from as many tasks as there are connections.
async fn run(client: &PooledClient, uri: &Uri, job: &Job, requests: u64) -> Result<(), Failure> {
    let unsent = Rc::new(Cell::new(requests));
    let body_bytes = job.body_bytes;
    let mut tasks = Vec::new();
    for _ in 0..job.connections {
        let (client, uri, unsent) = (client.clone(), uri.clone(), unsent.clone());
        tasks.push(tokio::task::spawn_local(async move {
            while unsent.get() > 0 {
                unsent.set(unsent.get() - 1);
                exchange(&client, &uri, body_bytes).await.map_err(|error| error.to_string())?;
            }
            Ok::<(), String>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

// User and system time of this process, in nanoseconds.
fn cpu() -> (f64, f64) {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let nanoseconds = |time: libc::timeval| time.tv_sec as f64 * 1e9 + time.tv_usec as f64 * 1e3;
    (nanoseconds(usage.ru_utime), nanoseconds(usage.ru_stime))
}

async fn measure(options: &HashMap<String, String>) -> Result<(), Failure> {
    let get = |name: &str| options.get(name).cloned().ok_or_else(|| format!("{name} is missing"));
    if get("--row")? != "hyper" {
        return Err(format!("no row {}", get("--row")?).into());
    }
    let work = get("--work")?;
    let job = parse_work(&work)?;
    let requests: u64 = get("--requests")?.parse()?;
    let host = options.get("--host").map_or("127.0.0.1", |host| host.as_str());
    let scheme = if job.tls { "https" } else { "http" };
    let uri: Uri = format!("{scheme}://{host}:{}{}", get("--port")?, job.path).parse()?;
    let client = new_client(&job, options.get("--ca").map_or("", |ca| ca.as_str()))?;
    run(&client, &uri, &job, WARM_UP).await?;
    let (start, (user_before, system_before)) = (Instant::now(), cpu());
    run(&client, &uri, &job, requests).await?;
    let (wall, (user, system)) = (start.elapsed().as_secs_f64(), cpu());
    let each = requests as f64;
    let (user, system) = ((user - user_before) / each, (system - system_before) / each);
    print!("row=hyper\twork={work}\trequests={requests}\ttitle={TITLE}");
    print!("\tper_second={:.1}\tcpu_ns={:.1}", each / wall, user + system);
    println!("\tuser_ns={user:.1}\tsystem_ns={system:.1}");
    Ok(())
}

fn start() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<String, String> =
        arguments.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    if let Some(work) = options.get("--list") {
        parse_work(work)?;
        println!("hyper\t{TITLE}");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, measure(&options))
}

fn main() {
    if let Err(error) = start() {
        eprintln!("hyper_peer: {error}");
        std::process::exit(1);
    }
}
