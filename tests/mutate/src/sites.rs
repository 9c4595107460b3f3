//! The places in a source file where a small change is possible, each with its change.
//!
//! A place is a range of bytes of the file, so that the rest of the file is kept as it is. Left out are places that
//! no run-time switch can change (patterns, types, constants, `const fn`, arguments of macros), tests, and the
//! branches behind a named switch (`broken!`), which other tests take.

use std::ops::Range;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Lit, ReturnType, Stmt, UnOp};

/// What is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The expression becomes this one.
    Replace(String),
    /// The condition means its opposite.
    Negate,
    /// The statement is left out.
    LeaveOut,
    /// The function returns this at once.
    Return(&'static str),
    /// The arm of a `match` never applies.
    PassOver,
}

/// A place and its change.
#[derive(Clone, Debug)]
pub struct Site {
    /// The file, from the root of the library.
    pub file: String,
    /// Where the text that is wrapped or followed stands in the file.
    pub range: Range<usize>,
    /// The line, from 1.
    pub line: usize,
    /// What is changed.
    pub change: Change,
    /// The text before and after the change, white space collapsed.
    pub original: String,
    pub mutated: String,
    /// The source line on which it begins.
    pub context: String,
}

/// All places of one file, in order.
///
/// # Errors
///
/// The file is not Rust.
pub fn sites(file: &str, text: &str) -> syn::Result<Vec<Site>> {
    let parsed = syn::parse_file(text)?;
    let mut finder = Finder { file, text, found: Vec::new() };
    finder.visit_file(&parsed);
    finder.found.sort_by_key(|site| site.range.start);
    Ok(finder.found)
}

/// The text on one line.
fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Finder<'a> {
    file: &'a str,
    text: &'a str,
    found: Vec<Site>,
}

impl Finder<'_> {
    fn source(&self, span: Span) -> &str {
        &self.text[span.byte_range()]
    }

    fn add(&mut self, at: Range<usize>, change: Change, original: &str, mutated: &str) {
        let line = self.text[..at.start].matches('\n').count();
        let context = self.text.lines().nth(line).unwrap_or_default();
        self.found.push(Site {
            file: self.file.to_owned(),
            range: at,
            line: line + 1,
            change,
            original: collapse(original),
            mutated: collapse(mutated),
            context: context.trim().to_owned(),
        });
    }

    fn replace(&mut self, whole: Span, by: String, reads: &str) {
        let original = self.source(whole).to_owned();
        self.add(whole.byte_range(), Change::Replace(by), &original, reads);
    }

    /// The expression with the token at `part` replaced: one change.
    fn swap(&mut self, whole: Span, part: Span, by: &str) {
        let (whole_at, part_at) = (whole.byte_range(), part.byte_range());
        let before = &self.text[whole_at.start..part_at.start];
        let after = &self.text[part_at.end..whole_at.end];
        let mutated = format!("{before}{by}{after}");
        self.replace(whole, mutated.clone(), &mutated);
    }

    fn binary(&mut self, expr: &syn::ExprBinary) {
        if has_let(&expr.left) || has_let(&expr.right) {
            return;
        }
        if is_switch(&expr.left) || is_switch(&expr.right) {
            return;
        }
        let Some(by) = other_operator(&expr.op) else { return };
        let left = self.source(expr.left.span());
        let right = self.source(expr.right.span());
        // In brackets, because `a || b && c` is not `(a || b) && c`.
        let replacement = format!("({left}) {by} ({right})");
        let reads = format!("{left} {by} {right}");
        self.replace(expr.span(), replacement, &reads);
    }

    fn condition(&mut self, cond: &Expr) {
        let has_its_own = matches!(cond, Expr::Binary(_) | Expr::Unary(_) | Expr::Lit(_));
        if has_its_own || has_let(cond) || is_switch(cond) {
            return;
        }
        let original = self.source(cond.span()).to_owned();
        self.add(cond.span().byte_range(), Change::Negate, &original, &format!("!({original})"));
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let after_brace = block.brace_token.span.open().byte_range().end;
        for value in early_values(&signature.output) {
            let original = format!("fn {}", signature.ident);
            let at = after_brace..after_brace;
            self.add(at, Change::Return(value), &original, &format!("return {value}"));
        }
    }
}

/// Values that a function of this type may return at once.
fn early_values(output: &ReturnType) -> &'static [&'static str] {
    let ReturnType::Type(_, of) = output else { return &[""] };
    let syn::Type::Path(path) = &**of else { return &[] };
    let Some(last) = path.path.segments.last() else { return &[] };
    match last.ident.to_string().as_str() {
        "bool" => &["true", "false"],
        "Option" => &["None"],
        "f64" => &["0.0", "1.0"],
        "usize" | "u64" | "u32" => &["0", "1"],
        "Vec" => &["alloc::vec::Vec::new()"],
        _ => &[],
    }
}

