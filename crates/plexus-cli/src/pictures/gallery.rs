//! One of every picture, with odd data too: nothing is cut off, and no two texts cover each other.
//!
//! To look at them, light and dark: `PLEXUS_GALLERY=DIR cargo test -p plexus-cli gallery`.

use super::calibration::calibration;
use super::confusion::confusion_matrix;
use super::curves::{Curves, learning_curves};
use super::drawing::Mark;
use super::importance::{Bar, importance};
use super::ranking::{precision_recall, roc};
use super::regression::Predictions;
use super::sheet::{Grid, Shades, Tile, sheet};
use super::tests::{has, parse, run, texts};
use super::{Picture, Theme, font};
use plexus_kernels::random::{Random, Stream};
use plexus_train::metrics::{Calibration, Ranking};

/// Forty letters, of several scripts and with what XML minds.
const LONG: &str = "Größe des Gebäudes <in m²> & Straße №42 Ω";

fn names(classes: usize) -> Vec<String> {
    match classes {
        2 => vec!["no".to_owned(), "yes".to_owned()],
        3 => ["cat", "dog", "owl"].map(str::to_owned).to_vec(),
        _ => (0..classes).map(|class| class.to_string()).collect(),
    }
}

fn long_names(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("{LONG} {class}")).collect()
}

fn uniform(seed: u64, count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Random::new(seed, Stream::Init, [0, 0]).uniform(0.0, 1.0, &mut values);
    values
}

fn normal(seed: u64, count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Random::new(seed, Stream::Init, [0, 0]).normal(0.0, 1.0, &mut values);
    values
}

fn counts(classes: usize, rows: u64) -> Vec<u64> {
    let noise = uniform(3, classes * classes);
    let count = |cell: usize| match cell % (classes + 1) {
        0 => (rows as f32 * (0.7 + 0.3 * noise[cell])) as u64,
        _ => (rows as f32 * 0.08 * (noise[cell] - 0.6).max(0.0)) as u64,
    };
    (0..classes * classes).map(count).collect()
}

/// Scores that are mostly right, a share of positive rows.
fn scored(rows: usize, share: f32) -> (Vec<f32>, Vec<bool>) {
    let positive: Vec<bool> = uniform(5, rows).into_iter().map(|drawn| drawn < share).collect();
    let logit = |(noise, is_positive): (f32, &bool)| 1.4 * noise + if *is_positive { 1.0 } else { -1.0 };
    let scores = normal(6, rows).into_iter().zip(&positive).map(logit);
    (scores.map(|logit| 1.0 / (1.0 + (-logit).exp())).collect(), positive)
}

fn ranking(rows: usize, share: f32) -> Ranking {
    let (scores, positive) = scored(rows, share);
    Ranking::new(&scores, &positive).expect("no score is NaN")
}

fn calibrated(rows: usize, share: f32) -> Calibration {
    let (scores, positive) = scored(rows, share);
    let mut calibration = Calibration::default();
    scores.iter().zip(&positive).for_each(|(&score, &is_positive)| calibration.add(score, is_positive));
    calibration
}

fn pairs(rows: usize, center: f32, spread: f32) -> impl Iterator<Item = (f32, f32)> {
    let truth = normal(7, rows).into_iter().map(move |noise| center + spread * noise);
    truth
        .zip(normal(8, rows))
        .map(move |(truth, noise)| (truth, center + 0.9 * (truth - center) + 0.3 * spread * noise))
}

fn bars(count: usize, name: impl Fn(usize) -> String, scale: f64) -> Vec<Bar> {
    let bar = |index: usize| {
        let mean = scale * (8.0 * (-(index as f64) / 3.0).exp() - 0.08);
        Bar { name: name(index), mean, spread: 0.1 * mean.abs() + 0.05 * scale }
    };
    (0..count).map(bar).collect()
}

fn long_run(metric: &str) -> Curves {
    let mut curves = run(400);
    curves.title = format!("mlp:512,256,128,64 on {LONG}.csv");
    curves.metric_name = metric.to_owned();
    curves.train_loss.iter_mut().for_each(|loss| *loss = *loss * *loss * 4e5);
    curves.validation_loss.iter_mut().for_each(|loss| *loss = *loss * *loss * 4e5);
    curves
}

