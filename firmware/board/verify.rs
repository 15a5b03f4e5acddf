fn main() {
    let mut line = board::Line::new();
    let mut model = NAME::Model::new();
    NAME::golden::verify(&mut model, &mut |text| line.put(text));
}
