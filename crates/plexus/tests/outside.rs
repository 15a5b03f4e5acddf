//! What a program of somebody else does with the crate, on threads with 512 KiB of stack: a network learns in code, is
//! saved and comes back; eight threads predict on one model; a web service predicts in its handlers.
//!
//! `cargo xtask dependent` builds this file into a crate outside the workspace too, without optimization and with it.

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use plexus::layers::{batch_norm, dropout, linear, relu};
use plexus::{Context, Dataset, Event, Isa, Loss, Model, Network, Pool, Settings, Workspace};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;

/// What a thread may need at most.
const STACK: usize = 512 * 1024;

const FEATURES: usize = 20;
const ROWS: usize = 600;
const THREADS: usize = 8;

/// The environment variable that chooses the instruction set, once for a program.
const CHOICE: &str = "PLEXUS_ISA";

/// Runs a test of this file on a small stack, once for each instruction set: a stack that is too small ends the program.
fn on_small_stacks(name: &str, test: fn()) {
    if std::env::var(CHOICE).is_ok_and(|isa| !isa.is_empty()) {
        let thread = thread::Builder::new().stack_size(STACK).spawn(test).expect("a thread starts");
        return thread.join().expect("the test passes");
    }
    for isa in Isa::available() {
        let mut again = Command::new(std::env::current_exe().expect("this program has a place"));
        let done = again.args(["--exact", name]).env(CHOICE, isa.name()).output().expect("this program starts again");
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{}: {}\n{said}", isa.name(), done.status);
        assert!(said.contains("1 passed"), "{}: no test is called {name}\n{said}", isa.name());
    }
}

/// Eighths, which text and f32 agree about.
fn sample(row: usize, sample: &mut [f32]) -> u32 {
    for (at, value) in sample.iter_mut().enumerate() {
        *value = ((row * (7 * at + 5) + at) % 17) as f32 / 8.0 - 1.0;
    }
    u32::from(sample[0] + sample[1] > 0.0)
}

fn samples(rows: usize) -> Vec<f32> {
    let mut samples = vec![0.0; rows * FEATURES];
    samples.chunks_mut(FEATURES).enumerate().for_each(|(row, values)| _ = sample(row, values));
    samples
}

/// A model that has learnt.
fn learnt(context: Context) -> Model {
    let data = Dataset::classes_from_fn(ROWS, [FEATURES], ["low", "high"], sample).expect("the rows fit");
    let layers = [linear(48), batch_norm(), relu(), dropout(0.1), linear(33), relu(), linear(2)];
    let settings = Settings::new(Loss::cross_entropy()).epochs(8).batch(32).clip_norm(1.0).context(context);
    let mut losses = Vec::new();
    let fitted = plexus::fit(Network::chain([FEATURES], layers), data, settings, |event| {
        if let Event::Epoch(record) = event {
            losses.push(record.train_loss);
        }
    });
    let fitted = fitted.expect("it learns");
    assert_eq!(losses.len(), 8);
    assert!(losses[7] < 0.5 * losses[0], "{losses:?}");
    fitted.model
}

/// The bits of the answers to some rows.
fn bits(model: &Model, rows: usize, workspace: &mut Workspace) -> Vec<u32> {
    let answers = model.predict(&samples(rows), rows, workspace).expect("the rows fit");
    answers.iter().map(|answer| answer.to_bits()).collect()
}

