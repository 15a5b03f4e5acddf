//! What the library says, in the words of the command line.
//!
//! The library knows no flags: its messages name fields of its settings, and say what may help. The flags are added here.

use crate::args::Args;
use crate::output::{quoted, shown};
use clap::CommandFactory;
use plexus::{Error, Remedy};
use plexus_train::DataError;
use plexus_train::data::{ReadAs, Reason, TableReport, TaskKind, Warning};

/// The flags, by the names of what they set in the library.
pub(crate) const FLAGS: &[(&str, &str)] = &[
    ("accumulate", "--accumulate"),
    ("augment", "--augment"),
    ("batch", "--batch"),
    ("classes", "--classes"),
    ("clip_norm", "--clip-norm"),
    ("data", "--data"),
    ("delimiter", "--delimiter"),
    ("depth", "--depths"),
    ("drop", "--drop"),
    ("epochs", "--epochs"),
    ("float_epochs", "--float-epochs"),
    ("fold", "--folds"),
    ("folder", "--out"),
    ("freeze_until", "--freeze-until"),
    ("from", "--from"),
    ("header", "--header"),
    ("label_smoothing", "--label-smoothing"),
    ("layer", "--layer"),
    ("learning_rate", "--lr"),
    ("loss", "--loss"),
    ("missing", "--missing"),
    ("missing_target", "--missing-target"),
    ("na", "--na"),
    ("network", "--network"),
    ("only", "--only"),
    ("optimizer", "--optimizer"),
    ("part", "--part"),
    ("patience", "--patience"),
    ("precision", "--precision"),
    ("quantize", "--quantize"),
    ("rare", "--rare"),
    ("read_as", "--as"),
    ("schedule", "--schedule"),
    ("seed", "--seed"),
    ("smoothing", "--smoothing"),
    ("split_seed", "--split-seed"),
    ("standardize", "--no-standardize"),
    ("target", "--target"),
    ("target_scale", "--target-scale"),
    ("task", "--task"),
    ("test_data", "--test-data"),
    ("test_fraction", "--test-fraction"),
    ("validation", "--validation"),
    ("validation_data", "--validation-data"),
    ("warmup_steps", "--warmup"),
];

/// What the library calls a conversion that helps, and the command for it.
const TO_CONV: (&str, &str) = ("the conversion fc-to-conv", "plexus convert IN OUT --fc-to-conv kernel");

/// The flag for a field of the library; the field where the command has none, as `summary` takes its network without.
fn flag(field: &'static str) -> &'static str {
    let flag = FLAGS.iter().find(|(name, _)| *name == field).map(|(_, flag)| *flag);
    let args = Args::command();
    let command = std::env::args().nth(1).and_then(|name| args.find_subcommand(name));
    let lacks = |flag: &str| command.is_some_and(|command| !has(command, flag));
    flag.filter(|flag| !lacks(flag)).unwrap_or(field)
}

fn has(command: &clap::Command, flag: &str) -> bool {
    command.get_arguments().filter_map(|argument| argument.get_long()).any(|long| flag.strip_prefix("--") == Some(long))
}

/// An error of the library, with flags for fields, and with those that may help.
pub(crate) fn error(mut error: Error) -> String {
    let flags = error.remedy().as_ref().and_then(remedy_flags);
    match &mut error {
        Error::Setting { name, .. } => *name = flag(name),
        Error::Data(error) => match error.as_mut() {
            DataError::BadOption { option, .. } | DataError::NamedColumn { option, .. } => *option = flag(option),
            DataError::NothingLeft { left_out, .. } => {
                for column in left_out {
                    column.why = Reason::InWords(reason(&column.why));
                }
            }
            _ => {}
        },
        _ => {}
    }
    let text = chain(&error).replace(TO_CONV.0, TO_CONV.1);
    flags.map_or_else(|| text.clone(), |flags| format!("{text}: {flags}"))
}

/// The text of an error and of what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Why a column is left out; where it was asked for, by which flag.
pub(crate) fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Dropped => "--drop".to_string(),
        Reason::NotAmongOnly => "not in --only".to_string(),
        Reason::TextIgnored => "--as text-ignored".to_string(),
        other => other.to_string(),
    }
}

/// The report on a table, with flags in its warnings.
pub(crate) fn report(report: &TableReport) -> TableReport {
    let mut report = report.clone();
    for warning in report.columns.iter_mut().flat_map(|column| &mut column.warnings) {
        *warning = Warning { what: self::warning(warning), remedy: None };
    }
    report
}