fn tiles(count: usize, side: usize, caption: &str) -> Vec<Tile> {
    let numbers = |index: usize| normal(20 + index as u64, side * side);
    let tile =
        |index| Tile { caption: format!("{caption} {index}"), height: side, width: side, values: numbers(index) };
    (0..count).map(tile).collect()
}

/// Every picture with its file name.
fn gallery() -> Vec<(String, Picture)> {
    let mut found: Vec<(String, Picture)> = Vec::new();
    let mut add = |name: &str, picture: Picture| found.push((name.to_owned(), picture));
    let title = "churn.csv, test part";
    let long_title = format!("{LONG} {LONG}.csv, test part");

    add("learning-curves", learning_curves(&run(30)));
    add("learning-curves-one-epoch", learning_curves(&run(1)));
    add("learning-curves-two-epochs", learning_curves(&run(2)));
    add("learning-curves-long", learning_curves(&long_run("root mean squared error")));
    let constant = |value: f64| Curves {
        title: "constant".to_owned(),
        epochs: (1..=12).map(f64::from).collect(),
        train_loss: vec![value; 12],
        validation_loss: vec![value; 12],
        metric_name: "accuracy".to_owned(),
        train_metric: vec![1.0; 12],
        validation_metric: vec![1.0; 12],
        best_epoch: Some(0),
    };
    add("learning-curves-constant", learning_curves(&constant(0.25)));
    let mut alone = run(60);
    (alone.validation_loss, alone.validation_metric) = (Vec::new(), Vec::new());
    add("learning-curves-without-validation", learning_curves(&alone));

    for classes in [2, 3, 10, 25, 26, 100] {
        add(&format!("confusion-{classes}"), confusion_matrix(title, &names(classes), &counts(classes, 90)));
        let long = confusion_matrix(&long_title, &long_names(classes), &counts(classes, 1_234_567));
        add(&format!("confusion-{classes}-long"), long);
    }
    add("confusion-one-row", confusion_matrix(title, &names(2), &[0, 0, 1, 0]));
    let boxes = ["漢字の長い名前はとても長い", "коротко", "🙂"].map(str::to_owned);
    add("confusion-other-scripts", confusion_matrix(title, &boxes, &counts(3, 90)));
    add("confusion-one-class", confusion_matrix("", &names(1), &[7]));

    add("filters", sheet((title, ""), "6 filters of 5 x 5", Shades::Signed, &tiles(6, 5, "filter"), Grid::PAGE));
    add("mistakes-long", sheet((&long_title, ""), LONG, Shades::Gray, &tiles(19, 14, LONG), Grid::PAGE));
    let odd = Tile { values: vec![f32::NAN, 0.0, f32::INFINITY, 1.0], ..tiles(1, 2, "odd").remove(0) };
    add("maps-odd", sheet(("", ""), "", Shades::Gray, &[odd], Grid::PAGE));
    add("maps-none", sheet((title, ""), "", Shades::Signed, &[], Grid::PAGE));

    for (name, rows, share, threshold) in [
        ("usual", 500, 0.3, 0.5),
        ("rare", 2000, 0.02, 0.25),
        ("many", 20_000, 0.5, 0.9),
        ("few", 6, 0.5, 0.5),
        ("low", 400, 0.3, 0.001),
        ("high", 400, 0.3, 0.999),
    ] {
        let ranking = ranking(rows, share);
        add(&format!("roc-{name}"), roc(title, "yes", &ranking, Some(threshold)));
        add(&format!("precision-recall-{name}"), precision_recall(title, "yes", &ranking, Some(threshold)));
        let calibrated = calibrated(rows, share);
        add(&format!("calibration-{name}"), calibration(title, Some("yes"), &calibrated, 0.1234));
    }
    let usual = ranking(500, 0.3);
    add("roc-long", roc(&long_title, LONG, &usual, Some(0.123_456)));
    add("precision-recall-long", precision_recall(&long_title, LONG, &usual, Some(0.123_456)));
    add("calibration-long", calibration(&long_title, Some(LONG), &calibrated(100_000, 0.4), 0.1234));
    add("calibration-of-answers", calibration(title, None, &calibrated(500, 0.9), 0.1234));
    let single = Ranking::new(&[0.7], &[true]).expect("no NaN");
    add("roc-one-row", roc(title, "yes", &single, None));
    add("precision-recall-one-row", precision_recall(title, "yes", &single, None));
    add("calibration-one-row", calibration(title, Some("yes"), &calibrated(1, 1.0), 0.09));

    for (name, rows, center, spread) in [
        ("usual", 300, 25.0, 8.0),
        ("many", 20_000, 180_000.0, 60_000.0),
        ("few", 5, 0.0, 1.0),
        ("tiny", 60, 2e-7, 4e-8),
        ("huge", 60, 3e12, 1e12),
        ("far-from-zero", 200, 1e6, 3.0),
    ] {
        let predictions = Predictions::new("auto.csv, test part", "mpg", pairs(rows, center, spread));
        add(&format!("predictions-{name}"), predictions.against_truth());
        add(&format!("residuals-{name}"), predictions.residuals());
    }
    let long = Predictions::new(&long_title, LONG, pairs(800, 1e5, 3e4));
    add("predictions-long", long.against_truth());
    add("residuals-long", long.residuals());
    for (name, pairs) in [("one-row", vec![(3.0, 3.5)]), ("constant", vec![(3.0, 3.0); 20]), ("none", vec![])] {
        let predictions = Predictions::new("odd.csv", "price", pairs.into_iter());
        add(&format!("predictions-{name}"), predictions.against_truth());
        add(&format!("residuals-{name}"), predictions.residuals());
    }

    let unit = "fall of accuracy when the column is shuffled, in percentage points";
    add("importance", importance(title, unit, 5, &bars(8, |index| format!("column {index}"), 1.0)));
    add("importance-long", importance(&long_title, unit, 5, &bars(12, |index| format!("{LONG} {index}"), 1.0)));
    let unit = format!("rise of the RMSE of {LONG} when the column is shuffled");
    add("importance-100", importance(title, &unit, 5, &bars(100, |index| format!("x{index}"), 2e4)));
    add("importance-one", importance(title, &unit, 5, &bars(1, |_| "x".to_owned(), 1e-5)));
    let zero = [Bar { name: "x".to_owned(), mean: 0.0, spread: 0.0 }];
    add("importance-zero", importance(title, &unit, 5, &zero));
    add("importance-none", importance(title, &unit, 5, &[]));
    found.extend(for_a_column());
    found
}

