//! A web service around a model.
//!
//! ```text
//! cargo run -p plexus --example service [MODEL] [PORT]
//! curl localhost:3000
//! curl localhost:3000/predict --json '[[0.1, 0.2], [0.9, 0.9]]'
//! ```
//!
//! `GET /` says what the model is. `POST /predict` takes rows and gives the probabilities of the classes and the likeliest
//! class of each row; a model of numbers gives these. What cannot be answered has status 400 and an `error` in its JSON.
//! Without a MODEL it makes one that tells points inside a circle from those outside. Ctrl-C ends it.

use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, extract::State};
use plexus::layers::{linear, relu};
use plexus::{Context, Dataset, Loss, Model, Network, Settings, Task, Workspace};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().map_or(std::env::temp_dir().join("plexus-circle.safetensors"), PathBuf::from);
    let port: u16 = arguments.next().map_or(Ok(3000), |port| port.parse())?;
    if !path.exists() {
        circle()?.save(&path)?;
    }
    // One thread for a call: the requests are what runs side by side.
    let model = Model::open(&path, Context::single())?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(model, port))
}

async fn serve(model: Model, port: u16) -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let ended = ended()?;
    println!("listening on http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    axum::serve(listener, routes(model)).with_graceful_shutdown(ended).await?;
    println!("ended");
    Ok(())
}

fn routes(model: Model) -> Router {
    let unknown = || async { Refused(StatusCode::NOT_FOUND, "there is GET / and POST /predict".to_string()) };
    Router::new()
        .route("/", get(describe))
        .route("/predict", post(predict))
        .fallback(unknown)
        .with_state(Arc::new(model))
}

/// What the model is.
async fn describe(State(model): State<Arc<Model>>) -> Json<Value> {
    let network = model.network();
    Json(json!({
        "input": network.input().axes(),
        "layers": network.network().layers.len(),
        "parameters": network.layout().weights_len(),
        "answers": model.task().to_string(),
        "names": model.task().names(),
    }))
}

thread_local! {
    /// Each thread of the service predicts in memory of its own, which it keeps.
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

/// Rows in, answers out. A prediction of this size takes microseconds, so it runs here and not in `spawn_blocking`.
async fn predict(
    State(model): State<Arc<Model>>,
    rows: Result<Json<Vec<Vec<f32>>>, JsonRejection>,
) -> Result<Json<Value>, Refused> {
    let Json(rows) = rows?;
    let width = model.network().input_len();
    if let Some(at) = rows.iter().position(|row| row.len() != width) {
        let message =
            format!("row {at} has {} numbers, the model takes {width} (rows are counted from 0)", rows[at].len());
        return Err(Refused(StatusCode::BAD_REQUEST, message));
    }
    WORKSPACE.with_borrow_mut(|workspace| {
        let answers = model.predict_all(&[&rows.concat()], rows.len(), workspace)?;
        let numbers: Vec<&[f32]> = answers.at(0).chunks(model.task().names().len().max(1)).collect();
        if !matches!(model.task(), Task::Classification { .. }) {
            return Ok(Json(json!({ "answers": numbers })));
        }
        let likeliest = (0..rows.len()).map(|row| Ok(answers.top(0, row, 1)?[0].name));
        Ok(Json(json!({ "classes": likeliest.collect::<Result<Vec<_>, plexus::Error>>()?, "probabilities": numbers })))
    })
}

/// What a request is refused with.
struct Refused(StatusCode, String);

impl From<plexus::Error> for Refused {
    fn from(error: plexus::Error) -> Refused {
        Refused(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<JsonRejection> for Refused {
    fn from(error: JsonRejection) -> Refused {
        // What is too long stays that (413); all else is a bad request.
        let status =
            if error.status() == StatusCode::PAYLOAD_TOO_LARGE { error.status() } else { StatusCode::BAD_REQUEST };
        Refused(status, error.body_text())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// Waits for Ctrl-C, and for what service managers send. From the call on, and not only from the first wait, neither ends
/// the program by itself.
#[cfg(unix)]
fn ended() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
fn ended() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        tokio::signal::ctrl_c().await.ok();
    })
}

fn circle() -> Result<Model, Box<dyn Error>> {
    let data = Dataset::classes_from_fn(1000, [2], ["outside", "inside"], |row, point| {
        point.copy_from_slice(&[0.7548777, 0.5698403].map(|step| 2.0 * (row as f32 * step).fract() - 1.0));
        u32::from(point[0] * point[0] + point[1] * point[1] < 0.5)
    })?;
    let network = Network::chain([2], [linear(32), relu(), linear(2)]);
    Ok(plexus::fit(network, data, Settings::new(Loss::cross_entropy()).epochs(40), |_| {})?.model)
}