fn other_operator(op: &BinOp) -> Option<&'static str> {
    Some(match op {
        BinOp::Lt(_) => "<=",
        BinOp::Le(_) => "<",
        BinOp::Gt(_) => ">=",
        BinOp::Ge(_) => ">",
        BinOp::Eq(_) => "!=",
        BinOp::Ne(_) => "==",
        BinOp::And(_) => "||",
        BinOp::Or(_) => "&&",
        BinOp::Add(_) => "-",
        BinOp::Sub(_) => "+",
        BinOp::Mul(_) | BinOp::Rem(_) => "/",
        BinOp::Div(_) => "*",
        BinOp::AddAssign(_) => "-=",
        BinOp::SubAssign(_) => "+=",
        BinOp::MulAssign(_) => "/=",
        BinOp::DivAssign(_) => "*=",
        _ => return None,
    })
}

/// A method of the same type that answers otherwise.
fn other_method(name: &str) -> Option<&'static str> {
    Some(match name {
        "min" => "max",
        "max" => "min",
        "min_by" => "max_by",
        "max_by" => "min_by",
        "min_by_key" => "max_by_key",
        "max_by_key" => "min_by_key",
        "any" => "all",
        "all" => "any",
        "is_some" => "is_none",
        "is_none" => "is_some",
        "is_some_and" => "is_none_or",
        "is_none_or" => "is_some_and",
        "saturating_add" => "saturating_sub",
        "saturating_sub" => "saturating_add",
        "first" => "last",
        "last" => "first",
        _ => return None,
    })
}

/// Whether an expression is a condition that binds, `let ... = ...`, or contains one in a chain.
fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

/// Whether an expression is a named switch, or the opposite of one.
fn is_switch(expr: &Expr) -> bool {
    match expr {
        Expr::Macro(call) => call.mac.path.is_ident("broken"),
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_)) => is_named(&binary.left),
        Expr::Unary(unary) => is_switch(&unary.expr),
        Expr::Paren(inner) => is_switch(&inner.expr),
        _ => false,
    }
}

/// Whether an expression is a named switch itself: what is on the other side of `&&` is reached in other tests only.
fn is_named(expr: &Expr) -> bool {
    matches!(expr, Expr::Macro(call) if call.mac.path.is_ident("broken"))
}

