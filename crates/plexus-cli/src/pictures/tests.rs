//! Tests of whole pictures.

use super::confusion::confusion_matrix;
use super::curves::{Curves, learning_curves};
use super::regression::Predictions;
use super::{Picture, PictureError, Theme};

/// Checks that a picture is sound in both forms and returns its texts.
pub(super) fn texts(picture: &Picture) -> Vec<String> {
    let svg = picture.svg();
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{svg}");
    assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{svg}");
    let texts = parse(svg);
    let png = picture.png(1.0, Theme::Light).expect("a picture can be painted");
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    let attribute = |name: &str| {
        let start = svg.find(name).expect("attribute") + name.len();
        svg[start..].split('"').next().expect("value").parse::<u32>().expect("whole number")
    };
    assert_eq!((side(16), side(20)), (attribute(" width=\""), attribute(" height=\"")));
    texts
}

/// Reads XML strictly enough for what we write: tags nest and close, attributes are quoted, no stray letters.
pub(super) fn parse(svg: &str) -> Vec<String> {
    let (mut open, mut texts) = (Vec::new(), Vec::new());
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        assert!(!text.contains('>'), "stray bracket in {text}");
        for part in text.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;"];
            assert!(known.iter().any(|name| part.starts_with(name)), "stray & in {text}");
        }
        assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
        if open.last() == Some(&"text") {
            texts.push(text.to_owned());
        }
        let end = start + rest[start..].find('>').expect("closed tag");
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes of {tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().expect("name"));
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "unclosed {open:?}");
    texts
}

pub(super) fn has(texts: &[String], wanted: &str) -> bool {
    texts.iter().any(|text| text.contains(wanted))
}

/// A run as it looks in practice: falling loss, rising accuracy, a little noise.
pub(super) fn run(epochs: usize) -> Curves {
    let noise = |index: usize| ((index * 7919 % 101) as f64 / 101.0 - 0.5) * 0.01;
    let falling = |index: usize| (-(index as f64) / 5.0).exp();
    let series = |value: &dyn Fn(usize) -> f64| (0..epochs).map(value).collect::<Vec<f64>>();
    Curves {
        title: "Digits".to_owned(),
        epochs: series(&|index| 1.0 + index as f64),
        train_loss: series(&|index| 0.9 * falling(index) + 0.06 + noise(index)),
        validation_loss: series(&|index| 0.85 * falling(index) + 0.11 + noise(index + 3)),
        metric_name: "accuracy".to_owned(),
        train_metric: series(&|index| 0.98 - 0.2 * falling(index)),
        validation_metric: series(&|index| 0.965 - 0.2 * falling(index) + noise(index) * 0.2),
        best_epoch: Some(epochs * 4 / 5),
    }
}

#[test]
fn curves_show_names_units_best_epoch_and_last_values() {
    let curves = run(30);
    let texts = texts(&learning_curves(&curves));
    for wanted in ["Digits", "epoch", "loss", "accuracy (%)", "training", "validation", "best: epoch 25"] {
        assert!(has(&texts, wanted), "{wanted} in {texts:?}");
    }
    let last = super::axis::value_label(100.0 * curves.validation_metric[29]);
    assert!(has(&texts, &last), "{last} in {texts:?}");
}

#[test]
fn curves_of_any_length_can_be_drawn() {
    for epochs in [0, 1, 2, 3, 1000, 20_000] {
        let texts = texts(&learning_curves(&run(epochs)));
        assert_eq!(has(&texts, "nothing to draw"), epochs == 0);
    }
    let long = learning_curves(&run(20_000));
    assert!(long.svg().len() < 300_000, "{} bytes", long.svg().len());
}

#[test]
fn curves_with_gaps_infinities_and_missing_series_can_be_drawn() {
    let mut curves = run(20);
    curves.train_loss[3] = f64::NAN;
    curves.validation_loss[5..].fill(f64::INFINITY);
    curves.validation_metric = Vec::new();
    curves.train_metric.fill(f64::NAN);
    curves.epochs[7] = f64::NAN;
    curves.best_epoch = Some(7);
    assert!(has(&texts(&learning_curves(&curves)), "loss"));
    curves.best_epoch = Some(700);
    curves.train_loss = vec![1e300, -1e300, 3.0];
    texts(&learning_curves(&curves));
    curves.epochs.fill(f64::NAN);
    assert!(has(&texts(&learning_curves(&curves)), "nothing to draw"));
    assert!(has(&texts(&learning_curves(&Curves::default())), "nothing to draw"));
}

#[test]
fn a_loss_over_many_orders_of_magnitude_has_a_logarithmic_axis() {
    let mut curves = run(50);
    curves.metric_name = "RMSE".to_owned();
    curves.train_loss = (0..50).map(|index| 10f64.powf(2.0 - f64::from(index) / 7.0)).collect();
    let texts = texts(&learning_curves(&curves));
    for wanted in ["100", "0.01", "0.0001", "RMSE"] {
        assert!(texts.iter().any(|text| text == wanted), "{wanted} in {texts:?}");
    }
}

