//! What the rules read: files as tokens, without comments and without tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One file: its text, and its code as tokens without comments and without tests.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) module: Vec<String>,
    pub(crate) text: String,
    pub(crate) code: Vec<Token>,
}

/// A word, a number, a string, `::` or one mark, and the line it stands on.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// A path below the crate's root that a file mentions, `super` resolved.
#[derive(Clone)]
pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) at: String,
    pub(crate) lines: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = if is_rust(path) { without_tests(tokens(text)) } else { Vec::new() };
        Self { path: path.into(), module: module_of(path), text: text.into(), code }
    }

    pub(crate) fn word(&self, at: usize) -> &str {
        self.code.get(at).map_or("", |token| &token.text)
    }

    /// Whether these words stand at this place.
    pub(crate) fn says(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(offset, word)| self.word(at + offset) == *word)
    }

    pub(crate) fn at(&self, at: usize) -> String {
        format!("{}:{}", self.path, self.code[at].line)
    }

    pub(crate) fn last_line(&self) -> String {
        format!("{}:{}", self.path, self.text.lines().count())
    }

    /// The words from a place up to the first such word.
    pub(crate) fn words_to<'a>(
        &'a self,
        at: usize,
        last: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        self.code[at..]
            .iter()
            .map(|token| token.text.as_str())
            .take_while(move |word| *word != last)
    }

    /// The words of the attributes that stand directly before a token.
    pub(crate) fn attributes_before(&self, at: usize) -> Vec<&str> {
        let mut words = Vec::new();
        let mut end = at;
        while end > 0 && self.word(end - 1) == "]" {
            let mut depth = 0;
            let start = (0..end).rev().find(|&place| {
                depth += i32::from(self.word(place) == "]") - i32::from(self.word(place) == "[");
                depth == 0
            });
            let Some(start) = start.filter(|&start| start > 0 && self.word(start - 1) == "#")
            else {
                break;
            };
            words.extend((start..end).map(|place| self.word(place)));
            end = start - 1;
        }
        words
    }

    /// Every path that begins with `crate` or `super`. Inline modules are taken for their file.
    pub(crate) fn mentions(&self) -> Vec<Mention> {
        let mut mentions = Vec::new();
        for at in 0..self.code.len() {
            let climbs = self.says(at, &["super", "::"]);
            let climbed_before = at >= 2 && self.says(at - 2, &["super", "::"]);
            if !(climbs && !climbed_before || self.says(at, &["crate", "::"])) {
                continue;
            }
            let mut base = if climbs { self.module.clone() } else { Vec::new() };
            let mut next = at;
            while self.word(next) == "super" {
                base.pop();
                next += 2;
            }
            next += if climbs { 0 } else { 2 };
            let mut paths = Vec::new();
            self.use_tree(next, &base, &mut paths);
            mentions.extend(
                paths
                    .into_iter()
                    .filter(|(path, end)| path.is_empty() || self.word(end + 1) != "!")
                    .map(|(path, end)| Mention { path, line: self.code[end].line }),
            );
        }
        mentions
    }

    /// Every path that begins with a module which this file declares. A name that is only passed on
    /// (`pub use part::Name`) does not count.
    pub(crate) fn mentions_below(&self) -> Vec<Mention> {
        let declared = (0..self.code.len()).filter(|at| self.says(*at, &["mod"]));
        let parts: Vec<&str> = declared.map(|at| self.word(at + 1)).collect();
        let mut mentions = Vec::new();
        for at in (0..self.code.len()).filter(|at| parts.contains(&self.word(*at))) {
            let own = at >= 2 && self.says(at - 2, &["self", "::"]);
            let begins = own || at == 0 || self.word(at - 1) != "::";
            if !begins || self.word(at + 1) != "::" {
                continue;
            }
            let before = (0..at).rev().take_while(|at| !matches!(self.word(*at), ";" | "}"));
            let before: Vec<&str> = before.map(|at| self.word(at)).collect();
            let passes_on = before.contains(&"pub") && before.contains(&"use");
            let mut paths = Vec::new();
            let end = self.use_tree(at, &self.module, &mut paths);
            for (path, place) in paths {
                let name = path.last().map_or("", String::as_str);
                let elsewhere = |other: usize| !(at..end).contains(&other);
                let uses = |other: usize| {
                    let declares = other > 0 && self.word(other - 1) == "mod";
                    self.word(other) == name && elsewhere(other) && !declares
                };
                if !passes_on || (0..self.code.len()).any(uses) {
                    mentions.push(Mention { path, line: self.code[place].line });
                }
            }
        }
        mentions
    }

    /// Collects the paths of `a::{b, c::d as e}` from its first word on, each with the place of its last
    /// word; an alias does not count. Returns the place after the tree.
    fn use_tree(&self, at: usize, base: &[String], out: &mut Vec<(Vec<String>, usize)>) -> usize {
        if self.word(at) == "{" {
            let mut next = at + 1;
            while next < self.code.len() && self.word(next) != "}" {
                next = self.use_tree(next, base, out).max(next + 1);
                next += usize::from(self.word(next) == ",");
            }
            return next + 1;
        }
        let word = self.word(at);
        if !(word == "*" || word.starts_with(is_word)) {
            return at;
        }
        let path = [base, &[word.to_string()]].concat();
        let goes_on = self.word(at + 1) == "::"
            && (self.word(at + 2).starts_with(is_word) || matches!(self.word(at + 2), "{" | "*"));
        if goes_on {
            return self.use_tree(at + 2, &path, out);
        }
        out.push((path, at));
        if self.word(at + 1) == "as" { at + 3 } else { at + 1 }
    }
}