/// Those that are made for a column of a paper: all that explain a network.
fn for_a_column() -> Vec<(String, Picture)> {
    let mut found = of_weights();
    found.extend(of_maps());
    found.extend(of_neurons());
    found.extend(of_depths().into_iter().map(|(name, picture)| (name.to_owned(), picture)));
    found.extend(of_networks().into_iter().map(|(name, picture)| (name.to_owned(), picture)));
    found.extend(super::network::tests::examples());
    found
}

/// Maps and filters.
fn of_maps() -> Vec<(String, Picture)> {
    let drawn = |count: usize| {
        let mut tiles = tiles(count, 12, "");
        for (index, tile) in tiles.iter_mut().enumerate() {
            tile.caption = if index.is_multiple_of(3) { format!("{index}: dead") } else { index.to_string() };
        }
        let subtitle = "maps 0 to 63 of 512 of one image; each from its least (light) to its most";
        let heading = format!("{LONG} {LONG}");
        (format!("maps-{count}"), sheet((&heading, ""), subtitle, Shades::Gray, &tiles, Grid::column(count)))
    };
    [1, 4, 16, 17, 64].map(drawn).into()
}

/// Neurons in front of an image, which may be wide, high, large or one pixel.
fn of_neurons() -> Vec<(String, Picture)> {
    use super::neuron::{Seen, neuron};
    use image::{Rgb, RgbImage};
    let drawn = |(maps, [height, width]): (usize, [u32; 2])| {
        let color = |x: u32, y: u32| Rgb([x * 255 / width, y * 255 / height, (x * y) % 256].map(|value| value as u8));
        let image = RgbImage::from_fn(width, height, color);
        let seen = |size: u32| [size as usize / 3, size as usize / 2];
        let name = if maps.is_multiple_of(2) { LONG } else { "cat.png" };
        let seen = Seen { image, name, rows: seen(height), columns: seen(width) };
        let [weights, products] = [5, 7].map(|side| tiles(maps, side, "map"));
        let subtitle = "vermilion adds, blue takes away; sum \u{2212}0.7123 + bias 0.1000 = \u{2212}0.6123";
        let heading = ("Neuron 12,110,110 of features.denseblock4.conv2", "\u{2212}0.6123");
        (format!("neuron-{maps}-{height}x{width}"), neuron(heading, subtitle, &seen, &weights, &products))
    };
    [(1, [28, 28]), (3, [224, 224]), (2, [9, 300]), (6, [14, 14]), (64, [227, 113]), (17, [1, 1]), (1, [1, 1000])]
        .map(drawn)
        .into()
}

