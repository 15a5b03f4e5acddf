use super::*;
use std::num::NonZero;
use std::rc::Rc;

/// A terminal in memory, and a clock that goes when it is told to.
#[derive(Clone)]
pub struct Memory {
    parser: Rc<RefCell<vt100::Parser>>,
    time: Rc<Cell<Duration>>,
    draws: Rc<RefCell<Vec<String>>>,
}

impl Memory {
    pub fn new(columns: u16) -> Memory {
        let size = |count| NonZero::new(count).expect("a terminal has rows and columns");
        let parser = Rc::new(RefCell::new(vt100::Parser::new(size(400), size(columns), 0)));
        Memory { parser, time: Rc::default(), draws: Rc::default() }
    }

    pub fn pass(&self, time: Duration) {
        self.time.set(self.time.get() + time);
    }

    /// The lines that stand on the screen. Fails where one of them was too long for it.
    pub fn lines(&self) -> Vec<String> {
        let parser = self.parser.borrow();
        let screen = parser.screen();
        let (rows, columns) = screen.size();
        assert!((0..rows.get()).all(|row| !screen.row_wrapped(row)), "a line is too long: {}", screen.contents());
        let mut lines: Vec<String> = screen.rows(0, columns.get()).map(|line| line.trim_end().to_string()).collect();
        lines.truncate(lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
        lines
    }

    /// What the bar showed, one after the other.
    pub fn draws(&self) -> Vec<String> {
        self.draws.borrow().clone()
    }

    fn write(&self, text: &str) {
        self.parser.borrow_mut().process(text.as_bytes());
        self.lines();
    }
}

impl Screen for Memory {
    fn now(&self) -> Duration {
        self.time.get()
    }

    fn bar_width(&self) -> Option<usize> {
        Some(self.parser.borrow().screen().size().1.get().into())
    }

    fn line_width(&self) -> Option<usize> {
        self.bar_width()
    }

    fn draw(&self, text: &str) {
        // As the real screen does it.
        self.write(&format!("\r\u{1b}[2K{text}"));
        if !text.is_empty() {
            self.draws.borrow_mut().push(text.to_string());
        }
    }

    fn print(&self, line: &str) {
        self.write(&format!("{line}\r\n"));
    }
}

fn parts() -> (f64, Vec<Part>, Vec<Part>) {
    let before = vec![Part::fixed("epoch 3/30")];
    let after = vec![Part::new("105,420 samples/s", [(1, "105k/s"), (2, "")]), Part::new("12 s left", [(3, "")])];
    (0.5, before, after)
}

#[test]
fn parts_give_way_in_their_order_and_the_bar_takes_what_is_free() {
    let (share, before, after) = parts();
    let shown = |width| line_with_bar(share, &before, &after, width);
    // One column stays free, two are the frame of the bar, two each gap.
    assert_eq!(shown(90), format!("epoch 3/30  {}  105,420 samples/s  12 s left", bar(0.5, 32)));
    assert_eq!(shown(53), "epoch 3/30  ▕████    ▏  105,420 samples/s  12 s left");
    assert_eq!(shown(52), format!("epoch 3/30  {}  105k/s  12 s left", bar(0.5, 16)));
    assert_eq!(shown(42), "epoch 3/30  ▕████    ▏  105k/s  12 s left");
    assert_eq!(shown(41), format!("epoch 3/30  {}  12 s left", bar(0.5, 12)));
    assert_eq!(shown(34), "epoch 3/30  ▕████    ▏  12 s left");
    assert_eq!(shown(33), format!("epoch 3/30  {}", bar(0.5, 16)));
    assert_eq!(shown(22), "epoch 3/30");
    assert_eq!(shown(8), "epoch …");
    assert_eq!(shown(0), "");
    for width in 0..200 {
        assert!(measure_text_width(&shown(width)) < width.max(1), "{width}");
    }
    let all = [before, after].concat();
    assert_eq!(line(&all, None), "epoch 3/30  105,420 samples/s  12 s left");
    assert_eq!(line(&all, Some(40)), "epoch 3/30  105k/s  12 s left");
}

#[test]
fn a_bar_is_filled_in_eighths() {
    assert_eq!(bar(0.0, 8), "▕        ▏");
    assert_eq!(bar(1.0, 8), "▕████████▏");
    assert_eq!(bar(0.5 + 1.0 / 64.0, 8), "▕████▏   ▏");
    assert_eq!(bar(f64::NAN, 8), bar(0.0, 8));
    assert_eq!(bar(2.0, 8), bar(1.0, 8));
    let shown: Vec<String> = (0..=64).map(|eighth| bar(f64::from(eighth) / 64.0, 8)).collect();
    assert!(shown.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(shown.iter().all(|bar| measure_text_width(bar) == 10));
}

#[test]
fn a_bar_waits_is_drawn_ten_times_a_second_and_goes_away() {
    let screen = Memory::new(80);
    let bar = Bar::after(Duration::from_secs(1), screen.clone());
    for _ in 0..100 {
        bar.update(parts);
        screen.pass(Duration::from_millis(20));
    }
    // Two seconds, the first of which it waits.
    assert_eq!(screen.draws().len(), 10);
    assert!(screen.lines().len() == 1 && screen.lines()[0].starts_with("epoch 3/30  ▕"), "{:?}", screen.lines());
    bar.print("a line that stays");
    assert_eq!((screen.lines()[0].as_str(), screen.lines().len()), ("a line that stays", 2));
    assert!(screen.lines()[1].starts_with("epoch 3/30  ▕"), "the bar is below it: {:?}", screen.lines());
    bar.clear();
    assert_eq!(screen.lines(), ["a line that stays"]);
    bar.print("another");
    assert_eq!(screen.lines(), ["a line that stays", "another"]);
}

#[test]
fn times_are_said_as_a_person_says_them() {
    let said = [0.4, 99.4, 185.0, 3599.0, 3723.0, f64::INFINITY, f64::NAN].map(clock);
    assert_eq!(said, ["0 s", "99 s", "3:05 min", "59:59 min", "1:02:03 h", "? s", "? s"]);
}