/// Which module a name at the crate's root comes from, by `pub use module::...` in `lib.rs`.
pub(crate) fn re_exports(files: &[Source]) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for file in files.iter().filter(|file| file.path == "src/lib.rs") {
        for at in (0..file.code.len()).filter(|at| file.says(*at, &["pub", "use"])) {
            let skip = usize::from(matches!(file.word(at + 2), "crate" | "self")) * 2;
            let mut paths = Vec::new();
            file.use_tree(at + 2 + skip, &[], &mut paths);
            for (path, end) in paths {
                let alias = file.says(end + 1, &["as"]).then(|| file.word(end + 2).to_string());
                if let (Some(name), Some(module)) = (alias.or(path.last().cloned()), path.first()) {
                    names.insert(name, module.clone());
                }
            }
        }
    }
    names
}

/// Every function with a body, outside of tests: its lines from `fn` to its closing brace.
pub(crate) fn functions(files: &[Source]) -> Vec<Function> {
    let mut functions = Vec::new();
    for file in files {
        for at in 0..file.code.len() {
            let name = file.word(at + 1);
            if file.word(at) != "fn" || !name.starts_with(is_word) {
                continue;
            }
            let end = item_end(&file.code, at);
            if file.word(end) == "}" {
                let lines = file.code[end].line - file.code[at].line + 1;
                functions.push(Function { name: name.into(), at: file.at(at), lines });
            }
        }
    }
    functions
}

/// Where an item ends: at the first `;` or the first closed `{}` outside of parentheses and brackets.
fn item_end(code: &[Token], start: usize) -> usize {
    let mut nested = 0;
    let mut braces = 0;
    for (at, token) in code.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "(" | "[" => nested += 1,
            ")" | "]" => nested -= 1,
            "{" => braces += 1,
            "}" => braces -= 1,
            _ => {}
        }
        let closed = matches!(token.text.as_str(), "}" | ";");
        if closed && nested == 0 && braces == 0 {
            return at;
        }
    }
    code.len()
}

/// Drops every item that only tests see: `#[cfg(test)]` and `#[cfg(all(test, ...))]`.
fn without_tests(mut code: Vec<Token>) -> Vec<Token> {
    let begins = |code: &[Token], at: usize, words: &[&str]| {
        words.iter().enumerate().all(|(i, w)| code.get(at + i).is_some_and(|t| t.text == *w))
    };
    let mut at = 0;
    while at < code.len() {
        let plain = begins(&code, at, &["#", "[", "cfg", "(", "test", ")", "]"]);
        let among = begins(&code, at, &["#", "[", "cfg", "(", "all", "(", "test", ","]);
        if plain || among {
            // Past this attribute and those that follow it, then to the end of the item.
            let mut item = at;
            while begins(&code, item, &["#", "["]) {
                let mut depth = 0;
                item += 1 + code[item + 1..]
                    .iter()
                    .position(|token| {
                        depth += i32::from(token.text == "[") - i32::from(token.text == "]");
                        depth == 0
                    })
                    .map_or(code.len(), |offset| offset + 1);
            }
            let end = item_end(&code, item).min(code.len().saturating_sub(1));
            code.drain(at..=end);
        } else {
            at += 1;
        }
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Splits Rust source into tokens. Comments vanish; a string is one token that begins with its quote.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let end = token_end(&chars, at);
        let piece: String = chars[at..end].iter().collect();
        let silent = piece.trim().is_empty() || piece.starts_with("//") || piece.starts_with("/*");
        if !silent {
            tokens.push(Token { text: piece.clone(), line });
        }
        line += piece.matches('\n').count();
        at = end;
    }
    tokens
}