/// Histograms of weights.
fn of_weights() -> Vec<(String, Picture)> {
    use super::histograms::{Panel, histograms};
    let panel = |index: usize| {
        let values = normal(40 + index as u64, 500);
        let (low, high) = values.iter().fold((0.0f32, 0.0f32), |(low, high), v| (low.min(*v), high.max(*v)));
        let mut counts = vec![0; 24];
        values.iter().for_each(|value| counts[((value - low) / (high - low) * 23.9) as usize] += 1);
        let scale = [1.0, 1e-7, -1e12, 1e38][index % 4];
        let ends = [f64::from(low) * scale, f64::from(high) * scale];
        let name = if index % 5 == 3 { LONG.to_string() } else { format!("layers.{index}") };
        let [low, high] = if scale < 0.0 { [0.0, 1e12] } else { ends };
        Panel { name, numbers: format!("{} weights", 10usize.pow(index as u32 % 9)), low, high, counts }
    };
    let panels = |count: usize| (0..count).map(panel).collect::<Vec<Panel>>();
    let constant = Panel { low: 0.5, high: 0.5, counts: vec![7], ..panel(0) };
    let nothing = Panel { low: 0.0, high: 0.0, counts: Vec::new(), ..panel(1) };
    let draw = |title: &str, panels: &[Panel]| histograms(title, "how many weights are how large", panels);
    vec![
        ("histograms-1".to_string(), draw("Weights of conv1", &panels(1))),
        ("histograms-2".to_string(), draw(LONG, &[constant, nothing])),
        ("histograms-9".to_string(), draw("Weights", &panels(9))),
        ("histograms-none".to_string(), draw("Weights", &[])),
    ]
}

/// What depth costs, with large and small numbers, one depth only, and nothing measured.
fn of_depths() -> Vec<(&'static str, Picture)> {
    use super::depth::{Line, Panel, depth};
    let draw = |title: &str, depths: &[f64], scales: [f64; 4]| {
        let panels = scales.map(|scale| Panel {
            name: "gradient of the first hidden layer",
            lines: ["fully connected", "locally connected", "convolution"].map(|name| Line {
                name,
                points: depths.iter().map(|depth| (*depth, scale * depth.powi(name.len() as i32 / 5))).collect(),
            }),
        });
        depth(title, "over the number of hidden layers; 32 rows a step", &panels)
    };
    vec![
        ("depth", draw("Depth of 1x16x16, conv:8,3", &[1.0, 2.0, 4.0, 8.0], [1e12, 1.0, 1e-9, f64::NAN])),
        ("depth-one", draw(LONG, &[64.0], [1e30, 5.0, 1e-30, 0.0])),
        ("depth-none", draw("Depth", &[], [1.0; 4])),
    ]
}

