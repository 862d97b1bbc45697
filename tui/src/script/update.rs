//! Golden output that is written anew.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use mini_etcd_shared::language::Golden;

/// Writes the blocks into the script; answers how many have changed.
pub(super) fn rewrite(
    path: &Path,
    source: &[u8],
    goldens: Vec<(Golden, Vec<String>)>,
) -> io::Result<usize> {
    let (text, changed) = rewritten(source, goldens);
    if changed > 0 {
        std::fs::write(path, text)?;
    }
    Ok(changed)
}

fn rewritten(source: &[u8], goldens: Vec<(Golden, Vec<String>)>) -> (Vec<u8>, usize) {
    // A block that ran several times keeps what it printed last.
    let blocks: BTreeMap<usize, (Golden, Vec<String>)> =
        goldens.into_iter().map(|block| (block.0.span.start, block)).collect();
    let mut text = source.to_vec();
    let mut changed = 0;
    for (golden, lines) in blocks.into_values().rev() {
        if golden.lines == lines {
            continue;
        }
        let mut block: Vec<u8> = Vec::new();
        if golden.span.start > 0 && source.get(golden.span.start - 1) != Some(&b'\n') {
            block.push(b'\n');
        }
        for line in &lines {
            block.extend_from_slice(format!("{}{line}\n", golden.indent).as_bytes());
        }
        text.splice(golden.span.start..golden.span.end, block);
        changed += 1;
    }
    (text, changed)
}

#[cfg(test)]
mod tests {
    use mini_etcd_shared::language::{StatementKind, parse_script};

    use super::*;

    #[test]
    fn blocks_are_replaced_where_they_stand() {
        let source = b"get a\n----\nold\n\nrepeat 1\n  get b\n  ----\n\nend\nget c\n----";
        let script = parse_script(source).unwrap();
        let mut goldens = Vec::new();
        for statement in &script.statements {
            let inner = match &statement.kind {
                StatementKind::Repeat { body, .. } => &body[0].kind,
                other => other,
            };
            let StatementKind::Run(run) = inner else { panic!() };
            let golden = run.golden.clone().unwrap();
            let line = format!("new {}", golden.line);
            goldens.push((golden, vec![line]));
        }
        let (text, changed) = rewritten(source, goldens);
        assert_eq!(changed, 3);
        let text = String::from_utf8(text).unwrap();
        assert_eq!(
            text,
            "get a\n----\nnew 2\n\nrepeat 1\n  get b\n  ----\n  new 7\n\nend\nget c\n----\nnew 11\n"
        );
    }
}