fn token_end(chars: &[char], at: usize) -> usize {
    let next = |offset: usize| chars.get(at + offset).copied().unwrap_or(' ');
    let run = |from: usize, keep: &dyn Fn(char) -> bool| {
        chars[from..].iter().position(|&c| !keep(c)).map_or(chars.len(), |n| from + n)
    };
    match chars[at] {
        '/' if next(1) == '/' => run(at, &|c| c != '\n'),
        '/' if next(1) == '*' => comment_end(chars, at),
        '"' => string_end(chars, at),
        '\'' if next(1) == '\\' || next(2) == '\'' => {
            let from = at + if next(1) == '\\' { 3 } else { 2 };
            (run(from, &|c| c != '\'') + 1).min(chars.len())
        }
        '\'' => run(at + 1, &is_word),
        ':' if next(1) == ':' => at + 2,
        c if is_word(c) => {
            let end = run(at, &is_word);
            let prefix: String = chars[at..end].iter().collect();
            let quoted = matches!(prefix.as_str(), "r" | "b" | "br" | "c" | "cr");
            match chars.get(end) {
                Some('"') if quoted && !prefix.contains('r') => string_end(chars, end),
                Some('"' | '#') if quoted && prefix.contains('r') => raw_end(chars, end),
                Some('\'') if prefix == "b" => token_end(chars, end),
                _ => end,
            }
        }
        _ => at + 1,
    }
}

fn string_end(chars: &[char], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of `#"..."#` with any number of marks; of the word, for a raw word such as `r#type`.
fn raw_end(chars: &[char], from: usize) -> usize {
    let marks = chars[from..].iter().take_while(|&&c| c == '#').count();
    if chars.get(from + marks) != Some(&'"') {
        let word = from + marks;
        return chars[word..].iter().position(|&c| !is_word(c)).map_or(chars.len(), |n| word + n);
    }
    let closes = |at: usize| {
        chars[at] == '"' && chars[at + 1..].iter().take_while(|&&c| c == '#').count() >= marks
    };
    let start = from + marks + 1;
    (start..chars.len()).find(|&at| closes(at)).map_or(chars.len(), |at| at + 1 + marks)
}

fn comment_end(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

/// `src/stage/score.rs` is `stage::score`; `src/stage/mod.rs` is `stage`; `src/lib.rs` is the root.
fn module_of(path: &str) -> Vec<String> {
    let path = path.strip_prefix("src/").unwrap_or(path);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let steps = path.split('/').filter(|step| !matches!(*step, "mod" | "lib"));
    steps.map(str::to_string).collect()
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|ending| ending == "rs")
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn source_files() -> Vec<Source> {
    let mut files = Vec::new();
    read_tree(&root().join("src"), is_rust, &mut files);
    files
}

/// Reads a file, or every file below a directory that the filter lets pass, in the order of their names.
pub(crate) fn read_tree(place: &Path, keep: fn(&str) -> bool, files: &mut Vec<Source>) {
    if place.is_dir() {
        for name in names_in(place, "").iter().filter(|name| !matches!(name.as_str(), "target")) {
            read_tree(&place.join(name), keep, files);
        }
        return;
    }
    let relative = place.strip_prefix(root()).unwrap_or(place);
    let path = relative.to_string_lossy().replace('\\', "/");
    if let Some(text) = fs::read_to_string(place).ok().filter(|_| keep(&path)) {
        files.push(Source::new(&path, &text));
    }
}

/// The sorted names in a directory with this ending; none if there is no such directory.
pub(crate) fn names_in(directory: &Path, ending: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    names
}
