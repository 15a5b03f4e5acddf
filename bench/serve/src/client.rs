//! The clients, in another process than the service: each has one connection, and asks again when it has its answer.

use crate::picture;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

type Failed = Box<dyn Error + Send + Sync>;

/// Requests before those that count.
const WARM_UP: usize = 200;

/// Starts a service, asks it, and says how long the answers took.
pub fn measure(way: &str, clients: usize, requests: usize) -> Result<(), Box<dyn Error>> {
    let mut service = Command::new(std::env::current_exe()?)
        .args(["service", way])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut address = String::new();
    BufReader::new(service.stdout.take().expect("it is piped")).read_line(&mut address)?;
    let before = threads(service.id())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async {
        all(address.trim(), clients, WARM_UP).await?;
        let started = Instant::now();
        let times = all(address.trim(), clients, requests).await?;
        Ok::<_, Failed>((times, started.elapsed()))
    });
    let after = threads(service.id());
    drop(service.stdin.take());
    service.wait()?;
    let (mut times, took) = asked.map_err(|error| error.to_string())?;
    times.sort();
    let micros = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    println!(
        "{}",
        json!({
            "way": way,
            "requests": times.len(),
            "p50_us": micros(0.5),
            "p99_us": micros(0.99),
            "per_second": times.len() as f64 / took.as_secs_f64(),
            "threads_before": before,
            "threads_after": after?,
        })
    );
    Ok(())
}

/// The threads of a process now, as Linux counts them.
fn threads(process: u32) -> Result<u32, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let count = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    Ok(count.ok_or("no line Threads:")?.trim().parse()?)
}

/// All clients at once; how long each answer took.
async fn all(address: &str, clients: usize, requests: usize) -> Result<Vec<Duration>, Failed> {
    let share = |client| requests / clients + usize::from(client < requests % clients);
    let asking = (0..clients).map(|client| tokio::spawn(one(address.to_string(), share(client))));
    let mut times = Vec::with_capacity(requests);
    for client in asking.collect::<Vec<_>>() {
        times.extend(client.await??);
    }
    Ok(times)
}

async fn one(address: String, requests: usize) -> Result<Vec<Duration>, Failed> {
    let stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let body = Bytes::from(serde_json::to_vec(&picture())?);
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        let request = Request::post("/predict")
            .header(header::HOST, &address)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.clone()))?;
        let started = Instant::now();
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let answer = answer.into_body().collect().await?.to_bytes();
        times.push(started.elapsed());
        if status != StatusCode::OK {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&answer)).into());
        }
    }
    drop(sender);
    connection.await??;
    Ok(times)
}
