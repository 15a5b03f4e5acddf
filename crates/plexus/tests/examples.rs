//! The examples run, and print what they are for.
//!
//! Cargo builds them before it runs the tests of this crate; `--test examples` alone runs what was built last.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// An example, ready to run.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("this program has a place");
    let folder = test.parent().and_then(Path::parent).expect("tests are in a folder of the build folder");
    let path = folder.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} is not there: cargo build -p plexus --examples", path.display());
    Command::new(path)
}

/// What an example prints, with a model in a folder of its own.
fn said(name: &str, model: Option<&Path>) -> String {
    let done = example(name).args(model).output().expect("it starts");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{name}: {}\n{said}{}", done.status, String::from_utf8_lossy(&done.stderr));
    said
}

#[test]
fn models_are_made_once_then_opened() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let model = folder.path().join("digits.safetensors");
    let first = said("open_and_predict", Some(&model));
    let written = std::fs::read(&model).expect("the model is there");
    assert_eq!(said("open_and_predict", Some(&model)), first);

    let best = first
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter_map(|(class, probability)| Some((class, probability.trim().strip_suffix(" %")?.parse::<f32>().ok()?)));
    let best = best.max_by(|a, b| a.1.total_cmp(&b.1)).expect("ten probabilities");
    assert_eq!(best.0, "3", "{first}");

    let named = said("classify", Some(&model));
    let right: u32 = named.split(' ').next().and_then(|right| right.parse().ok()).expect("it begins with a number");
    assert!((340..=359).contains(&right), "{named}");
    assert_eq!(named.lines().filter(|line| line.starts_with("a ") && line.matches(" %").count() == 3).count(), 5);
    assert!(std::fs::read(&model).expect("the model is there") == written, "a model that is there is left alone");
}

#[test]
fn the_trained_circle_is_round() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let model = folder.path().join("circle.safetensors");
    let said = said("train", Some(&model));
    assert!(model.is_file() && said.contains("epoch 30: loss"), "{said}");
    let lines: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert_eq!(lines.len(), 15, "{said}");
    let wrong = lines.iter().enumerate().flat_map(|(line, text)| {
        let y = line as f32 / 7.0 - 1.0;
        text.chars().enumerate().filter(move |(column, sign)| {
            let x = *column as f32 / 15.0 - 1.0;
            (*sign == '#') != (x * x + y * y < 0.5)
        })
    });
    // Of 465 places; those on its edge are many.
    assert!(wrong.count() < 30, "{said}");
}

#[test]
fn the_skip_adds_up_prices() {
    let said = said("skip", None);
    let prices: Vec<f32> = said
        .lines()
        .filter(|line| line.starts_with("eight times"))
        .flat_map(|line| line.split([' ', ',']).filter_map(|word| word.parse().ok()).collect::<Vec<f32>>())
        .collect();
    assert_eq!(prices.len(), 6, "{said}");
    assert!(prices.chunks(2).all(|pair| (pair[0] - pair[1]).abs() < 40.0), "{said}");
}

/// A service on a port that the system chose; it ends with this.
struct Service {
    program: Child,
    address: String,
    /// What it says; it must stay open.
    said: BufReader<std::process::ChildStdout>,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        self.program.kill().ok();
        self.program.wait().ok();
    }
}

impl Service {
    fn start(model: &Path) -> Service {
        let mut program = example("service");
        let mut program = program.arg(model).arg("0").stdout(Stdio::piped()).spawn().expect("it starts");
        let mut said = BufReader::new(program.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says where it listens");
        let address = line.trim().strip_prefix("listening on http://").expect("it says where it listens").to_string();
        Service { program, address, said }
    }

    /// Status and body of the answer to a request.
    fn ask(&self, request: &str, body: &str) -> (u16, serde_json::Value) {
        let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        let length = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let mut stream = TcpStream::connect(&self.address).expect("the service listens");
        write!(stream, "{head}{length}\r\n{body}").expect("the service reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the service answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).expect("the body is JSON"))
    }
}

#[test]
fn the_service_answers_refuses_and_ends() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let mut service = Service::start(&folder.path().join("circle.safetensors"));

    let (status, about) = service.ask("GET /", "");
    assert_eq!((status, &about["names"]), (200, &serde_json::json!(["outside", "inside"])));
    let (status, answer) = service.ask("POST /predict", "[[0.1, 0.2], [0.9, 0.9]]");
    assert_eq!((status, &answer["classes"]), (200, &serde_json::json!(["inside", "outside"])), "{answer}");
    let row: Vec<f64> = serde_json::from_value(answer["probabilities"][0].clone()).expect("numbers");
    assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-6 && row[1] > 0.5, "{answer}");
    let (status, answer) = service.ask("POST /predict", "[]");
    assert_eq!((status, &answer["classes"]), (200, &serde_json::json!([])), "{answer}");

    // Enough numbers for two rows, but not in rows of two; a number that is no f32; no JSON; no such page.
    let refused = [
        ("POST /predict", "[[0.1, 0.2, 0.3], [0.9]]", 400, "row 0 has 3 numbers, the model takes 2"),
        ("POST /predict", "[[0.1, 1e39]]", 400, "out of range"),
        ("POST /predict", "[[0.1, 0.2]", 400, "EOF"),
        ("GET /nothing", "", 404, "POST /predict"),
    ];
    for (request, body, expected, message) in refused {
        let (status, answer) = service.ask(request, body);
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(status == expected && error.contains(message), "{request} {body}: {status} {answer}");
    }

    // As Ctrl-C in a terminal does.
    #[cfg(unix)]
    {
        let id = service.program.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().expect("there is a program kill");
        assert!(sent.success());
        assert!(service.program.wait().expect("it was started").success());
        let mut last = String::new();
        service.said.read_to_string(&mut last).expect("its output can be read");
        assert_eq!(last, "ended\n");
    }
}