/// Pictures of networks: the time of their layers, ways to connect them.
fn of_networks() -> Vec<(&'static str, Picture)> {
    use super::connectivity::{Panel, connectivity};
    use super::profile::{Bar, profile};
    let time = |index: usize| Bar {
        name: if index % 7 == 3 { LONG.to_string() } else { format!("conv{index}") },
        milliseconds: (index * index % 17) as f64 * if index < 12 { 1.37 } else { 1e3 },
        share: 0.999,
        is_convolution: index.is_multiple_of(3),
        is_fully_connected: index % 3 == 1,
    };
    let times = |count: usize| (0..count).map(time).collect::<Vec<Bar>>();
    let large = || "18,446,744,073,709,551,615".to_string();
    let panel = |name| Panel { name, weights: large(), macs: large(), per_output: large() };
    let panels = ["fully connected", "locally connected", "convolution"].map(panel);
    let slow = [Bar { milliseconds: 1e12, ..time(3) }, Bar { milliseconds: 1e-9, ..time(4) }];
    vec![
        ("profile-slow", profile("slow", 1e12, &slow)),
        ("profile-fast", profile("fast", 0.0312, &[Bar { milliseconds: 0.0096, ..time(4) }])),
        ("profile", profile("alexnet, batch of 8", 83.4, &times(12))),
        ("profile-100", profile(LONG, 1e6, &times(100))),
        ("profile-none", profile("nothing", 0.0, &[])),
        ("connectivity", connectivity("3x227x227, conv:96,11,s4", &panels)),
        ("connectivity-long", connectivity(LONG, &panels)),
    ]
}

/// A text as a box that may be turned: its corners, in order around it.
fn corners(mark: &Mark) -> Option<(&str, [(f32, f32); 4])> {
    let Mark::Text { x, y, size, anchor, angle, text, .. } = mark else { return None };
    let width = font::width(text, *size);
    let left = match anchor {
        super::drawing::Anchor::Start => 0.0,
        super::drawing::Anchor::Middle => -0.5 * width,
        super::drawing::Anchor::End => -width,
    };
    // From the top of capitals to the foot of a "g".
    let (top, bottom) = (-0.74 * size, 0.2 * size);
    let (sin, cos) = angle.to_radians().sin_cos();
    let turn = |(dx, dy): (f32, f32)| (x + cos * dx - sin * dy, y + sin * dx + cos * dy);
    Some((text, [(left, top), (left + width, top), (left + width, bottom), (left, bottom)].map(turn)))
}

/// Whether two boxes share an area: no line along one of their sides has them on different sides of it.
fn overlap(a: &[(f32, f32); 4], b: &[(f32, f32); 4]) -> bool {
    let apart = |one: &[(f32, f32); 4], (x, y): (f32, f32)| {
        let along = |corners: &[(f32, f32); 4]| {
            let places = corners.map(|corner| corner.0 * x + corner.1 * y);
            (places.into_iter().fold(f32::MAX, f32::min), places.into_iter().fold(f32::MIN, f32::max))
        };
        let ((a_low, a_high), (b_low, b_high)) = (along(one), along(b));
        let length = (x * x + y * y).sqrt();
        // Half a point of overlap cannot be seen.
        a_high - 0.5 * length < b_low || b_high - 0.5 * length < a_low
    };
    let sides = |of: &[(f32, f32); 4]| {
        let [p, q, r, _] = *of;
        [(q.0 - p.0, q.1 - p.1), (r.0 - q.0, r.1 - q.1)]
    };
    !sides(a).into_iter().chain(sides(b)).any(|side| apart(a, side))
}

