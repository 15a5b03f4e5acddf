//! Reading Rust source well enough to count words in it.

/// The source with comments, strings and character literals blanked out: the same lines, only code.
pub fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            // Something stays where it was, so that the words around it stay apart, and every line keeps its number.
            code.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// The strings of a source, each with the number of its line; characters are none.
pub fn strings(text: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = text.chars().collect();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let end = literal_end(&chars, at).max(at + 1);
        let piece = &chars[at..end];
        if matches!(piece, ['"', ..] | ['r', '"' | '#', ..]) {
            found.push((line, piece.iter().collect()));
        }
        line += piece.iter().filter(|&&c| c == '\n').count();
        at = end;
    }
    found
}

/// The end of the comment or literal that starts at `at`; `at` itself where none does.
fn literal_end(chars: &[char], at: usize) -> usize {
    let next = |offset: usize| chars.get(at + offset).copied();
    let in_word = at > 0 && is_word(chars[at - 1]);
    match (chars[at], next(1)) {
        ('/', Some('/')) => at + chars[at..].iter().position(|&c| c == '\n').unwrap_or(chars.len() - at),
        ('/', Some('*')) => comment_end(chars, at),
        ('"', _) => string_end(chars, at + 1),
        ('r', Some('"' | '#')) if !in_word || chars[at - 1] == 'b' || chars[at - 1] == 'c' => raw_end(chars, at),
        // A lifetime has no closing quote after one character.
        ('\'', Some('\\')) => {
            let close = chars.iter().skip(at + 3).position(|&c| c == '\'');
            close.map_or(chars.len(), |offset| at + 3 + offset + 1)
        }
        ('\'', Some(_)) if next(2) == Some('\'') => at + 3,
        _ => at,
    }
}

fn comment_end(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(chars.len())
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut at = start;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// A raw string ends at a quote with as many hashes as it started with; `r#name` is a name.
fn raw_end(chars: &[char], start: usize) -> usize {
    let hashes = chars[start + 1..].iter().take_while(|&&c| c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return start;
    }
    let closes =
        |at: &usize| chars[*at] == '"' && chars[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
    (open + 1..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words and signs of a piece of code, without blanks.
pub fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let len = if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        tokens.push(&rest[..len]);
        rest = rest[len..].trim_start();
    }
    tokens
}

/// Lines before the module of tests at the foot of a file.
pub fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{'));
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_left() {
        let cases = [
            ("a // unsafe\nb", "a          \nb"),
            ("a /* x /* y */ z */ b", "a                     b"),
            (r#"f("un\"safe", 'x', '\'')"#, "f(            ,    ,     )"),
            ("r#\"dbg!(\"1\")\"# + r", "                 + r"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("let r#type = b\"x\";", "let r#type = b   ;"),
        ];
        for (source, code) in cases {
            assert_eq!(
                code_only(source).split_whitespace().collect::<Vec<_>>(),
                code.split_whitespace().collect::<Vec<_>>()
            );
            assert_eq!(code_only(source).lines().count(), source.lines().count());
        }
    }

    #[test]
    fn strings_are_found_with_their_lines() {
        let source = "f(\"a\", 'b', r#type) // \"c\"\n/* \"d\" */ g(b\"e\\\"\",\n r#\"f \"f\"#, 'l)";
        let found = strings(source);
        let found: Vec<_> = found.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(found, [(1, "\"a\""), (2, "\"e\\\"\""), (3, "r#\"f \"f\"#")]);
    }

    #[test]
    fn tokens_are_words_and_signs() {
        assert_eq!(tokens("unsafe_code, unsafe {f()}"), ["unsafe_code", ",", "unsafe", "{", "f", "(", ")", "}"]);
    }

    #[test]
    fn the_tests_at_the_foot_are_not_counted() {
        assert_eq!(lines_without_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(lines_without_tests("a\n#[cfg(test)]\nmod tests;\n"), 3);
    }
}