#[test]
fn a_model_learns_in_code_and_comes_back_from_its_file_and_its_bytes() {
    on_small_stacks("a_model_learns_in_code_and_comes_back_from_its_file_and_its_bytes", || {
        let model = learnt(Context::detect(Pool::new(2)));
        let mut workspace = Workspace::default();
        let classes = model.classify(&samples(100), 100, &mut workspace).expect("the rows fit");
        let right =
            |(row, class): (usize, &plexus::Class<'_>)| class.index == sample(row, &mut [0.0; FEATURES]) as usize;
        let right = classes.iter().enumerate().filter(|each| right(*each)).count();
        assert!(right > 90, "{right} of 100");

        // Named by the process, for one test runs once for each instruction set.
        let file = std::env::temp_dir().join(format!("plexus-outside-{}.safetensors", std::process::id()));
        model.save(&file).expect("the file is written");
        let bytes = std::fs::read(&file).expect("the file is there");
        assert!(bytes == model.to_bytes().expect("it has a form"), "a file and the bytes of a model are the same");
        let again = [
            Model::open(&file, Context::single()).expect("the file reads"),
            Model::from_bytes(&bytes, Context::single()).expect("the bytes read"),
            Model::read(&bytes[..], Context::single()).expect("the stream reads"),
        ];
        std::fs::remove_file(&file).expect("the file is ours");
        for rows in [1, 3, 8, 130] {
            let expected = bits(&model, rows, &mut workspace);
            again.iter().for_each(|again| assert_eq!(bits(again, rows, &mut workspace), expected, "{rows} rows"));
        }
    });
}

#[test]
fn eight_threads_with_small_stacks_predict_on_one_model() {
    on_small_stacks("eight_threads_with_small_stacks_predict_on_one_model", || {
        let learnt = learnt(Context::single()).to_bytes().expect("it has a form");
        // Each caller alone, and all callers in turn on a team of two.
        for context in [Context::single(), Context::detect(Pool::new(2))] {
            let model = Model::from_bytes(&learnt, context).expect("the bytes read");
            let sizes = [1, 2, 7, 64];
            let expected = sizes.map(|rows| bits(&model, rows, &mut Workspace::default()));
            thread::scope(|scope| {
                for number in 0..THREADS {
                    let (model, expected) = (&model, &expected);
                    let work = move || {
                        let mut workspace = Workspace::default();
                        for turn in 0..20 {
                            let at = (number + turn) % sizes.len();
                            assert_eq!(bits(model, sizes[at], &mut workspace), expected[at], "{} rows", sizes[at]);
                        }
                    };
                    let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
                    thread.expect("a thread starts");
                }
            });
        }
    });
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

async fn predict(
    State(model): State<Arc<Model>>,
    Json(row): Json<Vec<f32>>,
) -> Result<Json<Vec<f32>>, (StatusCode, String)> {
    WORKSPACE.with_borrow_mut(|workspace| match model.predict(&row, 1, workspace) {
        Ok(answer) => Ok(Json(answer.to_vec())),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    })
}

/// Status and body of the answer to a request.
fn ask(address: SocketAddr, row: &[f32]) -> (u16, String) {
    let body = format!("{row:?}");
    let head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let mut stream = TcpStream::connect(address).expect("the service listens");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("the service reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the service answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_string())
}

#[test]
fn handlers_of_a_service_predict_on_one_model() {
    on_small_stacks("handlers_of_a_service_predict_on_one_model", || {
        let model = Arc::new(learnt(Context::single()));
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime =
            runtime.worker_threads(2).thread_stack_size(STACK).enable_all().build().expect("a runtime starts");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let service = Router::new().route("/predict", post(predict)).with_state(model.clone());
        runtime.spawn(async { axum::serve(listener, service).await });
        thread::scope(|scope| {
            for number in 0..THREADS {
                let model = &model;
                scope.spawn(move || {
                    let mut workspace = Workspace::default();
                    for row in samples(5 * (number + 1)).chunks(FEATURES).skip(5 * number) {
                        let expected = model.predict(row, 1, &mut workspace).expect("the row fits");
                        let (status, body) = ask(address, row);
                        let numbers = body.trim_matches(['[', ']']).split(',').map(|number| number.parse());
                        let answered = numbers.collect::<Result<Vec<f32>, _>>().expect("numbers");
                        assert_eq!((status, &answered[..]), (200, expected));
                    }
                });
            }
        });
        let (status, message) = ask(address, &[1.0, 2.0]);
        assert_eq!(status, 400, "{message}");
        assert!(message.contains("20"), "it says how many numbers are expected: {message}");
    });
}
