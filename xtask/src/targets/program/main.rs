//! `answers write FOLDER` writes the models; `answers FILE...` prints the bits of all results.

use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [word, folder] if word == "write" => {
            for (name, file) in answers::models() {
                std::fs::write(Path::new(folder).join(name + ".safetensors"), file).expect("the model is written");
            }
        }
        files => {
            let model = |file: &String| {
                let name = Path::new(file).file_stem().expect("a file has a name").to_string_lossy().into_owned();
                (name, std::fs::read(file).expect("the model reads"))
            };
            print!("{}", answers::results(&files.iter().map(model).collect::<Vec<_>>()));
        }
    }
}
