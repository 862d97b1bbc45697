//! The lines of a transaction: comparisons and operations.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::{Compare, RequestOp};

use super::parse::{Given, Parsed, parse_within};
use super::refusal::Refusal;
use super::request::{Scope, request_of};
use super::target::{Grammar, find};
use super::words::split_words;
use crate::failure::exit;
use crate::text::{parse_int, quote, unquote};

fn invalid(text: String) -> Refusal {
    Refusal::new(exit::INVALID_INPUT, text)
}

/// What a comparison line holds, as far as it could be read.
#[derive(Default)]
struct Sides<'a> {
    key: Vec<u8>,
    operator: &'a [u8],
    value: Vec<u8>,
}

/// Reads `target("key") op "value"`.
///
/// # Errors
/// When it does not have this form, names no known target or operator, or compares a number with none.
pub fn parse_compare(line: &[u8]) -> Result<Compare, Refusal> {
    let line = line.trim_ascii();
    let shown = String::from_utf8_lossy(line).into_owned();
    let Some(open) = line.iter().position(|byte| *byte == b'(') else {
        return Err(invalid(format!("malformed comparison: {shown}")));
    };
    let (target, rest) = line.split_at(open);
    let target = String::from_utf8_lossy(target).into_owned();
    let mut sides = Sides::default();
    if read_sides(rest, &mut sides).is_none() {
        return Err(invalid(format!(
            "malformed comparison: {shown}; got {target}({}) {} {}",
            quote(&sides.key),
            String::from_utf8_lossy(sides.operator),
            quote(&sides.value)
        )));
    }
    compare_of(&target, &sides.key, sides.operator, &sides.value, &shown)
}

/// The comparison of these parts; `shown` is the line for the refusal.
///
/// # Errors
/// When target or operator are not known, or a number is compared with none.
pub fn compare_of(
    target: &str,
    key: &[u8],
    operator: &[u8],
    value: &[u8],
    shown: &str,
) -> Result<Compare, Refusal> {
    let result = match operator {
        b"=" => CompareResult::Equal,
        b"!=" => CompareResult::NotEqual,
        b"<" => CompareResult::Less,
        b">" => CompareResult::Greater,
        other => {
            let other = String::from_utf8_lossy(other);
            let accepted = "accepted are =, !=, < and >";
            return Err(invalid(format!(
                "malformed comparison: {shown} (unknown operator {other}, {accepted})"
            )));
        }
    };
    let (target, union) = right_side(target, value, shown)?;
    Ok(Compare {
        result: result.into(),
        target: target.into(),
        key: Bytes::copy_from_slice(key),
        range_end: Bytes::new(),
        target_union: Some(union),
    })
}

/// Reads `("key") op "value"`; blanks around the operator are needed, what follows the value is not looked at.
fn read_sides<'a>(text: &'a [u8], sides: &mut Sides<'a>) -> Option<()> {
    let (key, rest) = unquote(text.strip_prefix(b"(")?.trim_ascii_start())?;
    sides.key = key;
    let rest = blank(rest.strip_prefix(b")")?)?;
    let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
    let (operator, rest) = rest.split_at(end);
    sides.operator = operator;
    let (value, _) = unquote(blank(rest)?)?;
    sides.value = value;
    Some(())
}

fn blank(text: &[u8]) -> Option<&[u8]> {
    let rest = text.trim_ascii_start();
    (rest.len() < text.len()).then_some(rest)
}

fn right_side(
    target: &str,
    value: &[u8],
    line: &str,
) -> Result<(CompareTarget, TargetUnion), Refusal> {
    let number = |radix| {
        parse_int(&String::from_utf8_lossy(value), radix)
            .map_err(|_| invalid(format!("invalid txn compare request: {line}")))
    };
    Ok(match target {
        "ver" | "version" => (CompareTarget::Version, TargetUnion::Version(number(10)?)),
        "c" | "create" => (CompareTarget::Create, TargetUnion::CreateRevision(number(10)?)),
        "m" | "mod" => (CompareTarget::Mod, TargetUnion::ModRevision(number(10)?)),
        "val" | "value" => {
            (CompareTarget::Value, TargetUnion::Value(Bytes::copy_from_slice(value)))
        }
        "lease" => (CompareTarget::Lease, TargetUnion::Lease(number(16)?)),
        _ => {
            return Err(invalid(format!("malformed comparison: {line} (unknown target {target})")));
        }
    })
}