/// Whether an item is compiled for some builds only.
fn is_conditional(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg"))
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let is_left_out = match item {
            syn::Item::Const(_)
            | syn::Item::Static(_)
            | syn::Item::Macro(_)
            | syn::Item::Enum(_) => true,
            syn::Item::Mod(inner) => is_conditional(&inner.attrs),
            syn::Item::Impl(inner) => is_conditional(&inner.attrs),
            _ => false,
        };
        if !is_left_out {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if function.sig.constness.is_none() && !is_conditional(&function.attrs) {
            self.function(&function.sig, &function.block);
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if function.sig.constness.is_none() && !is_conditional(&function.attrs) {
            self.function(&function.sig, &function.block);
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}

    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}

    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_macro(&mut self, _: &'ast syn::Macro) {}

    fn visit_pat(&mut self, _: &'ast syn::Pat) {}

    fn visit_type(&mut self, _: &'ast syn::Type) {}

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(expr, Some(_)) = statement {
            let is_effect = match expr {
                Expr::MethodCall(_)
                | Expr::Call(_)
                | Expr::Assign(_)
                | Expr::Continue(_)
                | Expr::Break(_)
                | Expr::Return(_) => true,
                Expr::Binary(binary) => other_operator(&binary.op).is_some(),
                _ => false,
            };
            if is_effect {
                let original = self.source(statement.span()).to_owned();
                let at = statement.span().byte_range();
                self.add(at, Change::LeaveOut, &original, "");
            }
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr_if(&mut self, choice: &'ast syn::ExprIf) {
        if is_switch(&choice.cond) {
            if let Some((_, otherwise)) = &choice.else_branch {
                self.visit_expr(otherwise);
            }
            return;
        }
        self.condition(&choice.cond);
        visit::visit_expr_if(self, choice);
    }

    fn visit_expr_match(&mut self, choice: &'ast syn::ExprMatch) {
        let is_last_open = choice
            .arms
            .last()
            .is_some_and(|arm| arm.guard.is_none() && matches!(arm.pat, syn::Pat::Wild(_)));
        let but_last = choice.arms.len().saturating_sub(1);
        for arm in &choice.arms[..but_last] {
            if let Some((_, guard)) = &arm.guard {
                self.condition(guard);
            } else if is_last_open {
                let end = arm.pat.span().byte_range().end;
                let original = self.source(arm.pat.span()).to_owned();
                self.add(end..end, Change::PassOver, &original, &format!("{original} if false"));
            }
        }
        visit::visit_expr_match(self, choice);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        self.visit_expr(&binary.left);
        if !is_named(&binary.left) || !matches!(binary.op, BinOp::And(_)) {
            self.visit_expr(&binary.right);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !arm.guard.as_ref().is_some_and(|(_, guard)| is_named(guard)) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Binary(binary) => self.binary(binary),
            Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_)) && !is_switch(expr) => {
                let inner = self.source(unary.expr.span()).to_owned();
                self.replace(expr.span(), inner.clone(), &inner);
            }
            Expr::Lit(literal) => {
                let by = match &literal.lit {
                    Lit::Bool(value) => Some((!value.value).to_string()),
                    Lit::Int(value) => value
                        .base10_parse::<u64>()
                        .ok()
                        .and_then(|number| number.checked_add(1))
                        .map(|number| format!("{number}{}", value.suffix())),
                    Lit::Float(value) => value
                        .base10_parse::<f64>()
                        .ok()
                        .map(|number| format!("{:?}{}", number + 1.0, value.suffix())),
                    _ => None,
                };
                if let Some(by) = by {
                    self.replace(expr.span(), by.clone(), &by);
                }
            }
            Expr::Call(call) => {
                let is_some = matches!(&*call.func, Expr::Path(path) if path.path.is_ident("Some"));
                if is_some {
                    self.replace(expr.span(), "None".to_owned(), "None");
                }
            }
            Expr::MethodCall(call) => {
                if let Some(by) = other_method(&call.method.to_string()) {
                    self.swap(expr.span(), call.method.span(), by);
                }
            }
            Expr::Macro(call) if call.mac.path.is_ident("matches") => {
                let mutated = format!("!{}", self.source(expr.span()));
                self.replace(expr.span(), mutated.clone(), &mutated);
            }
            _ => {}
        }
        visit::visit_expr(self, expr);
    }
}

#[cfg(test)]
mod tests {
    use super::sites;

    /// What can be changed in the body of a function of no result, as `original -> mutated`, without the function.
    fn changes(body: &str) -> Vec<String> {
        let text = format!("fn f() {{\n{body}\n}}\n");
        let found = sites("src/f.rs", &text).unwrap();
        let found = found.iter().filter(|site| site.original != "fn f");
        found.map(|site| format!("{} -> {}", site.original, site.mutated)).collect()
    }

    #[test]
    fn operators_literals_and_methods_change() {
        assert_eq!(changes("let x = a < b;"), ["a < b -> a <= b"]);
        assert_eq!(changes("let x = !a && b;"), ["!a && b -> !a || b", "!a -> a"]);
        assert_eq!(changes("let x = 4;"), ["4 -> 5"]);
        assert_eq!(changes("let x = 0.5_f64;"), ["0.5_f64 -> 1.5f64"]);
        assert_eq!(changes("let x = Some(true);"), ["Some(true) -> None", "true -> false"]);
        assert_eq!(changes("let x = a.min(b);"), ["a.min(b) -> a.max(b)"]);
        assert_eq!(
            changes("let x = matches!(a, 1 | 2);"),
            ["matches!(a, 1 | 2) -> !matches!(a, 1 | 2)"]
        );
    }

    #[test]
    fn statements_conditions_and_arms_change() {
        assert_eq!(changes("x.push(y);"), ["x.push(y); -> "]);
        assert_eq!(changes("if a.is() {}"), ["a.is() -> !(a.is())"]);
        assert_eq!(changes("match x { A => (), _ => () }"), ["A -> A if false"]);
        assert_eq!(changes("match x { A => (), B => () }"), Vec::<String>::new());
        assert_eq!(changes("match x { A if b => (), B => () }"), ["b -> !(b)"]);
    }

    #[test]
    fn bodies_change_by_their_type() {
        let returned = |output: &str| -> Vec<String> {
            let text = format!("fn f(){output} {{ g() }}");
            sites("src/f.rs", &text).unwrap().into_iter().map(|site| site.mutated).collect()
        };
        assert_eq!(returned(" -> bool"), ["return true", "return false"]);
        assert_eq!(returned(" -> Option<u8>"), ["return None"]);
        assert_eq!(returned(""), ["return"]);
        assert_eq!(returned(" -> Other"), Vec::<String>::new());
    }

    #[test]
    fn what_no_switch_can_change_is_left_out() {
        for text in [
            "const A: u8 = 1 + 2;",
            "const fn f() -> u8 { 1 + 2 }",
            "#[cfg(test)] mod tests { fn f() { g(); } }",
            "impl A { const B: u8 = 1; }",
        ] {
            assert!(sites("src/f.rs", text).unwrap().is_empty(), "{text}");
        }
        for body in [
            "assert!(1 < 2);",
            "let [1, x] = y;",
            "let x: [u8; 3] = y;",
            "if let Some(x) = y && let Some(z) = x {}",
            "if broken!(\"name\") { g(1); }",
            "let x = a && !broken!(\"name\");",
            "let x = broken!(\"name\") && a < b;",
            "match a { b if broken!(\"name\") => 1, b => c }",
        ] {
            assert_eq!(changes(body), Vec::<String>::new(), "{body}");
        }
    }
}