fn warning(warning: &Warning) -> String {
    let Some(flags) = warning.remedy.as_ref().and_then(remedy_flags) else { return warning.to_string() };
    let does = match warning.remedy {
        Some(Remedy::Drop { .. }) => "leaves it out",
        Some(Remedy::Use { .. }) => "uses it",
        Some(Remedy::KeepTexts { .. }) => "keeps the texts",
        _ => return format!("{warning}: {flags}"),
    };
    format!("{}; {flags} {does}", warning.what)
}

/// The flags that do it.
fn remedy_flags(remedy: &Remedy) -> Option<String> {
    let word = |name: &str| quoted(&shown(name));
    Some(match remedy {
        Remedy::Drop { column } => format!("--drop {}", word(column)),
        Remedy::Use { column, read_as } => format!("--as {}={}", word(column), kind(*read_as)),
        Remedy::UseAny => "--as COLUMN=number or --as COLUMN=category".to_string(),
        Remedy::KeepTexts { column } => format!("--as {}=category", word(column)),
        Remedy::FewerTexts { column } => format!("--rare N or --drop {}", word(column)),
        Remedy::MissingText { text } => format!("--na {}", word(text)),
        Remedy::DropRows => "--missing-target drop".to_string(),
        Remedy::Task(TaskKind::Classification) => "--task classification".to_string(),
        Remedy::Task(TaskKind::Regression) => "--task regression".to_string(),
        Remedy::NoStandardize => "--no-standardize".to_string(),
        Remedy::Resume { folder } => format!("--resume {}", quoted(&folder.display().to_string())),
        Remedy::OtherFolder => "--out DIR".to_string(),
        _ => return None,
    })
}

fn kind(read_as: ReadAs) -> &'static str {
    match read_as {
        ReadAs::Number => "number",
        ReadAs::Category => "category",
        ReadAs::Date => "date",
        ReadAs::TextIgnored => "text-ignored",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_known(flag: &str) -> bool {
        Args::command().get_subcommands().any(|command| has(command, flag))
    }

    #[test]
    fn every_flag_is_one_of_the_command_line() {
        for (field, flag) in FLAGS {
            assert!(is_known(flag), "{field}: no command has {flag}");
        }
        assert!(FLAGS.is_sorted() && FLAGS.windows(2).all(|pair| pair[0].0 != pair[1].0), "sorted, each field once");
        assert!(!is_known("--learning-rate") && !is_known("lr"));
    }

    #[test]
    fn flags_of_remedies_and_reasons_are_those_of_the_command_line() {
        let column = || "a b".to_string();
        let remedies = [
            (Remedy::Drop { column: column() }, "--drop 'a b'"),
            (Remedy::Use { column: column(), read_as: ReadAs::Number }, "--as 'a b'=number"),
            (Remedy::UseAny, "--as COLUMN=number or --as COLUMN=category"),
            (Remedy::KeepTexts { column: "a".to_string() }, "--as a=category"),
            (Remedy::FewerTexts { column: "a".to_string() }, "--rare N or --drop a"),
            (Remedy::MissingText { text: "\u{1b}[1m".to_string() }, "--na '\u{fffd}[1m'"),
            (Remedy::DropRows, "--missing-target drop"),
            (Remedy::Task(TaskKind::Classification), "--task classification"),
            (Remedy::Task(TaskKind::Regression), "--task regression"),
            (Remedy::NoStandardize, "--no-standardize"),
            (Remedy::Resume { folder: "my runs".into() }, "--resume 'my runs'"),
            (Remedy::OtherFolder, "--out DIR"),
        ];
        let said = remedies.map(|(remedy, expected)| {
            assert_eq!(remedy_flags(&remedy).as_deref(), Some(expected));
            expected.to_string()
        });
        let reasons = [Reason::Dropped, Reason::NotAmongOnly, Reason::TextIgnored].map(|why| reason(&why));
        for text in said.iter().chain(&reasons) {
            let mut flags = text.split(' ').filter(|word| word.starts_with("--")).peekable();
            assert!(flags.peek().is_some() && flags.all(is_known), "{text}");
        }
        assert_eq!(reason(&Reason::Empty), "empty");
    }

    #[test]
    fn warnings_say_what_the_flag_does() {
        let warning = |remedy| warning(&Warning { what: "odd".to_string(), remedy });
        let column = || "a".to_string();
        assert_eq!(warning(None), "odd");
        assert_eq!(warning(Some(Remedy::Drop { column: column() })), "odd; --drop a leaves it out");
        assert_eq!(warning(Some(Remedy::Use { column: column(), read_as: ReadAs::Date })), "odd; --as a=date uses it");
        assert_eq!(warning(Some(Remedy::KeepTexts { column: column() })), "odd; --as a=category keeps the texts");
        assert_eq!(warning(Some(Remedy::DropRows)), "odd; such rows can be left out: --missing-target drop");
    }
}
