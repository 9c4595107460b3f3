//! A source file with its drawn changes, each behind a switch.
//!
//! `a < b` becomes `(if crate::drawn::is(17) { (a) <= (b) } else { a < b })`: one build holds every mutant. Changes
//! may stand inside of each other; the changed text of an outer one contains no switch of an inner one.

use std::ops::Range;

use crate::sites::{Change, Site};

/// A file as rewritten, and where each of its mutants stands in it.
pub struct Rewritten {
    pub text: String,
    /// The number of the mutant, and its range of bytes.
    pub places: Vec<(usize, Range<usize>)>,
}

/// Rewrites a file with these mutants of it, each with its number.
pub fn rewrite(text: &str, mutants: &[(usize, &Site)]) -> Rewritten {
    let mut ordered = mutants.to_vec();
    // What is inserted comes before what begins at the same byte; what is longer contains what is shorter.
    ordered.sort_by_key(|(number, site)| {
        let length = site.range.len();
        (site.range.start, length > 0, usize::MAX - length, *number)
    });
    let mut writer = Writer { text, out: String::new(), places: Vec::new() };
    let rest = writer.write(0..text.len(), &ordered);
    debug_assert!(rest.is_empty(), "a mutant outside of its file");
    Rewritten { text: writer.out, places: writer.places }
}

struct Writer<'a> {
    text: &'a str,
    out: String,
    places: Vec<(usize, Range<usize>)>,
}

impl Writer<'_> {
    /// Writes this range of the source, and returns the mutants that lie behind it.
    fn write<'m>(
        &mut self,
        range: Range<usize>,
        mutants: &'m [(usize, &'m Site)],
    ) -> &'m [(usize, &'m Site)] {
        let (mut at, mut left) = (range.start, mutants);
        while let Some(((number, site), others)) = left.split_first() {
            if site.range.end > range.end {
                break;
            }
            self.out.push_str(&self.text[at..site.range.start]);
            let begin = self.out.len();
            left = self.mutant(*number, site, others);
            self.places.push((*number, begin..self.out.len()));
            at = site.range.end;
        }
        self.out.push_str(&self.text[at..range.end]);
        left
    }

    fn mutant<'m>(
        &mut self,
        number: usize,
        site: &Site,
        others: &'m [(usize, &'m Site)],
    ) -> &'m [(usize, &'m Site)] {
        let is = format!("crate::drawn::is({number})");
        let (before, after) = match &site.change {
            Change::Replace(by) => (format!("(if {is} {{ {by} }} else {{ "), " })"),
            Change::Negate => (format!("({is} != ("), "))"),
            Change::LeaveOut => (format!("if !{is} {{ "), " }"),
            Change::Return(value) => (format!(" if {is} {{ return {value}; }} "), ""),
            Change::PassOver => (format!(" if !{is} "), ""),
        };
        self.out.push_str(&before);
        let left =
            if site.range.is_empty() { others } else { self.write(site.range.clone(), others) };
        self.out.push_str(after);
        left
    }
}

#[cfg(test)]
mod tests {
    use super::rewrite;
    use crate::sites::sites;

    #[test]
    fn changes_stand_inside_of_each_other() {
        let text = "fn f() -> bool { a && b < 3 }";
        let found = sites("src/f.rs", text).unwrap();
        let numbered: Vec<_> = found.iter().enumerate().collect();
        let rewritten = rewrite(text, &numbered);
        assert_eq!(
            rewritten.text,
            "fn f() -> bool { if crate::drawn::is(0) { return true; }  if crate::drawn::is(1) { return false; }  \
             (if crate::drawn::is(2) { (a) || (b < 3) } else { a && (if crate::drawn::is(3) { (b) <= (3) } else \
             { b < (if crate::drawn::is(4) { 4 } else { 3 }) }) }) }"
        );
        for (number, place) in &rewritten.places {
            let name = format!("is({number})");
            assert!(rewritten.text[place.clone()].contains(&name), "{number}");
        }
        assert_eq!(rewritten.places.len(), 5);
        syn::parse_file(&rewritten.text).unwrap();
    }

    #[test]
    fn nothing_drawn_changes_nothing() {
        let text = "fn f() { g(1); }\n";
        assert_eq!(rewrite(text, &[]).text, text);
    }
}