/// Reads a `get`, `put` or `del` line with that command's own flags: those that every command takes have no place in
/// a transaction.
///
/// # Errors
/// When it is none of the three, or its flags, escapes or arguments do not fit.
pub fn parse_op(line: &[u8]) -> Result<RequestOp, Refusal> {
    let shown = String::from_utf8_lossy(line).into_owned();
    let words: Vec<Given> = split_words(line)?.into_iter().map(Given::plain).collect();
    if words.len() < 2 {
        return Err(invalid(format!("invalid txn compare request: {shown}")));
    }
    let refuse = |hint: String| {
        let mut refusal = invalid(format!("invalid txn request: {shown}"));
        refusal.hint = Some(hint);
        refusal
    };
    let (target, rest) = find(&words, Grammar::Operation)
        .map_err(|_| refuse("accepted are get, put and del".to_owned()))?;
    let parsed =
        parse_within(Grammar::Operation, target, rest).map_err(|refusal| refuse(refusal.text))?;
    op_of_parsed(&parsed)
}

/// The operation of a parsed line.
///
/// # Errors
/// When flags or arguments do not fit.
pub fn op_of_parsed(parsed: &Parsed) -> Result<RequestOp, Refusal> {
    let request = request_of(parsed, &Scope::default())?.operation()?;
    Ok(RequestOp { request: Some(request) })
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb::request_op::Request;

    use super::*;

    #[test]
    fn comparisons_are_read() {
        let compare = parse_compare(br#"  mod("a b")   !=   "17"  rest"#).unwrap();
        assert_eq!(compare.key.as_ref(), b"a b");
        assert_eq!(compare.result(), CompareResult::NotEqual);
        assert_eq!(compare.target_union, Some(TargetUnion::ModRevision(17)));
        let compare = parse_compare(br#"val("k\xff") > "v\n""#).unwrap();
        assert_eq!(compare.key.as_ref(), b"k\xff");
        assert_eq!(compare.target_union, Some(TargetUnion::Value("v\n".into())));
        let compare = parse_compare(br#"lease("k") = "1f""#).unwrap();
        assert_eq!(compare.target_union, Some(TargetUnion::Lease(0x1f)));
    }

    #[test]
    fn what_is_no_comparison_is_refused_in_etcdctls_words() {
        for (line, text) in [
            ("bogus", "malformed comparison: bogus"),
            (")(", "malformed comparison: )(; got )(\"\")  \"\""),
            (r#"mod("foo")<"0""#, r#"malformed comparison: mod("foo")<"0"; got mod("foo")  """#),
            (r#"mod("foo") = 0"#, r#"malformed comparison: mod("foo") = 0; got mod("foo") = """#),
            (r#"mod(foo) = "0""#, r#"malformed comparison: mod(foo) = "0"; got mod("")  """#),
            (
                r#"zap("foo") = "0""#,
                r#"malformed comparison: zap("foo") = "0" (unknown target zap)"#,
            ),
            (r#"mod("foo") = "x""#, r#"invalid txn compare request: mod("foo") = "x""#),
        ] {
            let refusal = parse_compare(line.as_bytes()).unwrap_err();
            assert_eq!((refusal.exit, refusal.text.as_str()), (3, text));
        }
    }

    #[test]
    fn operations_are_read_with_their_flags() {
        let op = parse_op(br#"put 'x y' "a\tb" --prev-kv"#).unwrap();
        let Some(Request::RequestPut(put)) = op.request else { panic!() };
        assert_eq!(
            (put.key.as_ref(), put.value.as_ref(), put.prev_kv),
            (&b"x y"[..], &b"a\tb"[..], true)
        );
        for line in ["g k --prefix", "--prefix=true get k", "de k", "p k v", "get '' --from-key"] {
            parse_op(line.as_bytes()).expect(line);
        }
        for (line, exit, text) in [
            ("bogus x", 3, "invalid txn request: bogus x"),
            ("put", 3, "invalid txn compare request: put"),
            ("put x", 128, "put command needs 1 argument and input from stdin or 2 arguments"),
            ("put x y --bogus", 3, "invalid txn request: put x y --bogus"),
            ("get x --order=bad", 4, "bad sort order bad"),
            ("put p \"a\\ b\"", 3, "invalid syntax"),
            ("get k -w json", 3, "invalid txn request: get k -w json"),
            ("get k -wjson", 3, "invalid txn request: get k -wjson"),
            ("del k --debug", 3, "invalid txn request: del k --debug"),
            ("del k --debug=false", 3, "invalid txn request: del k --debug=false"),
            ("put k v --endpoints=x", 3, "invalid txn request: put k v --endpoints=x"),
            ("get k --help", 3, "invalid txn request: get k --help"),
            ("get k -h", 3, "invalid txn request: get k -h"),
            ("help get", 3, "invalid txn request: help get"),
            ("watch k", 3, "invalid txn request: watch k"),
            ("-- get k", 3, "invalid txn request: -- get k"),
        ] {
            let refusal = parse_op(line.as_bytes()).unwrap_err();
            assert_eq!((refusal.exit, refusal.text.as_str()), (exit, text), "{line}");
        }
    }
}