#[test]
fn no_text_of_the_gallery_is_cut_off_or_covered_by_another() {
    let mut problems = Vec::new();
    for (name, picture) in gallery() {
        let boxes: Vec<_> = picture.drawing.marks.iter().filter_map(corners).collect();
        let (width, height) = (picture.drawing.width, picture.drawing.height);
        for (index, (text, corners)) in boxes.iter().enumerate() {
            if corners.iter().any(|&(x, y)| x < 0.0 || y < 0.0 || x > width || y > height) {
                problems.push(format!("{name}: \"{text}\" leaves the page"));
            }
            for (other, other_corners) in &boxes[index + 1..] {
                if overlap(corners, other_corners) {
                    problems.push(format!("{name}: \"{text}\" and \"{other}\" cover each other"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems[..problems.len().min(40)].join("\n"));
}

#[test]
fn letters_are_six_points_where_a_picture_is_a_column_of_a_paper() {
    for (name, picture) in for_a_column() {
        let width = picture.drawing.width;
        let sizes = picture.drawing.marks.iter().filter_map(|mark| match mark {
            Mark::Text { size, .. } => Some(*size),
            _ => None,
        });
        let smallest = sizes.fold(f32::MAX, f32::min);
        assert!(width <= super::COLUMN, "{name}: {width} wide");
        assert!(smallest * 240.0 / width >= 6.0, "{name}: {smallest} of {width}");
    }
}

#[test]
fn every_picture_of_the_gallery_is_a_small_file_of_both_themes() {
    let folder = std::env::var_os("PLEXUS_GALLERY").map(std::path::PathBuf::from);
    for (name, picture) in gallery() {
        parse(picture.svg());
        assert!(picture.svg().len() < 2_500_000, "{name}: {} bytes", picture.svg().len());
        assert!(picture.svg().contains("prefers-color-scheme: dark"), "{name}");
        // Painting takes longer than all the rest; each kind of picture is painted in `tests`.
        let Some(folder) = &folder else { continue };
        std::fs::create_dir_all(folder).expect("the folder is made");
        std::fs::write(folder.join(format!("{name}.svg")), picture.svg()).expect("it is written");
        for (theme, ending) in [(Theme::Light, "png"), (Theme::Dark, "dark.png")] {
            let png = picture.png(1.0, theme).expect("it is painted");
            std::fs::write(folder.join(format!("{name}.{ending}")), png).expect("it is written");
        }
    }
}

#[test]
fn curves_of_two_classes_say_what_is_positive_and_where_the_threshold_is() {
    let ranking = ranking(500, 0.3);
    let area = format!("ROC AUC {:.3}", ranking.roc_auc().expect("both classes occur"));
    let found = texts(&roc("churn.csv", "yes", &ranking, Some(0.25)));
    for wanted in [area.as_str(), "positive class &quot;yes&quot;", "of 500 rows", "threshold 0.25", "guessing"] {
        assert!(has(&found, wanted), "{wanted} in {found:?}");
    }
    let average = format!("average precision {:.3}", ranking.average_precision().expect("there are positive rows"));
    let found = texts(&precision_recall("churn.csv", "yes", &ranking, Some(0.25)));
    for wanted in [average.as_str(), "positive class &quot;yes&quot;", "threshold 0.25", "precision", "recall"] {
        assert!(has(&found, wanted), "{wanted} in {found:?}");
    }
}

#[test]
fn bars_of_importance_are_the_first_thirty_with_their_values() {
    let found = texts(&importance("t", "u", 5, &bars(100, |index| format!("x{index}"), 1.0)));
    assert!(has(&found, "the 30 most important of 100 columns; 5 shuffles each"), "{found:?}");
    assert!(has(&found, "7.92 ± 0.84") && has(&found, "x29") && !has(&found, "x30"), "{found:?}");
}

#[test]
fn turned_boxes_are_seen_to_overlap_or_not() {
    let upright = [(0.0, 0.0), (10.0, 0.0), (10.0, 4.0), (0.0, 4.0)];
    let beside = upright.map(|(x, y)| (x + 11.0, y));
    // A square on its tip whose corner reaches over the edge, and one that only comes near the corner.
    let over = [(9.0, 2.0), (13.0, -2.0), (17.0, 2.0), (13.0, 6.0)];
    let near = [(10.0, -3.0), (13.0, -6.0), (16.0, -3.0), (13.0, 0.0)].map(|(x, y)| (x - 1.0, y + 1.5));
    assert!(overlap(&upright, &over) && overlap(&upright, &upright));
    assert!(!overlap(&upright, &beside) && !overlap(&upright, &near));
}