fn names(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("class <{class}> & a long name")).collect()
}

#[test]
fn a_confusion_matrix_shows_counts_recalls_and_accuracy() {
    let names = ["cat", "dog", "owl"].map(str::to_owned);
    let texts = texts(&confusion_matrix("Pets", &names, &[90, 10, 0, 7, 93, 0, 0, 0, 0]));
    for wanted in [
        "Pets: accuracy 91.50 %",
        "183 of 200 rows",
        "true class",
        "predicted class",
        "90.0 %",
        "93.0 %",
        "–",
        "cat",
        "owl",
    ] {
        assert!(has(&texts, wanted), "{wanted} in {texts:?}");
    }
}

#[test]
fn confusion_matrices_of_any_size_can_be_drawn() {
    for classes in [1, 2, 9, 13, 25, 26, 40, 100, 150] {
        let counts: Vec<u64> = (0..classes * classes)
            .map(|cell| if cell % (classes + 1) == 0 { 977 } else { cell as u64 % 5 / 4 })
            .collect();
        let texts = texts(&confusion_matrix("Many", &names(classes), &counts));
        assert_eq!(has(&texts, "977"), classes <= 25, "{classes}");
    }
}

#[test]
fn odd_confusion_matrices_do_not_panic() {
    for counts in [vec![], vec![1], vec![0; 4], vec![u64::MAX; 4]] {
        texts(&confusion_matrix("", &names(2), &counts));
    }
    assert!(has(&texts(&confusion_matrix("None", &[], &[])), "Nothing to draw"));
    let many = confusion_matrix("Many", &names(501), &vec![1; 501 * 501]);
    assert!(has(&texts(&many), "too many"));
    let odd = ["\u{0}\u{ffff}".to_owned(), "漢字 🙂 \" '".to_owned()];
    texts(&confusion_matrix("\u{1b}[31m</title>", &odd, &[1, 2, 3, 4]));
}

#[test]
fn a_right_prediction_is_never_rounded_to_all_right() {
    let names = ["a", "b"].map(str::to_owned);
    let texts = texts(&confusion_matrix("", &names, &[1_000_000, 1, 0, 5]));
    assert!(has(&texts, "accuracy 99.99 %") && has(&texts, "99.9 %"), "{texts:?}");
}

#[test]
fn predictions_show_their_errors_and_thin_out_many_points() {
    let pairs = (0..5000).map(|index| (index as f32 / 100.0, index as f32 / 100.0 + 2.0));
    let predictions = Predictions::new("Housing", "price in k€", pairs);
    let picture = predictions.against_truth();
    for wanted in ["Housing: RMSE 2.000", "price in k€, true", "price in k€, predicted", "MAE 2.000", "sample of 2000"]
    {
        assert!(has(&texts(&picture), wanted), "{wanted} in {:?}", texts(&picture));
    }
    assert_eq!(picture.svg().matches("<circle").count(), 2000 + 1);
    let rest = texts(&predictions.residuals());
    for wanted in ["RMSE 2.000", "price in k€, true − predicted", "−2.0"] {
        assert!(has(&rest, wanted), "{wanted} in {rest:?}");
    }
    // However many rows: the size of the file does not grow with them.
    let many = Predictions::new("", "y", (0..500_000).map(|index| ((index % 977) as f32, (index % 331) as f32)));
    for picture in [many.against_truth(), many.residuals()] {
        assert!(picture.svg().len() < 400_000, "{} bytes", picture.svg().len());
        assert!(has(&texts(&picture), "500\u{2009}000 rows"));
    }
}

#[test]
fn odd_pairs_do_not_panic() {
    let nan = f32::NAN;
    for pairs in [
        vec![],
        vec![(nan, 1.0)],
        vec![(1.0, 1.0)],
        vec![(1.0, 1.0), (nan, 2.0), (3.0, f32::INFINITY)],
        vec![(1e-38, f32::MAX), (f32::MIN, 1.0)],
        vec![(0.0, 0.0); 3],
    ] {
        let predictions = Predictions::new("Odd", "y", pairs.into_iter());
        texts(&predictions.against_truth());
        texts(&predictions.residuals());
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (one, two) = (learning_curves(&run(30)), learning_curves(&run(30)));
    assert_eq!(one.svg(), two.svg());
    assert_eq!(one.png(1.5, Theme::Light), two.png(1.5, Theme::Light));
    assert_ne!(one.png(1.5, Theme::Light), two.png(1.5, Theme::Dark));
}

#[test]
fn a_scale_without_sense_is_refused() {
    let picture = learning_curves(&run(3));
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1000.0] {
        let refused = picture.png(scale, Theme::Light);
        assert!(matches!(refused, Err(PictureError::ScaleOutOfRange { .. })), "{scale}");
    }
    let png = picture.png(2.0, Theme::Dark).expect("twice the size");
    assert_eq!(u32::from_be_bytes(png[16..20].try_into().expect("four bytes")), 1920);
}
