//! The service: one route, which takes the numbers of a picture as JSON and answers with probabilities.

use crate::{Way, model};
use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use plexus::{Model, Workspace};
use std::cell::RefCell;
use std::error::Error;
use std::io::{Read, Write};
use std::sync::Arc;

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

type Answer = Result<Json<Vec<f32>>, (StatusCode, String)>;

fn answer(model: &Model, row: &[f32]) -> Answer {
    WORKSPACE.with_borrow_mut(|workspace| match model.predict(row, 1, workspace) {
        Ok(answer) => Ok(Json(answer.to_vec())),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    })
}

async fn in_handler(State(model): State<Arc<Model>>, Json(row): Json<Vec<f32>>) -> Answer {
    answer(&model, &row)
}

async fn in_spawn_blocking(State(model): State<Arc<Model>>, Json(row): Json<Vec<f32>>) -> Answer {
    let done = tokio::task::spawn_blocking(move || answer(&model, &row)).await;
    done.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
}

/// Serves on a port that the system chooses and says which, until standard input is closed.
pub fn run(way: Way) -> Result<(), Box<dyn Error>> {
    let route = if way == Way::SpawnBlocking { post(in_spawn_blocking) } else { post(in_handler) };
    let service = Router::new().route("/predict", route).with_state(Arc::new(model(way.context())?));
    // As many workers as processors, which is what tokio does by itself.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    runtime.spawn(async { axum::serve(listener, service).await });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
